"""Signing in: the right password and code, and nothing else; guesses cost time; nobody is told who exists."""

import asyncio
from datetime import timedelta

import pyotp
import pytest

from app.access import guesses, invites, passwords, second_factor, sessions
from app.access.sign_in import Browser, prove_again, show_second_factor, sign_in
from app.addresses import network_of
from app.clock import now
from app.db import Database
from app.errors import Conflict, Invalid, TrunklineError
from app.sealing import Sealer
from app.staff import members
from app.staff.service import REALM, StaffRow, create_staff

LIFETIME = sessions.Lifetime(timedelta(minutes=60), timedelta(hours=12))
BROWSER = Browser("192.0.2.7", "a browser")
PASSWORD = "several words are good"


async def member(db: Database, email: str = "ann@example.com", role: str = "owner") -> StaffRow:
    """A staff member with a password."""
    hashed = await passwords.hash_password(PASSWORD)
    async with db.transaction() as conn:
        staff_id = await create_staff(conn, email=email, name="Ann", role=role)
        row = await members.get_member(conn, staff_id)
        await passwords.set_password(conn, row.login_id, hashed)
    return row


async def enter(db: Database, sealer: Sealer, password: str = PASSWORD, email: str = "ann@example.com") -> str:
    return await sign_in(db, sealer, REALM, typed=email, password=password, browser=BROWSER, lifetime=LIFETIME)


async def found(db: Database, sealer: Sealer, cookie: str) -> sessions.BrowserSession | None:
    async with db.pool.connection() as conn:
        return await sessions.find_session(conn, sealer, cookie, lifetime=LIFETIME)


async def live(db: Database, sealer: Sealer, cookie: str) -> sessions.BrowserSession:
    session = await found(db, sealer, cookie)
    assert session is not None
    return session


async def enrolled(db: Database, sealer: Sealer, cookie: str) -> tuple[str, list[str]]:
    """Enrol a second factor in this session, with a code that was used long ago; return secret and recovery codes."""
    async with db.transaction() as conn:
        secret = await second_factor.offer_totp(conn, sealer, (await live(db, sealer, cookie)).id)
    session = await live(db, sealer, cookie)
    async with db.transaction() as conn:
        codes = await second_factor.enrol_totp(
            conn, sealer, session.login_id, session.id, offered=session.totp_offered,
            code=pyotp.TOTP(secret).at(now()),
        )  # fmt: skip
        # Not entered with an older code: that one may be too old a moment later, when the next step begins.
        await conn.execute("UPDATE logins SET totp_step = 0 WHERE id = %s", (session.login_id,))
    return secret, codes


async def test_the_right_password_opens_a_session_kept_as_a_hash(db: Database, sealer: Sealer) -> None:
    ann = await member(db)
    cookie = await enter(db, sealer, email=" ANN@example.com")
    session = await live(db, sealer, cookie)
    assert (session.login_id, session.is_half, session.is_proved) == (ann.login_id, False, True)
    async with db.pool.connection() as conn:
        row = await (await conn.execute("SELECT * FROM login_sessions")).fetchone()
        kept = await (await conn.execute("SELECT password_hash FROM logins")).fetchone()
    assert cookie not in str(row)
    assert kept is not None
    assert kept["password_hash"].startswith("$argon2id$")


async def test_a_stranger_a_suspended_member_and_a_wrong_password_get_one_answer(db: Database, sealer: Sealer) -> None:
    await member(db)
    gone = await member(db, "gone@example.com", "operator")
    async with db.transaction() as conn:
        await members.suspend(conn, gone.id)
        await create_staff(conn, email="new@example.com", name="New", role="operator")
    answers = set()
    for email, password in (
        ("ann@example.com", "wrong"), ("gone@example.com", PASSWORD), ("new@example.com", ""),
        ("nobody@example.com", PASSWORD), ("a\x00b", "\ud800"),
    ):  # fmt: skip
        with pytest.raises(Invalid) as refused:
            await enter(db, sealer, password, email)
        answers.add((refused.value.message, refused.value.field))
    assert len(answers) == 1


@pytest.mark.parametrize("email", ["ann@example.com", "nobody@example.com"])
async def test_guessing_costs_growing_waits_and_the_right_password_waits_too(
    db: Database, sealer: Sealer, email: str
) -> None:
    await member(db)
    for _ in range(guesses.ACCOUNT_TRIES):
        with pytest.raises(Invalid):
            await enter(db, sealer, "wrong", email)
    waits = []
    for _ in range(3):
        with pytest.raises(guesses.TooManyTries) as refused:
            await enter(db, sealer, PASSWORD, email)
        waits.append(refused.value.seconds)
        async with db.pool.connection() as conn:  # the wait is over
            await conn.execute("UPDATE login_guesses SET again_at = now()")
        with pytest.raises(Invalid):
            await enter(db, sealer, "wrong", email)
    assert waits == sorted(waits)
    assert waits[-1] >= 2 * waits[0]


