"""The menu of the admin."""

from collections.abc import Sequence

from app.pages.menu import Link, Section
from app.staff.service import Right

MENU: Sequence[Section] = (
    (
        "",
        (
            Link("Start", "/admin/", "home"),
            Link("Dashboard", "/admin/dashboard", "chart-line"),
            Link("Alarms", "/admin/alarms", "bell"),
        ),
    ),
    (
        "Work",
        (
            Link("Orders", "/admin/orders", "list-details"),
            Link("Unclear", "/admin/unclear", "help-hexagon"),
            Link("Waiting", "/admin/waiting", "hourglass"),
            Link("By hand", "/admin/by-hand", "hand-stop"),
        ),
    ),
    (
        "Catalogue",
        (
            Link("Services", "/admin/services", "package"),
            Link("Mapping", "/admin/mapping", "arrows-join"),
            Link("Changes", "/admin/changes", "git-compare"),
            Link("Mark-up rules", "/admin/markup-rules", "percentage"),
            Link("Price groups", "/admin/price-groups", "tags"),
            Link("Sheets", "/admin/sheets", "table"),
        ),
    ),
    (
        "Suppliers",
        (
            Link("Suppliers", "/admin/suppliers", "building-store"),
        ),
    ),
    (
        "Customers",
        (
            Link("Customers", "/admin/customers", "users-group"),
            Link("Debts", "/admin/debts", "receipt"),
        ),
    ),
    (
        "Money",
        (
            Link("Approvals", "/admin/approvals", "checks"),
            Link("Top-up requests", "/admin/top-ups", "cash"),
            Link("Payment methods", "/admin/payment-methods", "building-bank"),
            Link("Money by hand", "/admin/money/by-hand", "coins"),
            Link("Profit", "/admin/profit", "chart-bar"),
            Link("Supplier books", "/admin/supplier-books", "book"),
            Link("Audit", "/admin/audit", "shield-check"),
        ),
    ),
    (
        "House",
        (
            Link("Staff", "/admin/staff", "users", Right.OWN),
            Link("Audit log", "/admin/audit-log", "history"),
            Link("Settings", "/admin/settings", "settings", Right.OWN),
            Link("Rates", "/admin/rates", "currency-dollar"),
            Link("Alarm channels", "/admin/alarm-channels", "bell-ringing"),
        ),
    ),
)  # fmt: skip
"""The whole menu in its order, by section; a new page adds its line."""
