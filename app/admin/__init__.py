"""The staff JSON API under ``/api/admin``: one file per noun, a bearer token, problems as RFC 9457."""

from fastapi import APIRouter, Depends

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
    kinds,
    manual,
    markup_rules,
    orders,
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
)
from app.admin.deps import AdminDeps, bound
from app.admin.problems import PREFIX, RESPONSES, install_error_handlers

__all__ = ["AdminDeps", "admin_router", "install_error_handlers"]


def admin_router(deps: AdminDeps) -> APIRouter:
    """Return the routes of the staff API, working on ``deps``; its errors need ``install_error_handlers``."""
    router = APIRouter(prefix=PREFIX, dependencies=[Depends(bound(deps))], responses=RESPONSES)
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
        evidence,
        credit,
        statements,
        debts,
        approvals,
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
    return router
