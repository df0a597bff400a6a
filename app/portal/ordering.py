"""Ordering by hand: one, or many pasted at once, each with its own answer."""

from collections.abc import Sequence

from starlette.responses import Response

from app.catalog.snapshot import Catalog
from app.connectors.base import ServiceType
from app.customers.once import KeyReused, once
from app.customers.service import Identity
from app.errors import Conflict, Invalid, TrunklineError
from app.orders.own import own_orders
from app.orders.placing import Placed, ReadWish, Stands, not_sold
from app.orders.wishes import Wish, make_wish
from app.portal.batches import read_batch, written_batch
from app.portal.noun import Noun
from app.portal.pasted import Pasted, read_pasted
from app.portal.services import Offer, offer_of
from app.portal.visit import Visit

pages = Noun()


async def show_one(visit: Visit) -> Response:
    """The service, what it wants, and what it costs."""
    identity = await visit.identity()
    return await _form(visit, "ordering/one.html", identity, await _offer(visit, identity))


@pages.form("/services/{service_id:int}", shown_by=show_one)
async def order_one(visit: Visit) -> Response:
    """Place one order; what is wrong with it stands beside its field."""
    identity = await visit.identity()
    offer = await _offer(visit, identity)
    row = Pasted(
        0,
        visit.form.text("device"),
        visit.form.text("quantity"),
        visit.form.text("reference"),
        {field.name: visit.form.get(f"field.{place}") for place, field in enumerate(offer.service.fields)},
    )
    [became] = await _place(visit, identity, offer, [row])
    if not isinstance(became, Stands):
        raise _beside(became, offer)
    if not became.new:
        await visit.say("This very order was placed a moment ago; it was charged once.")
    return visit.go(f"/portal/orders/{became.order_id}")


async def show_many(visit: Visit) -> Response:
    """Ask for the rows."""
    identity = await visit.identity()
    return await _form(visit, "ordering/many.html", identity, await _offer(visit, identity))


@pages.form("/services/{service_id:int}/many", shown_by=show_many)
async def order_many(visit: Visit) -> Response:
    """Place what can be placed of the rows, and tell of each what became of it."""
    identity = await visit.identity()
    offer = await _offer(visit, identity)
    rows = read_pasted(visit.form.text("rows"), [field.name for field in offer.service.fields])
    became = list(zip(rows, await _place(visit, identity, offer, rows), strict=True))
    placed = [one.order_id for _, one in became if isinstance(one, Stands)]
    return await visit.page(
        "ordering/placed.html",
        rows=[(row, one if isinstance(one, Stands) else None, getattr(one, "message", "")) for row, one in became],
        placed=placed,
        batch=written_batch(placed),
    )


@pages.page("/orders/batch/{batch:str}")
async def batch(visit: Visit) -> Response:
    """How far the orders of a batch are; it refreshes by itself while any is open."""
    ids = read_batch(visit.request.path_params["batch"])
    async with visit.parts.db.pool.connection() as conn:
        found = await own_orders(conn, visit.customer.id, ids)
    orders = [found[number] for number in ids if number in found]
    return await visit.page(
        "ordering/batch_rows.html" if visit.is_htmx else "ordering/batch.html",
        orders=orders,
        ended=sum(order.closed_at is not None for order in orders),
        here=visit.path,
    )


async def _offer(visit: Visit, identity: Identity) -> Offer:
    return await offer_of(visit, identity, visit.id_in_path("service_id"))


async def _form(visit: Visit, template: str, identity: Identity, offer: Offer) -> Response:
    return await visit.page(
        template,
        offer=offer,
        identity=identity,
        takes_file=offer.service.type is ServiceType.FILE,
        fields=[f"field.{place}" for place in range(len(offer.service.fields))],
    )


async def _place(visit: Visit, identity: Identity, offer: Offer, rows: Sequence[Pasted]) -> Sequence[Placed]:
    """Return what became of the rows; a form that is sent twice orders once, for it carries a key of its own."""
    call = once(visit.form.text("once"), "portal", [offer.service.id, [str(row) for row in rows]])
    wishes = [_reader(offer, row) for row in rows]
    try:
        return (await visit.parts.placer.place(identity, visit.browser.address or None, wishes, call=call)).rows
    except KeyReused as error:
        # Somebody went back in the browser and changed what was sent: the form that is shown now has a new key.
        raise Conflict(
            "This form has ordered already, with something else in it: look at your orders. Send it again to order"
            " what stands here now."
        ) from error


def _reader(offer: Offer, row: Pasted) -> ReadWish:
    def read(catalog: Catalog) -> Wish:
        service = catalog.services.get(offer.service.id)
        if service is None:
            raise not_sold()
        if row.quantity and not (row.quantity.isascii() and row.quantity.isdigit() and len(row.quantity) < 10):
            raise Invalid("The quantity is a whole number.", field="QNT")
        return make_wish(
            service,
            device=row.device,
            quantity=int(row.quantity) if row.quantity else None,
            fields=row.fields,
            reference=row.reference,
        )

    return read


def _beside(error: TrunklineError, offer: Offer) -> TrunklineError:
    """Return the error with the name that its field has in the form."""
    names = {field.name: f"field.{place}" for place, field in enumerate(offer.service.fields)}
    known = {"IMEI": "device", "QNT": "quantity", **names}
    field = error.field.removeprefix("fields.") if error.field else None
    return Invalid(error.message, field=known.get(field or ""))
