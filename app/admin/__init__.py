"""The staff JSON API under ``/api/admin``: one file per noun, a bearer token, problems as RFC 9457."""

from fastapi import APIRouter, Depends, FastAPI

from app.admin import (
    again,
    alarm_channels,
    alarms,
    approvals,
    attempts,
    audit,
    books,
    changes,
    credit,
    customers,
    debts,
    devices,
    evidence,
    facts,
    keys,
    kinds,
    manual,
    markup_rules,
    orders,
    payment_methods,
    price_changes,
    prices,
    pricing,
    rates,
    routes,
    services,
    staff,
    statements,
    stuck,
    supplier_days,
    suppliers,
    topups,
)
from app.admin.deps import AdminDeps, bound
from app.admin.problems import PREFIX, RESPONSES, install_error_handlers

__all__ = ["AdminDeps", "install_staff_api"]


def install_staff_api(app: FastAPI, deps: AdminDeps) -> None:
    """Serve the staff API under ``/api/admin`` of ``app``, working on ``deps``, its errors as problems.

    It belongs behind all other routes: a request goes through its hundred and more before it reaches what comes after.
    """
    router = APIRouter(dependencies=[Depends(bound(deps))], responses=RESPONSES)
    for noun in (
        kinds,
        suppliers,
        devices,
        changes,
        books,
        supplier_days,
        services,
        routes,
        prices,
        markup_rules,
        pricing,
        price_changes,
        rates,
        customers,
        keys,
        evidence,
        credit,
        statements,
        debts,
        approvals,
        topups,
        payment_methods,
        stuck,
        orders,
        again,
        attempts,
        facts,
        manual,
        alarms,
        alarm_channels,
        audit,
        staff,
    ):
        router.include_router(noun.router)
    app.include_router(router, prefix=PREFIX)
    install_error_handlers(app)
