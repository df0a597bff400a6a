"""Settings: what an owner may change while the program runs, and what the environment decides."""

from pydantic import SecretStr
from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.errors import NotFound
from app.house.service import CHANGEABLE, House, change
from app.money import format_amount
from app.settings import Settings
from app.staff.service import Right

pages = Noun()

HERE = "/admin/settings"

_TITLES = {
    "brand": "Name of the house",
    "four_eyes_above": "Four eyes above",
    "session_idle_minutes": "Minutes until an idle session ends",
    "session_hours": "Hours until every session ends",
    "dhru_requests_per_minute": "DHRU calls a key may make in a minute",
    "api_requests_per_minute": "REST calls a key may make in a minute",
    "duplicate_window_seconds": "Seconds in which the same order is the same",
}


async def show(visit: Visit) -> Response:
    """Show every setting, those of the environment without secrets, and where each value comes from."""
    house = _house(visit)
    await house.refresh()
    fields = Settings.model_fields
    return await visit.page(
        "settings/index.html",
        changeable=[
            (name, _TITLES[name], fields[name].description, house.changed.get(name, ""), _said(house.environment, name))
            for name in CHANGEABLE
        ],
        fixed=[
            (name.upper(), field.description, _said(house.environment, name))
            for name, field in fields.items()
            if name not in CHANGEABLE
        ],
    )


@pages.form("/settings", shown_by=show, right=Right.OWN, fresh=True)
async def save(visit: Visit) -> Response:
    """Keep what was entered; what was left empty is given back to the environment."""
    house = _house(visit)
    wanted = {name: visit.form.text(name) or None for name in CHANGEABLE}
    async with visit.transaction() as conn:
        await change(conn, house.environment, wanted)
    await house.refresh()
    await visit.say("Saved. Other processes follow within seconds.")
    return visit.go(HERE)


def _house(visit: Visit) -> House:
    if visit.parts.house is None:
        raise NotFound("There are no settings to change here.")
    return visit.parts.house


def _said(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    if value is None or value in ("", ()):
        return ""
    if isinstance(value, SecretStr):
        return "set, and never shown"
    if name == "four_eyes_above":
        return format_amount(value)
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
