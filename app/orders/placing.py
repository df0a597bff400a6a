"""Places what a customer wants, many rows at a time, and tells of each what became of it: the same for every JSON door.

A row is checked against the newest catalogue and refused with the error that names what is wrong; what is left is
placed in one statement. With a key of the caller's the answer is kept with the orders, so that the same call sent again
gets it again, whatever was lost in between.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from app.catalog.snapshot import Catalog, CatalogCache
from app.customers.once import Once, recall
from app.customers.service import Identity
from app.db import Connection, Database
from app.errors import Conflict, Invalid, NoCredit, NotFound, TrunklineError, Unavailable
from app.orders.choices import wrong_choices
from app.orders.service import AnsweredBefore, Outcome, StaleCatalog, place, place_once, rolled_back
from app.orders.wishes import Wish

_TRIES = 5

log = structlog.get_logger()

ReadWish = Callable[[Catalog], Wish]
"""Makes a wish of what was asked for; raises TrunklineError with what is wrong with it."""


class NotSold(NotFound):
    """There is no such service for this customer."""

    code = "service_not_found"


class NotNow(Unavailable):
    """No supplier could fulfil it now without a loss; nothing was charged."""

    code = "service_unavailable"


class Doubtful(Unavailable):
    """Nobody saw whether the orders were committed."""

    code = "uncertain"


class DuplicateOrder(Conflict):
    """Another order for the device stands in the way: ``order_id``."""

    code = "duplicate_order"

    def __init__(self, order_id: int) -> None:
        super().__init__(f"Order {order_id} is for the same service and device.", field="device")
        self.order_id = order_id


@dataclass(frozen=True, slots=True)
class Stands:
    """The order that a row has; ``new``: it was made by this call, else it is the same one asked for before."""

    order_id: int
    new: bool


Placed = Stands | TrunklineError
"""What became of a row."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of each row; ``again``: this is what the key was answered before."""

    rows: list[Placed]
    again: bool = False


@dataclass(frozen=True, slots=True)
class Placer:
    """Places for a door: ``source`` is the door's name, ``placed()`` is called after a commit that placed something."""

    db: Database
    catalog: CatalogCache
    placed: Callable[[], None]
    window_seconds: int
    source: str

    async def place(
        self, identity: Identity, ip: str | None, rows: Sequence[ReadWish], *, call: Once | None = None
    ) -> Answer:
        """Place what can be placed of ``rows``, charged and committed when this returns, once for a key.

        Raises KeyReused, Unauthenticated if the key is no longer valid, Doubtful, and Unavailable.
        """
        catalog = await self.catalog.at_least(identity.catalog_version)
        for _ in range(_TRIES):
            if call is not None and (kept := await self._recall(identity, call)) is not None:
                return Answer(kept, again=True)
            checked = await self._check(catalog, rows)
            try:
                return Answer(await self._place(identity, ip, checked, catalog.version, call))
            except StaleCatalog:
                catalog = await self.catalog.newer_than(catalog.version)
            except AnsweredBefore:
                continue
        raise Unavailable("The catalogue changes too fast at this moment; nothing was ordered or charged.")

    async def _recall(self, identity: Identity, call: Once) -> list[Placed] | None:
        async with self.db.pool.connection() as conn:
            kept = await recall(conn, identity.customer_id, call)
        return None if kept is None else _restored(kept)

    async def _check(self, catalog: Catalog, rows: Sequence[ReadWish]) -> list[Wish | TrunklineError]:
        checked = [_read(row, catalog) for row in rows]
        wrong = await wrong_choices(self.db, catalog, [one for one in checked if isinstance(one, Wish)])
        if wrong:
            places = [place for place, one in enumerate(checked) if isinstance(one, Wish)]
            for place, (_, field) in wrong.items():
                checked[places[place]] = Invalid(f"{field.strip()} is not one of the choices.", field=f"fields.{field}")
        return checked

    async def _place(
        self,
        identity: Identity,
        ip: str | None,
        checked: Sequence[Wish | TrunklineError],
        version: int,
        call: Once | None,
    ) -> list[Placed]:
        wishes = [one for one in checked if isinstance(one, Wish)]
        refused = [one if isinstance(one, TrunklineError) else None for one in checked]
        if not wishes:
            return [error for error in refused if error is not None]
        written = [None if error is None else _written(error) for error in refused]
        sent = False
        try:
            async with self.db.pool.connection() as conn:
                sent = True
                outcomes = await self._write(conn, identity, ip, wishes, version=version, call=call, refused=written)
        except (StaleCatalog, AnsweredBefore, TrunklineError):
            raise
        except Exception as error:
            if not sent or rolled_back(error):
                raise
            log.error("placing ended without an answer", error=type(error).__name__, customer_id=identity.customer_id)
            raise Doubtful(
                "The order may have been received. Send exactly the same again: with the same Idempotency-Key, or for"
                " the same device, it is not charged a second time."
            ) from error
        if any(outcome.kind == "placed" for outcome in outcomes):
            self.placed()
        return _merged(refused, [_judged(outcome) for outcome in outcomes])

    async def _write(
        self,
        conn: Connection,
        identity: Identity,
        ip: str | None,
        wishes: Sequence[Wish],
        *,
        version: int,
        call: Once | None,
        refused: object,
    ) -> list[Outcome]:
        """Place in one statement; ``refused`` is kept with what becomes of the wishes, if the call counts once."""
        common: dict[str, Any] = {
            "key_id": identity.key_id,
            "ip": ip,
            "catalog_version": version,
            "source": self.source,
            "window_seconds": self.window_seconds,
        }
        if call is None:
            return await place(conn, wishes, **common)
        return await place_once(conn, wishes, call=call, refused=refused, **common)


def _read(row: ReadWish, catalog: Catalog) -> Wish | TrunklineError:
    try:
        return row(catalog)
    except TrunklineError as error:
        return error


def _judged(outcome: Outcome) -> Placed:
    match outcome:
        case Outcome("placed" | "repeated", int(order_id)):
            return Stands(order_id, new=outcome.kind == "placed")
        case Outcome("duplicate", int(order_id)):
            return DuplicateOrder(order_id)
        case Outcome("no_credit"):
            return NoCredit("The balance and credit limit do not cover it.")
        case Outcome("not_sold"):
            return not_sold()
        case _:
            return NotNow("This service cannot be ordered at the moment; nothing was charged.")


def not_sold() -> NotSold:
    """Refuse a service that does not exist for this customer."""
    return NotSold("There is no such service.", field="service")


def _merged(refused: Sequence[TrunklineError | None], outcomes: Sequence[Placed]) -> list[Placed]:
    rest = iter(outcomes)
    return [next(rest) if error is None else error for error in refused]


_ERRORS: Mapping[str, type[TrunklineError]] = {
    kind.code: kind for kind in (Invalid, NotSold, NoCredit, NotNow, NotFound, Conflict)
}


def _written(error: TrunklineError) -> dict[str, Any]:
    return {"code": error.code, "message": error.message, "field": error.field}


def _restored(kept: Mapping[str, Any]) -> list[Placed]:
    refused = [
        None if error is None else _ERRORS.get(error["code"], Invalid)(error["message"], field=error["field"])
        for error in kept["refused"]
    ]
    outcomes = [_judged(Outcome(one["kind"], one["order_id"])) for one in kept["outcomes"]]
    return _merged(refused, outcomes)
