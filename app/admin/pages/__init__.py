"""The admin in a browser, under ``/admin``: one file per noun, all on the ground of ``app.pages``.

``noun`` declares pages and guards them, ``visit`` is one request of a member of staff. A new noun is a file with a
``Noun``, its name in ``NOUNS``, a line in ``navigation`` and a folder of templates.
"""

from collections.abc import Sequence

from starlette.routing import BaseRoute

from app.admin.pages import (
    account,
    alarm_channels,
    alarms,
    approvals,
    audit,
    audit_log,
    by_hand,
    changes,
    credit,
    customer_keys,
    customer_prices,
    customer_usage,
    customer_webhooks,
    customers,
    dashboard,
    debts,
    door,
    manual,
    mapping,
    markup_rules,
    money_files,
    order,
    order_again,
    orders,
    payment_methods,
    portal_invites,
    price_changes,
    price_groups,
    profit,
    rates,
    routes,
    service_groups,
    services,
    settings,
    several_orders,
    sheets,
    staff,
    start,
    statements,
    supplier,
    supplier_books,
    supplier_calls,
    supplier_contact,
    supplier_limits,
    supplier_performance,
    supplier_services,
    supplier_words,
    suppliers,
    top_ups,
    unclear,
    waiting,
)
from app.admin.pages.parts import PagesDeps, Simulator
from app.admin.pages.visit import Visit
from app.pages.mount import face_routes

__all__ = ["PagesDeps", "Simulator", "page_routes"]

NOUNS = (
    start,
    dashboard,
    door,
    account,
    staff,
    alarms,
    audit_log,
    settings,
    rates,
    alarm_channels,
    service_groups,
    services,
    routes,
    changes,
    price_changes,
    markup_rules,
    price_groups,
    sheets,
    suppliers,
    supplier,
    supplier_contact,
    supplier_services,
    supplier_performance,
    supplier_limits,
    supplier_words,
    supplier_calls,
    orders,
    order,
    order_again,
    customers,
    credit,
    statements,
    customer_prices,
    customer_usage,
    customer_webhooks,
    customer_keys,
    debts,
    approvals,
    top_ups,
    payment_methods,
    portal_invites,
    by_hand,
    profit,
    supplier_books,
    audit,
    money_files,
    several_orders,
    unclear,
    waiting,
    manual,
    mapping,
)


def page_routes(parts: PagesDeps) -> Sequence[BaseRoute]:
    """Return the routes of the admin in a browser, working on ``parts``."""
    return face_routes(parts, Visit, [noun.pages for noun in NOUNS])
