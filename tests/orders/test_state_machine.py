"""Random lives of orders: whatever happens in whatever order, the audit holds after every step.

The promises, checked after each step:
1. the ledger's audit finds nothing;
2. no order has more than one live attempt, and none was sent again after it may have been bought, unless staff or their
   route's patience gave the first one up, or a definite no allowed another try;
3. the customer's balance is what was put in, less the price of orders that are open or completed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import psycopg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.audit.service import audit
from app.catalog.snapshot import load_catalog
from app.connectors.base import Placed, Report, ReportStatus
from app.connectors.errors import NotSent, RefusalReason, Refused, Unclear, Unsupported
from app.db import Connection, Database
from app.errors import Conflict
from app.ledger.service import account_of, adjust, topup
from app.money import MICRO
from app.orders import policy
from app.orders.again import route_choices, send_again
from app.orders.attempts import (
    ClaimedAttempt,
    Postponed,
    Write,
    claim,
    claim_polls,
    claim_unclear,
    postpone,
    record,
    sweep,
)
from app.orders.cancelling import cancel_order
from app.orders.reports import report_of
from app.orders.resolution import reject_order, resolve_attempt, reverse_order
from app.orders.service import place
from app.orders.wishes import make_wish
from app.sealing import Sealer
from app.staff.service import create_staff
from app.suppliers.circuits import answered, doubt, open_remote_service, open_supplier
from app.suppliers.service import route_facts
from tests.factories import Shop, imei, make_remote_service, make_route, make_shop, make_supplier

T = TypeVar("T")
SEALER = Sealer(["a test key that protects nothing but tests"])
OUTCOMES = [*["placed", "done"] * 4, *["failed", "unclear"] * 2, "not_sent", "unsupported", *RefusalReason]


class Life(RuleBasedStateMachine):
    """One customer, two suppliers, one service with two routes, and everything that can happen to its orders."""

    conninfo: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.put_in = 0
        self.remote = 0
        self.sent: dict[int, int] = {}

    def teardown(self) -> None:
        self.runner.run(self.db.close())
        self.runner.close()

    def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        async def inside() -> T:
            async with self.db.transaction() as conn:
                return await work(conn)

        return self.runner.run(inside())

    def alone(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize(
        number=st.integers(0, 10**6),
        devices=st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True),
        duplicates=st.sampled_from(["refuse", "return", "recent"]),
        next_after_rejection=st.booleans(),
        alone=st.booleans(),
    )
    def open(self, number: int, devices: list[int], duplicates: str, next_after_rejection: bool, alone: bool) -> None:
        self.db = Database(self.conninfo, pool_size=2)
        self.alone(self.db.open())
        self.shop: Shop = self.alone(self._shop(number, duplicates, next_after_rejection, alone))
        self.top_up(40 * MICRO, 99)
        self.order(devices)
        if duplicates == "recent":
            # What is to be served again has to be delivered first.
            self.deliver_all()
            self.order(devices)

    def deliver_all(self) -> None:
        async def go() -> None:
            async with self.db.transaction() as conn:
                supplier = self.suppliers[0]
                claims = await claim(conn, supplier, lease_by="w", lease_seconds=60, limit=3)
                await self._write(conn, supplier, claims, ["done"] * 3)

        self.alone(go())

    async def _shop(self, number: int, duplicates: str, next_after_rejection: bool, alone: bool) -> Shop:
        async with self.db.pool.connection() as conn:
            known = await (await conn.execute("SELECT count(*) AS n FROM customers")).fetchone()
        assert known is not None
        name = f"Life{known['n']}-{number}"
        shop = await make_shop(self.db, SEALER, credit=0, name=name)
        async with self.db.transaction() as conn:
            other = await make_supplier(conn, SEALER, name=f"{name} second")
            remote = await make_remote_service(conn, other, cost=1_500_000)
            if not alone:
                await make_route(conn, shop.imei_service, remote, priority=200)
            # An unlock with every liberty there is, so that all ways are walked.
            await conn.execute(
                "UPDATE services SET service_class = 'unlock', next_after_rejection = %s, duplicates = %s,"
                " duplicate_hours = 24, recent_price = 500000 WHERE id = %s",
                (next_after_rejection, duplicates, shop.imei_service),
            )
            await conn.execute("UPDATE routes SET next_after_unclear_hours = 6")
            await create_staff(conn, email="s@x.y", name="S", role="owner", if_missing=True)
        self.suppliers = (shop.supplier_id, other)
        return shop

    @rule(amount=st.integers(1, 20 * MICRO), reference=st.integers(0, 5))
    def top_up(self, amount: int, reference: int) -> None:
        try:
            _, new = self.run(
                lambda conn: topup(
                    conn, self.shop.customer_id, amount=amount, reference=f"bank {reference}", staff_id=None
                )
            )
        except Conflict:
            return
        self.put_in += amount if new else 0

    @rule(amount=st.integers(-3 * MICRO, 3 * MICRO).filter(bool), reference=st.integers(0, 5))
    def correct(self, amount: int, reference: int) -> None:
        try:
            _, new = self.run(
                lambda conn: adjust(
                    conn,
                    self.shop.customer_id,
                    amount=amount,
                    reference=f"complaint {reference}",
                    reason="test",
                    staff_id=None,
                )
            )
        except Conflict:
            return
        self.put_in += amount if new else 0

    @rule(devices=st.lists(st.integers(0, 3), min_size=1, max_size=4))
    def order(self, devices: list[int]) -> None:
        async def buy() -> None:
            async with self.db.pool.connection() as conn:
                catalog = await load_catalog(conn)
                service = catalog.services[self.shop.imei_service]
                await place(
                    conn,
                    [make_wish(service, device=imei(n), quantity=None, fields={}) for n in devices],
                    key_id=self.shop.key_id,
                    ip=None,
                    catalog_version=catalog.version,
                    source="test",
                    window_seconds=0,
                )

        self.alone(buy())

    @rule(
        which=st.integers(0, 1),
        outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=3, max_size=3),
        dies=st.integers(0, 5).map(lambda n: n == 0),
        rested=st.integers(0, 3).map(bool),
        devices=st.lists(st.integers(0, 3), max_size=3, unique=True),
    )
    def send(self, which: int, outcomes: list[str], dies: bool, rested: bool, devices: list[int]) -> None:
        supplier = self.suppliers[which]
        if devices:
            self.order(devices)

        async def go() -> None:
            async with self.db.transaction() as conn:
                await conn.execute("UPDATE attempts SET due_at = now() WHERE state = 'prepared'")
                if rested:
                    await conn.execute("UPDATE suppliers SET paused_until = NULL")
                    await conn.execute("UPDATE remote_services SET paused_until = NULL")
                claims = await claim(conn, supplier, lease_by="w", lease_seconds=60, limit=3)
            for one in claims:
                if one.blocked is None:
                    self.sent[one.attempt_id] = self.sent.get(one.attempt_id, 0) + 1
            if dies:
                async with self.db.transaction() as conn:
                    await conn.execute(
                        "UPDATE attempts SET lease_until = now() - interval '1 s' WHERE state = 'sending'"
                    )
                    await sweep(conn)
            async with self.db.transaction() as conn:
                await self._write(conn, supplier, claims, outcomes)
                if outcomes[0] == "unclear":
                    await doubt(conn, supplier, {one.remote_service_id for one in claims}, reason="test")
                elif outcomes[0] in ("placed", "done"):
                    await answered(conn, supplier, {one.remote_service_id for one in claims})

        self.alone(go())

    async def _write(self, conn: Connection, supplier: int, claims: list[ClaimedAttempt], outcomes: list[str]) -> None:
        writes: list[Write] = []
        for one, name in zip(claims, outcomes, strict=False):
            key = (one.service_id, one.currency)
            routes = await route_facts(conn, [key])
            if one.blocked is not None:
                step = policy.aside(one, routes[key])
                if isinstance(step, Postponed):
                    await postpone(conn, [step], lease_by="w")
                else:
                    writes.append(step)
                continue
            outcome = self._outcome(name)
            paused = policy.pause_after(outcome)
            if paused is not None and paused.target == "supplier":
                await open_supplier(conn, supplier, seconds=paused.seconds, reason=paused.reason)
            elif paused is not None:
                await open_remote_service(conn, one.remote_service_id, seconds=paused.seconds, reason=paused.reason)
            routes = await route_facts(conn, [key])
            writes.append(policy.after_place(one, outcome, routes[key], can_force=True))
        await record(conn, writes, lease_by="w", actor="test")

    def _outcome(self, name: str) -> policy.PlaceOutcome:
        self.remote += 1
        theirs = f"{self.shop.customer_id}-{self.remote // 2}"  # every other id is one that was given before
        if name == "placed":
            return Placed(theirs)
        if name in ("done", "failed"):
            return Placed(theirs, Report(theirs, ReportStatus(name), "words"))
        if name == "not_sent":
            return NotSent("refused connection")
        if name == "unclear":
            return Unclear("read time-out")
        if name == "unsupported":
            return Unsupported("Command Not Found")
        return Refused(RefusalReason(name), "their words")

    @rule(which=st.integers(0, 1), status=st.sampled_from(ReportStatus))
    def ask(self, which: int, status: ReportStatus) -> None:
        async def go(conn: Connection) -> None:
            await conn.execute("UPDATE attempts SET due_at = now() WHERE state = 'placed'")
            for poll in await claim_polls(conn, self.suppliers[which], lease_by="p", lease_seconds=60, limit=2):
                step = await report_of(conn, poll, Report(poll.remote_id, status, "words"))
                if isinstance(step, Postponed):
                    await postpone(conn, [step], lease_by="p")
                else:
                    await record(conn, [step], lease_by="p", actor="test")

        self.run(go)

    @rule(found=st.booleans(), number=st.integers(0, 10**6))
    def resolve(self, found: bool, number: int) -> None:
        async def go(conn: Connection) -> None:
            cursor = await conn.execute(
                "SELECT a.id FROM attempts a JOIN orders o ON o.id = a.order_id"
                " WHERE a.state = 'unclear' AND o.customer_id = %s LIMIT 1",
                (self.shop.customer_id,),
            )
            row = await cursor.fetchone()
            if row is not None:
                remote_id = f"found {self.shop.customer_id} {number}"
                await resolve_attempt(conn, row["id"], found=found, remote_id=remote_id, staff_id=1)

        try:
            self.run(go)
        except Conflict:
            return  # that id is another order's

    @rule(which=st.integers(0, 1))
    def lose_patience(self, which: int) -> None:
        async def go(conn: Connection) -> None:
            await conn.execute("UPDATE attempts SET due_at = now() WHERE state = 'unclear'")
            for one in await claim_unclear(conn, self.suppliers[which], lease_by="f", lease_seconds=60, limit=1):
                key = (one.service_id, one.currency)
                step = policy.without_it(one, (await route_facts(conn, [key]))[key])
                if step is None:
                    await postpone(conn, [Postponed(one.attempt_id, 60)], lease_by="f")
                else:
                    await record(conn, [step], lease_by="f", actor="test")

        self.run(go)

    @rule(offset=st.integers(0, 1))
    def cancel(self, offset: int) -> None:
        async def go(conn: Connection) -> None:
            order = await self._nth(conn, offset, first="in_progress", newest=True, only=True)
            if order is not None:
                await cancel_order(conn, order, actor="test", customer_id=self.shop.customer_id)

        try:
            self.run(go)
        except Conflict:
            return

    @rule(offset=st.integers(0, 1), force=st.booleans(), first=st.sampled_from(["in_progress", "completed"]))
    def send_again(self, offset: int, force: bool, first: str) -> None:
        async def go(conn: Connection) -> None:
            order = await self._nth(conn, offset, first=first, only=True)
            if order is not None:
                [choice, *_] = await route_choices(conn, order)
                if choice.cost is not None:
                    await send_again(
                        conn,
                        order,
                        route_id=choice.route_id,
                        max_cost=choice.cost,
                        force=force,
                        reason="test",
                        staff_id=1,
                    )

        try:
            self.run(go)
        except Conflict:
            return

    @rule(found=st.booleans(), number=st.integers(0, 10**6))
    def the_truth_about_what_was_given_up(self, found: bool, number: int) -> None:
        async def go(conn: Connection) -> None:
            cursor = await conn.execute(
                "SELECT a.id FROM attempts a JOIN orders o ON o.id = a.order_id"
                " WHERE a.state = 'abandoned' AND o.customer_id = %s LIMIT 1",
                (self.shop.customer_id,),
            )
            row = await cursor.fetchone()
            if row is not None:
                remote_id = f"truth {self.shop.customer_id} {number}"
                await resolve_attempt(conn, row["id"], found=found, remote_id=remote_id, staff_id=1)

        try:
            self.run(go)
        except Conflict:
            return  # that id is another order's

    @precondition(lambda self: hasattr(self, "shop"))
    @rule(offset=st.integers(0, 5))
    def reject(self, offset: int) -> None:
        async def go(conn: Connection) -> None:
            order = await self._nth(conn, offset)
            if order is not None:
                await reject_order(conn, order, reason="asked for", staff_id=1)

        try:
            self.run(go)
        except Conflict:
            return

    @rule(offset=st.integers(0, 1))
    def reverse(self, offset: int) -> None:
        async def go(conn: Connection) -> None:
            staff = await (await conn.execute("SELECT id FROM staff LIMIT 1")).fetchone()
            order = await self._nth(conn, offset, first="completed")
            if order is not None and staff is not None:
                await reverse_order(conn, order, reason="wrong", staff_id=staff["id"])

        try:
            self.run(go)
        except Conflict:
            return

    async def _nth(
        self, conn: Connection, offset: int, first: str = "accepted", *, newest: bool = False, only: bool = False
    ) -> int | None:
        cursor = await conn.execute(
            "SELECT id FROM orders WHERE customer_id = %s AND (state = %s OR NOT %s)"
            " ORDER BY state = %s DESC, id * %s OFFSET %s LIMIT 1",
            (self.shop.customer_id, first, only, first, -1 if newest else 1, offset),
        )
        row = await cursor.fetchone()
        return row["id"] if row else None

    @invariant()
    def the_books_balance(self) -> None:
        if not hasattr(self, "shop"):
            return

        async def look() -> None:
            result = await audit(self.db)
            assert result.ok, result.findings
            async with self.db.pool.connection() as conn:
                spent = await (
                    await conn.execute(
                        "SELECT COALESCE(sum(price), 0)::bigint AS n FROM orders"
                        " WHERE customer_id = %s AND state <> 'rejected'",
                        (self.shop.customer_id,),
                    )
                ).fetchone()
                twice = await conn.execute(
                    "SELECT order_id FROM attempts a WHERE state IN ('sending', 'placed', 'unclear', 'done')"
                    " AND max_cost IS NULL AND NOT EXISTS"
                    " (SELECT FROM order_events e WHERE e.attempt_id = a.id AND e.old_state = 'abandoned')"
                    " GROUP BY order_id HAVING count(*) > 1"
                )
                assert await twice.fetchall() == [], "an order may have been bought twice without staff's word"
                lost = await conn.execute(
                    "SELECT o.id FROM orders o WHERE o.state IN ('accepted', 'in_progress') AND o.held IS NULL"
                    " AND NOT EXISTS (SELECT FROM attempts a WHERE a.order_id = o.id"
                    " AND a.state IN ('prepared', 'sending', 'placed', 'unclear'))"
                )
                assert await lost.fetchall() == [], "an open order that nobody works on"
                account = await account_of(conn, self.shop.customer_id)
                assert spent is not None
                assert account.balance == self.put_in - spent["n"]

        self.alone(look())
        assert all(times == 1 for times in self.sent.values()), "an attempt was sent twice"


def walk_every_way() -> None:
    """One life by hand that takes every way there is, so that what is proved is proved of all of them."""
    life = Life()
    life.open(number=0, devices=[0, 1, 2], duplicates="recent", next_after_rejection=True, alone=False)

    def send(which: int, outcome: str, devices: list[int], *, dies: bool = False) -> None:
        life.send(which=which, outcomes=[outcome] * 3, dies=dies, rested=True, devices=devices)

    steps: list[Callable[[], None]] = [
        lambda: send(0, "unclear", [10]),
        lambda: life.lose_patience(which=0),
        lambda: life.the_truth_about_what_was_given_up(found=True, number=1),
        lambda: send(1, "placed", []),
        lambda: life.ask(which=1, status=ReportStatus.FAILED),
        lambda: send(0, "not_sent", [11]),
        lambda: send(0, "failed", []),
        lambda: send(0, "placed", [12], dies=True),
        lambda: life.resolve(found=True, number=2),
        lambda: send(0, RefusalReason.DUPLICATE, [13]),
        lambda: send(1, RefusalReason.DUPLICATE, []),
        lambda: send(0, "placed", [14]),
        lambda: life.cancel(offset=0),
        lambda: life.send_again(offset=0, force=True, first="completed"),
        lambda: send(0, "done", []),
        lambda: life.reverse(offset=0),
        lambda: life.reject(offset=0),
        lambda: life.correct(amount=5, reference=1),
    ]
    for step in steps:
        step()
        life.the_books_balance()
    life.teardown()


def test_whatever_happens_the_audit_holds(conninfo: str) -> None:
    Life.conninfo = conninfo
    walk_every_way()
    with psycopg.connect(conninfo) as conn:
        states = {row[0] for row in conn.execute("SELECT DISTINCT new_state FROM order_events WHERE kind = 'attempt'")}
        kinds = {row[0] for row in conn.execute("SELECT DISTINCT kind FROM transfers")}
        events = {row[0] for row in conn.execute("SELECT DISTINCT kind FROM order_events")}
        again = conn.execute("SELECT count(*) FROM orders WHERE repeats_id IS NOT NULL").fetchone()
    # A life that never reaches a state proves nothing about it.
    assert states >= {"placed", "done", "failed", "not_sent", "refused", "unclear", "abandoned"}
    assert kinds == {"charge", "settle", "refund", "reverse", "topup", "adjust"}
    assert events >= {"order", "attempt", "held", "cancel", "again"}
    assert again is not None
    assert again[0] > 0, "a result was served again"
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,  # the same lives every time
            suppress_health_check=list(HealthCheck),
        ),
    )
