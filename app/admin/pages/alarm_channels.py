"""Alarm channels: who is told of alarms by e-mail, Telegram or webhook; set up by owners, and tried with a button."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from app.admin.pages.noun import Noun
from app.admin.pages.visit import Visit
from app.alarms import channels, delivery
from app.alarms.channels import Channel
from app.alarms.configs import ChannelKind
from app.alarms.kinds import Severity
from app.errors import Invalid, NotFound
from app.pages.forms import Form
from app.staff.service import Right

pages = Noun()

HERE = "/admin/alarm-channels"
TOLD = 50

TITLES = {ChannelKind.EMAIL: "E-mail", ChannelKind.TELEGRAM: "Telegram", ChannelKind.WEBHOOK: "Webhook"}


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a kind; ``name`` is that of its config, ``type`` as browsers have it, or lines."""

    name: str
    label: str
    hint: str = ""
    type: str = "text"
    required: bool = True
    value: str = ""


_INPUTS = {
    ChannelKind.EMAIL: (
        Input("host", "Mail server"),
        Input("port", "Port", type="number", value="587"),
        Input("security", "Security", "starttls, tls or none", value="starttls"),
        Input("sender", "From"),
        Input("recipients", "To", "One address a line.", type="lines"),
        Input("username", "User name", "Empty: without signing in.", required=False),
        Input("password", "Password", type="password", required=False),
    ),
    ChannelKind.TELEGRAM: (
        Input("chat_id", "Chat", "A number, or @name of a channel."),
        Input("bot_token", "The bot's token", type="password"),
        Input("api_url", "Address of the Bot API", value="https://api.telegram.org"),
    ),
    ChannelKind.WEBHOOK: (
        Input("url", "Address", "It gets a POST of JSON."),
        Input("secret", "Secret", "16 to 200 characters, with which messages are signed.", type="password"),
    ),
}


@pages.page("/alarm-channels")
async def alarm_channels(visit: Visit) -> Response:
    """All of them, with what the last failure of each was."""
    async with visit.parts.db.pool.connection() as conn:
        rows = await channels.list_channels(conn)
    return await visit.page("alarm_channels/index.html", rows=rows, titles=TITLES)


async def show_new(visit: Visit) -> Response:
    """Ask for what the kind needs."""
    kind = _kind(visit)
    return await visit.page("alarm_channels/form.html", title=f"Tell by {TITLES[kind]}", row=None, inputs=_INPUTS[kind],
                            severities=_severities())  # fmt: skip


@pages.form("/alarm-channels/new/{kind}", shown_by=show_new, right=Right.OWN, fresh=True)
async def add(visit: Visit) -> Response:
    """Add a channel, its secrets sealed; open alarms are told over it within seconds."""
    kind = _kind(visit)
    async with visit.transaction() as conn:
        added = await channels.add_channel(
            conn,
            visit.parts.sealer,
            name=visit.form.text("name"),
            kind=kind,
            config=_config(kind, visit.form),
            severity=_severity(visit.form),
            tell_end=visit.form.yes("tell_end"),
            per_hour=visit.form.whole("per_hour") or 20,
        )
    await visit.say("Added. Send a test next.")
    return visit.go(f"{HERE}/{added.id}")


async def show_one(visit: Visit) -> Response:
    """One channel, what it told last, and what can be changed; its secrets are never sent back."""
    async with visit.parts.db.pool.connection() as conn:
        row = await channels.get_channel(conn, _id(visit))
        told = await delivery.list_messages(conn, row.id, limit=TOLD)
    kind = ChannelKind(row.kind)
    return await visit.page("alarm_channels/form.html", title=row.name, row=row, told=told, inputs=_kept(row, kind),
                            severities=_severities())  # fmt: skip


@pages.form("/alarm-channels/{channel_id:int}", shown_by=show_one, right=Right.OWN, fresh=True)
async def change(visit: Visit) -> Response:
    """Change it; secrets that were left empty stay."""
    async with visit.transaction() as conn:
        row = await channels.get_channel(conn, _id(visit))
        await channels.change_channel(
            conn,
            visit.parts.sealer,
            row.id,
            name=visit.form.text("name"),
            config=_config(ChannelKind(row.kind), visit.form, is_new=False),
            severity=_severity(visit.form),
            tell_end=visit.form.yes("tell_end"),
            per_hour=visit.form.whole("per_hour") or 20,
            active=visit.form.yes("active"),
        )
    await visit.say("Saved.")
    return visit.go(f"{HERE}/{row.id}")


@pages.action("/alarm-channels/{channel_id:int}/test", back=HERE, right=Right.OWN, fresh=True)
async def send_test(visit: Visit) -> Response:
    """Send a test message and say how that went; it takes half a minute at most."""
    error = await delivery.send_test(visit.parts.db, visit.parts.sealer, _id(visit))
    await visit.say(f"The test did not arrive: {error}" if error else "The test was taken: look whether it arrived.")
    return visit.go(f"{HERE}/{_id(visit)}")


@pages.action("/alarm-channels/{channel_id:int}/remove", back=HERE, right=Right.OWN, fresh=True)
async def remove(visit: Visit) -> Response:
    """Remove it, with the list of what it told."""
    async with visit.transaction() as conn:
        await channels.remove_channel(conn, _id(visit))
    await visit.say("Removed.")
    return visit.go(HERE)


def _kept(row: Channel, kind: ChannelKind) -> Sequence[Input]:
    made = []
    for one in _INPUTS[kind]:
        kept = row.config.get(one.name, one.value)
        value = "\n".join(kept) if isinstance(kept, list) else str(kept)
        secret = one.type == "password"
        hint = "Left empty, the one that is kept stays." if secret else one.hint
        made.append(Input(one.name, one.label, hint, one.type, one.required and not secret, "" if secret else value))
    return made


def _config(kind: ChannelKind, form: Form, *, is_new: bool = True) -> dict[str, object]:
    found: dict[str, object] = {}
    for one in _INPUTS[kind]:
        text = form.text(f"config.{one.name}")
        if one.type == "password" and not text and not is_new:
            continue
        found[one.name] = text.split() if one.type == "lines" else text
    return found


def _severity(form: Form) -> Severity:
    try:
        return Severity(form.text("severity"))
    except ValueError as error:
        raise Invalid("Choose one of them.", field="severity") from error


def _severities() -> list[tuple[str, str]]:
    return [(one.value, f"{one.value} and worse" if one is not Severity.CRITICAL else one.value) for one in Severity]


def _kind(visit: Visit) -> ChannelKind:
    try:
        return ChannelKind(str(visit.request.path_params["kind"]))
    except ValueError as error:
        raise NotFound("There is no such kind of channel.") from error


def _id(visit: Visit) -> int:
    return visit.id_in_path("channel_id")
