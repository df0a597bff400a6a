"""Lock-out against guessing: every try is counted before it is checked, and waits grow with the failures.

Accounts are known by the keyed hash of what was typed, whether or not anybody is behind it, so that an answer never
says who exists. The rows outlive a restart and are shared by all processes.
"""

from datetime import datetime

from app.addresses import network_of
from app.clock import now
from app.db import Connection
from app.errors import TrunklineError
from app.sealing import Sealer

ACCOUNT_TRIES = 5
ADDRESS_TRIES = 20
"""Tries without a wait; an office shares an address."""
FIRST_WAIT = 10
LONGEST_WAIT = 900
"""Seconds: the wait after one try too many, doubled with each further one up to the longest."""


class TooManyTries(TrunklineError):  # noqa: N818  the words of the door, not of Python
    """Nothing was checked; ``seconds`` until it would be."""

    code = "too_many_tries"

    def __init__(self, seconds: int) -> None:
        wait = f"{seconds} seconds" if seconds < 120 else f"{-(-seconds // 60)} minutes"
        super().__init__(f"Too many tries. Try again in {wait}.")
        self.seconds = seconds


def about_account(sealer: Sealer, realm: str, typed: str) -> bytes:
    """Return what tries for an account of a realm ("staff", say) are counted under."""
    return sealer.hash(f"guess/account/{realm}/{typed.strip().lower()}")


def about_code(sealer: Sealer, login_id: int) -> bytes:
    """Return what tries of a second factor, or of a password asked for again, are counted under."""
    return sealer.hash(f"guess/code/{login_id}")


def about_address(sealer: Sealer, address: str) -> bytes:
    """Return what tries from an address are counted under; IPv6 by network."""
    return sealer.hash(f"guess/address/{network_of(address)}")


async def count_try(conn: Connection, subject: bytes, *, free: int) -> bool:
    """Count one more try, and return whether a wait begins if it is wrong; TooManyTries, uncounted, while one lasts.

    ``free`` tries come without a wait. The statement commits on its own connection before anything is checked, so
    that tries side by side gain nothing. A day without tries forgets them.
    """
    cursor = await conn.execute(
        """
        INSERT INTO login_guesses AS g (subject, failures, last_at, again_at)
        VALUES (%(subject)s, 1, clock_timestamp(), clock_timestamp())
        ON CONFLICT (subject) DO UPDATE SET
          failures = CASE WHEN g.last_at < clock_timestamp() - interval '1 day' THEN 1 ELSE g.failures + 1 END,
          last_at = clock_timestamp(),
          again_at = clock_timestamp() + make_interval(secs => CASE
            WHEN g.last_at < clock_timestamp() - interval '1 day' OR g.failures + 1 < %(free)s THEN 0
            ELSE least(%(longest)s, %(first)s * 2 ^ least(g.failures + 1 - %(free)s, 20)) END)
        WHERE g.again_at <= clock_timestamp()
        RETURNING failures >= %(free)s AS waits
        """,
        {"subject": subject, "free": free, "first": FIRST_WAIT, "longest": LONGEST_WAIT},
    )
    counted = await cursor.fetchone()
    if counted is not None:
        return bool(counted["waits"])
    cursor = await conn.execute("SELECT again_at FROM login_guesses WHERE subject = %s", (subject,))
    row = await cursor.fetchone()
    until: datetime = row["again_at"] if row else now()
    raise TooManyTries(max(1, round((until - now()).total_seconds())))


async def forget_tries(conn: Connection, *subjects: bytes) -> None:
    """Forget the tries of these, because one was right, and all that are older than a day."""
    await conn.execute(
        "DELETE FROM login_guesses WHERE subject = ANY (%s) OR last_at < now() - interval '1 day'", (list(subjects),)
    )


async def take_back_try(conn: Connection, subject: bytes) -> None:
    """Count one try less: it was right, but says nothing about the others of this address."""
    await conn.execute(
        "UPDATE login_guesses SET failures = greatest(failures - 1, 0), again_at = clock_timestamp()"
        " WHERE subject = %s",
        (subject,),
    )