async def test_a_hundred_guesses_side_by_side_are_no_more_than_the_free_ones(db: Database, sealer: Sealer) -> None:
    await member(db)
    ends = await asyncio.gather(*(enter(db, sealer, f"wrong {n}") for n in range(30)), return_exceptions=True)
    checked = [end for end in ends if isinstance(end, Invalid)]
    assert len(checked) <= guesses.ACCOUNT_TRIES
    assert all(isinstance(end, TrunklineError) for end in ends)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),  # where both kinds come in by one socket, IPv4 is not one network
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_tries_are_counted_by_address_and_those_of_ipv6_by_network(address: str, network: str) -> None:
    assert network_of(address) == network


async def test_an_address_that_tries_many_accounts_waits(db: Database, sealer: Sealer) -> None:
    await member(db)
    for number in range(guesses.ADDRESS_TRIES):
        with pytest.raises(Invalid):
            await enter(db, sealer, "wrong", f"{number}@example.com")
    with pytest.raises(guesses.TooManyTries):
        await enter(db, sealer)


async def test_with_a_second_factor_the_password_is_half_the_way_and_the_session_changes(
    db: Database, sealer: Sealer
) -> None:
    ann = await member(db)
    secret, _ = await enrolled(db, sealer, await enter(db, sealer))
    half_cookie = await enter(db, sealer)
    half = await live(db, sealer, half_cookie)
    assert half.is_half
    code = pyotp.TOTP(secret).at(now())
    with pytest.raises(Invalid):
        await show_second_factor(db, sealer, half, code="000000x", browser=BROWSER, lifetime=LIFETIME)
    whole_cookie = await show_second_factor(db, sealer, half, code=code, browser=BROWSER, lifetime=LIFETIME)
    assert whole_cookie != half_cookie
    assert await found(db, sealer, half_cookie) is None
    assert not (await live(db, sealer, whole_cookie)).is_half
    again = await live(db, sealer, await enter(db, sealer))
    with pytest.raises(Invalid):  # the code was used
        await show_second_factor(db, sealer, again, code=code, browser=BROWSER, lifetime=LIFETIME)
    async with db.pool.connection() as conn:
        row = await (await conn.execute("SELECT totp_sealed FROM logins WHERE id = %s", (ann.login_id,))).fetchone()
    assert row is not None
    assert secret.encode() not in row["totp_sealed"]


async def test_a_recovery_code_stands_in_once(db: Database, sealer: Sealer) -> None:
    await member(db)
    _, codes = await enrolled(db, sealer, await enter(db, sealer))
    assert len(set(codes)) == second_factor.RECOVERY_CODES
    half = await live(db, sealer, await enter(db, sealer))
    await show_second_factor(db, sealer, half, code=codes[3].upper(), browser=BROWSER, lifetime=LIFETIME)
    half = await live(db, sealer, await enter(db, sealer))
    with pytest.raises(Invalid):
        await show_second_factor(db, sealer, half, code=codes[3], browser=BROWSER, lifetime=LIFETIME)


async def test_enrolling_ends_the_sessions_that_never_showed_it(db: Database, sealer: Sealer) -> None:
    await member(db)
    here, elsewhere = await enter(db, sealer), await enter(db, sealer)
    await enrolled(db, sealer, here)
    assert await found(db, sealer, elsewhere) is None
    assert not (await live(db, sealer, here)).is_half


async def test_two_clicks_enrol_once_and_renew_to_ten_codes(db: Database, sealer: Sealer) -> None:
    ann = await member(db)
    cookie = await enter(db, sealer)
    async with db.transaction() as conn:
        secret = await second_factor.offer_totp(conn, sealer, (await live(db, sealer, cookie)).id)
    session = await live(db, sealer, cookie)

    async def enrol() -> list[str]:
        async with db.transaction() as conn:
            return await second_factor.enrol_totp(
                conn, sealer, session.login_id, session.id, offered=session.totp_offered,
                code=pyotp.TOTP(secret).at(now()),
            )  # fmt: skip

    async def renew() -> list[str]:
        async with db.transaction() as conn:
            return await second_factor.new_recovery_codes(conn, sealer, ann.login_id)

    ends = await asyncio.gather(enrol(), enrol(), return_exceptions=True)
    assert [type(end) for end in ends if not isinstance(end, list)] == [Conflict]
    await asyncio.gather(renew(), renew(), renew())
    async with db.pool.connection() as conn:
        assert await second_factor.recovery_codes_left(conn, ann.login_id) == second_factor.RECOVERY_CODES


