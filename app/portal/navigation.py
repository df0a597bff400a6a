"""The menu of the portal."""

from collections.abc import Sequence

from app.pages.menu import Link, Section

MENU: Sequence[Section] = (
    (
        "",
        (
            Link("Overview", "/portal/", "home"),
            Link("Services", "/portal/services", "list-search"),
            Link("Orders", "/portal/orders", "package"),
        ),
    ),
    (
        "Money",
        (
            Link("Statement", "/portal/statement", "receipt"),
            Link("Top up", "/portal/top-ups", "wallet"),
        ),
    ),
    (
        "Connections",
        (
            Link("Connect a panel", "/portal/connect", "plug-connected"),
            Link("API keys", "/portal/keys", "key"),
            Link("Webhooks", "/portal/webhooks", "webhook"),
            Link("Status", "/portal/status", "activity"),
        ),
    ),
)
"""The whole menu in its order, by section; a new page adds its line."""
