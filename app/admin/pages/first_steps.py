"""The first steps: from an empty database to the first order, each ticked by facts and none by a click."""

from dataclasses import dataclass

from app.admin.pages.visit import Visit
from app.db import Connection
from app.staff.service import Right


@dataclass(frozen=True, slots=True)
class Step:
    """A step of setting up: the page on which it is done, the right that takes, and whether it is done."""

    title: str
    text: str
    button: str
    path: str
    right: Right
    done: bool


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """The steps in their order; ``url`` is what resellers type into their panels."""

    steps: tuple[Step, ...]
    url: str

    @property
    def following(self) -> int | None:
        """Return the number of the next step, None when all are done."""
        return next((number for number, step in enumerate(self.steps) if not step.done), None)

    @property
    def done(self) -> int:
        """Return how many are done."""
        return sum(step.done for step in self.steps)


_FACTS = """
SELECT (SELECT min(id) FROM suppliers) AS supplier_id, EXISTS (SELECT FROM remote_services) AS synced,
       EXISTS (SELECT FROM routes) AS mapped, (SELECT min(id) FROM customers) AS customer_id,
       EXISTS (SELECT FROM accounts WHERE customer_id IS NOT NULL AND (balance > 0 OR credit_limit > 0)) AS credit,
       EXISTS (SELECT FROM api_keys) AS keys, EXISTS (SELECT FROM orders) AS ordered
"""


async def first_steps(conn: Connection, visit: Visit) -> FirstSteps:
    """Return the steps as they stand; a house that has taken an order has done them all."""
    (there,) = await (await conn.execute(_FACTS)).fetchall()
    supplier, customer, ordered = there["supplier_id"], there["customer_id"], there["ordered"]
    at_supplier = f"/admin/suppliers/{supplier}" if supplier else "/admin/suppliers"
    at_customer = f"/admin/customers/{customer}" if customer else "/admin/customers"
    return FirstSteps(
        (
            Step(
                "Add a supplier", "An account of yours upstream, from which orders are bought.", "Add a supplier",
                "/admin/suppliers/new", Right.OPERATE, ordered or supplier is not None,
            ),
            Step(
                "Test it and read its list", "Whether the account works, what it sells, and at what cost.",
                "Open the supplier", at_supplier, Right.READ, ordered or there["synced"],
            ),
            Step(
                "Map services", "Choose what you sell, with a mark-up on what it costs.", "Map services",
                "/admin/mapping", Right.READ, ordered or there["mapped"],
            ),
            Step(
                "Create a reseller", "A customer with a first credit.", "Create a reseller", "/admin/customers/new",
                Right.OPERATE, ordered or there["credit"],
            ),
            Step(
                "Hand over the credentials", "An API key for their panel; it is shown once.", "Make a key",
                f"{at_customer}/keys" if customer else at_customer, Right.READ, ordered or there["keys"],
            ),
            Step(
                "Take the first order", "Their panel sends it; you see it come in, and what became of it.",
                "Watch orders", "/admin/orders", Right.READ, ordered,
            ),
        ),
        visit.parts.base_url,
    )  # fmt: skip