async def test_the_proof_asked_for_again_counts_its_guesses(db: Database, sealer: Sealer) -> None:
    await member(db)
    session = await live(db, sealer, await enter(db, sealer))
    async with db.pool.connection() as conn:
        await conn.execute("UPDATE login_sessions SET proved_at = now() - interval '11 minutes'")
    for _ in range(guesses.ACCOUNT_TRIES):
        with pytest.raises(Invalid):
            await prove_again(db, sealer, session, given="wrong")
    with pytest.raises(guesses.TooManyTries):
        await prove_again(db, sealer, session, given=PASSWORD)
    async with db.pool.connection() as conn:
        await conn.execute("UPDATE login_guesses SET again_at = now()")
    await prove_again(db, sealer, session, given=PASSWORD)


@pytest.mark.parametrize(("column", "age"), [("seen_at", "61 minutes"), ("expires_at", "1 second")])
async def test_a_session_ends_when_idle_and_when_old(db: Database, sealer: Sealer, column: str, age: str) -> None:
    await member(db)
    cookie = await enter(db, sealer)
    async with db.pool.connection() as conn:
        await conn.execute(f"UPDATE login_sessions SET {column} = now() - interval '{age}'")
    assert await found(db, sealer, cookie) is None


async def test_what_refreshes_by_itself_keeps_no_session_alive(db: Database, sealer: Sealer) -> None:
    await member(db)
    cookie = await enter(db, sealer)
    async with db.pool.connection() as conn:
        await conn.execute("UPDATE login_sessions SET seen_at = now() - interval '50 minutes'")
        await sessions.find_session(conn, sealer, cookie, lifetime=LIFETIME, background=True)
        await conn.execute("UPDATE login_sessions SET seen_at = seen_at - interval '11 minutes'")
    assert await found(db, sealer, cookie) is None


async def test_an_invitation_works_once_and_the_newest_only(db: Database, sealer: Sealer) -> None:
    async with db.transaction() as conn:
        staff_id = await create_staff(conn, email="bob@example.com", name="Bob", role="operator")
        old, _ = await members.invite(conn, sealer, staff_id)
        new, _ = await members.invite(conn, sealer, staff_id)
        bob = await members.get_member(conn, staff_id)
    hashed = await passwords.hash_password(PASSWORD)
    for token, works in ((old, False), (new, True), (new, False)):
        async with db.pool.connection() as conn:
            if works:
                assert await invites.accept_invite(conn, sealer, token, hashed) == bob.login_id
            else:
                with pytest.raises(Invalid):
                    await invites.accept_invite(conn, sealer, token, hashed)
    await enter(db, sealer, email="bob@example.com")


async def test_an_invitation_that_is_over_does_not_work(db: Database, sealer: Sealer) -> None:
    async with db.pool.connection() as conn:
        staff_id = await create_staff(conn, email="bob@example.com", name="Bob", role="operator")
        token, _ = await members.invite(conn, sealer, staff_id)
        await conn.execute("UPDATE login_invites SET expires_at = now()")
        with pytest.raises(Invalid):
            await invites.accept_invite(conn, sealer, token, "hash")


async def test_two_owners_who_leave_at_the_same_time_leave_one(db: Database) -> None:
    first, second = await member(db), await member(db, "bob@example.com")

    async def leave(staff_id: int) -> None:
        async with db.transaction() as conn:
            await members.suspend(conn, staff_id)

    ends = await asyncio.gather(leave(first.id), leave(second.id), return_exceptions=True)
    assert [type(end) for end in ends if end is not None] == [Conflict]


@pytest.mark.parametrize("password", ["short", "x" * 201, "aaaaaaaaaaaaaaaa", "ann.somebody@example.com"])
async def test_a_password_that_is_easy_to_guess_is_refused(password: str) -> None:
    with pytest.raises(Invalid):
        await passwords.hash_password(password, email="ann.somebody@example.com")


async def test_second_factors_move_to_a_new_key(db: Database) -> None:
    old, new = "an old key that is about to be dropped", "a new key that takes over from the old"
    await member(db)
    await enrolled(db, Sealer([old]), await enter(db, Sealer([old])))
    async with db.transaction() as conn:
        assert await second_factor.reseal_second_factors(conn, Sealer([new, old])) == 1
        row = await (await conn.execute("SELECT totp_sealed FROM logins")).fetchone()
    assert row is not None
    Sealer([new]).open(row["totp_sealed"])


async def test_a_password_that_is_changed_meanwhile_opens_nothing(db: Database, sealer: Sealer) -> None:
    ann = await member(db)
    changed = await passwords.hash_password("other words are too")
    async with db.pool.connection() as watching:
        async with db.transaction() as conn:
            await passwords.set_password(conn, ann.login_id, changed)
            entering = asyncio.create_task(enter(db, sealer))
            while not entering.done():
                cursor = await watching.execute("SELECT FROM pg_locks WHERE NOT granted")
                if cursor.rowcount:
                    break
                await asyncio.sleep(0.01)
        with pytest.raises(Invalid):
            await entering
        cursor = await watching.execute("SELECT FROM login_sessions")
        assert cursor.rowcount == 0
