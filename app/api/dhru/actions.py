"""The table of actions with every alias in use, and those that are not about orders."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.api.dhru import file_orders, ordering, replies
from app.api.dhru.call import Call
from app.api.dhru.choices import assigned, choices, mep_list, model_list, provider_list
from app.api.dhru.inputs import service_of, single_row
from app.api.dhru.replies import Refusal, Reply
from app.api.dhru.service_list import clean_name, custom_fields, custom_input, quantities
from app.catalog.snapshot import prices_for
from app.customers.scopes import Scope
from app.money import format_amount
from app.suppliers.devices import choices_of


@dataclass(frozen=True, slots=True)
class Action:
    """What answers an action, and what a key needs for it.

    ``checks_key``: its own statement does; ``is_status``: clients poll it.
    """

    name: str
    answer: Callable[[Call], Awaitable[Reply | bytes]]
    scope: Scope
    checks_key: bool = False
    is_status: bool = False


async def account_info(call: Call) -> Reply:
    """Answer accountinfo in both spellings; credit is what may be spent, credit limit included."""
    identity = call.identity
    credit = format_amount(identity.balance + identity.credit_limit)
    account = {"credit": credit, "creditraw": credit, "mail": identity.email, "currency": identity.currency}
    return replies.success({"message": "Your Accout Info", "AccoutInfo": account, "AccountInfo": account})


async def service_list(call: Call) -> bytes:
    """Answer imeiservicelist with every service that is sold to the caller."""
    catalog = await call.door.catalog.at_least(call.identity.catalog_version)
    return await call.lists.get(catalog, call.identity, call.dialect, call.envelope.form)


async def service_details(call: Call) -> Reply:
    """Answer getimeiservicedetails, whose keys are in lower case."""
    row = single_row(await call.content(), call.envelope.flat)
    identity = call.identity
    catalog = await call.door.catalog.at_least(identity.catalog_version)
    unknown = Refusal("NoResultFound", "There is no such service.")
    try:
        service = service_of(row, catalog)
    except Refusal:
        raise unknown from None
    async with call.door.db.pool.connection() as conn:
        prices = await prices_for(
            conn,
            customer_id=identity.customer_id,
            price_group_id=identity.price_group_id,
            currency=identity.currency,
            service_id=service.id,
        )
        entries = await choices_of(conn, service.id) if choices(service.fields) else []
    if service.id not in prices:
        raise unknown
    custom = custom_input(service)
    _, least, most = quantities(service)
    details: dict[str, Any] = {
        "service_name": clean_name(service.name),
        "credit": format_amount(prices[service.id]),
        "id": service.id,
        "time": service.time,
        "info": service.info,
        **assigned(entries),
        "minqnt": least,
        "maxqnt": most,
        "imei_single": "1",
        "imei_bulk": "1",
        "imei_custom": "0" if custom is None else "1",
        "imei_custom_name": "" if custom is None else custom["customname"],
        "reqredfield": {field["fieldname"]: field for field in custom_fields(service)},
    }
    return {"ID": str(service.id), **replies.success({"MESSAGE": "Service Details", "LIST": details})}


def _aliases(action: Action, *names: str) -> dict[str, Action]:
    return dict.fromkeys((action.name, *names), action)


ACTIONS: Mapping[str, Action] = {
    **_aliases(Action("accountinfo", account_info, Scope.MONEY_READ), "getbalance", "balance"),
    **_aliases(
        Action("imeiservicelist", service_list, Scope.SERVICES_READ),
        "servicelist",
        "getservices",
        "getallservicesandgroups",
        "serverservicelist",
        "serverlist",
        "remoteservicelist",
        "creditservicelist",
    ),
    **_aliases(Action("fileservicelist", file_orders.file_list, Scope.SERVICES_READ), "filelist"),
    **_aliases(
        Action("placeimeiorder", ordering.place_one, Scope.ORDERS_CREATE, checks_key=True),
        "placeorder",
        "placeserverorder",
        "placeremoteorder",
        "placecreditorder",
    ),
    **_aliases(
        Action("placeimeiorderbulk", ordering.place_bulk, Scope.ORDERS_CREATE, checks_key=True), "placeorderbulk"
    ),
    **_aliases(Action("placebulkorder", ordering.place_bulk_theme, Scope.ORDERS_CREATE, checks_key=True)),
    **_aliases(
        Action("getimeiorder", ordering.status_one, Scope.ORDERS_READ, checks_key=True, is_status=True),
        "getorder",
        "orderstatus",
        "getserverorder",
        "getremoteorder",
        "getstatus",
        "getdetail",
        "getfileorder",
    ),
    **_aliases(
        Action("getimeiorderbulk", ordering.status_bulk, Scope.ORDERS_READ, checks_key=True, is_status=True),
        "getorderbulk",
        "orderstatusbulk",
        "getserverorderbulk",
    ),
    **_aliases(Action("placefileorder", file_orders.place_file, Scope.ORDERS_CREATE)),
    **_aliases(Action("getimeiservicedetails", service_details, Scope.SERVICES_READ)),
    **_aliases(Action("modellist", model_list, Scope.SERVICES_READ)),
    **_aliases(Action("providerlist", provider_list, Scope.SERVICES_READ)),
    **_aliases(Action("meplist", mep_list, Scope.SERVICES_READ)),
}
