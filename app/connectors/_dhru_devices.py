"""DHRU's lists to choose from: models by brand, providers by country, MEPs; the first two are told service by service.

``modellist`` with the ID of a service answers a ``LIST`` of ``{ID, NAME, MODELS: [{ID, NAME}]}``, ``providerlist`` one
of ``{ID, NAME, PROVIDERS: [{ID, NAME}]}``, ``meplist`` one of ``{ID, NAME}``; each inner list may be an object. Older
servers write ``{BRAND, MODELS: {ID, BRAND, MODEL}}`` and ``{COUNTRY, NETWORKS: {ID, COUNTRY, NETWORK}}``, and MEPs in
groups. Ids are those of the whole site, so that two services may share some.
"""

import html
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from typing import Any

from app.connectors._dhru_reply import MAX_ID, clean, folded, is_unknown_action, open_envelope, text_of
from app.connectors.base import Brand, Choice, ChoicesOf, Device, DeviceCatalog, Network
from app.connectors.errors import ConnectorError, NotSent, RefusalReason, Refused, Unclear, Unsupported

MAX_CALLS = 40
"""No reading makes more calls; what it did not come to is left for the next one."""

MEPS = "*meps"
"""The part of a reading that is no service's."""

_ACTIONS = {Choice.DEVICE: "modellist", Choice.NETWORK: "providerlist"}
_STOP = {RefusalReason.BAD_CREDENTIALS, RefusalReason.BLOCKED, RefusalReason.THROTTLED}
_MAX_FAILURES = 2
"""So many calls running without an answer end a reading; one alone is skipped."""

Ask = Callable[[str, Mapping[str, str]], Awaitable[Any]]
"""Makes a reading call and returns its reply; the words of the connector, ``Refused`` for an ERROR."""


class DeviceReading:
    """One reading of a site's lists, service by service, for as long as the site answers."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._brands: dict[str, Brand] = {}
        self._devices: dict[str, Device] = {}
        self._networks: dict[str, Network] = {}
        self._meps: dict[str, str] = {}
        self._choices: list[ChoicesOf] = []
        self._parts: list[str] = []
        self._unknown: list[ConnectorError] = []
        self._failures: list[ConnectorError] = []
        self._missing: set[str] = set()
        self._calls = 0
        self._answers = 0

    async def read(self, asking: Mapping[str, Collection[Choice]], done: Collection[str]) -> DeviceCatalog:
        """Return what the services of ``asking`` that are not ``done`` let choose from.

        ``Unsupported`` if no service asks, or the site knows none of the calls; else the first error, if nothing at all
        was answered.
        """
        wanted: dict[str, list[Choice]] = {
            name: [choice for choice in _ACTIONS if choice in choices] for name, choices in asking.items()
        }
        parts = [name for name, choices in wanted.items() if choices]
        if any(Choice.MEP in choices for choices in asking.values()):
            parts.insert(0, MEPS)
        if not parts:
            raise Unsupported("none of its services asks for a choice")
        left = [part for part in parts if part not in done]
        while left and self._calls + len(_ACTIONS) <= MAX_CALLS:
            part = left[0]
            try:
                await (self._read_meps() if part == MEPS else self._read_service(part, wanted[part]))
            except ConnectorError as error:
                self._failures.append(error)
                if len(self._failures) == _MAX_FAILURES or _stops(error):
                    break
            else:
                self._failures.clear()
            self._parts.append(left.pop(0))
        if not self._answers and self._failures:
            raise self._failures[0]
        if not self._answers and self._unknown:
            raise Unsupported(self._unknown[0].text)
        return DeviceCatalog(
            brands=tuple(self._brands.values()),
            devices=tuple(self._devices.values()),
            networks=tuple(self._networks.values()),
            meps=tuple(self._meps.items()),
            choices=tuple(self._choices),
            parts=tuple(self._parts) if left else (),
            left=len(left),
        )

    async def _read_service(self, name: str, choices: Collection[Choice]) -> None:
        for choice in choices:
            groups = await self._list(_ACTIONS[choice], {"ID": name})
            if groups is None:
                continue
            found = list(self._models(groups) if choice is Choice.DEVICE else self._providers(groups))
            self._choices.append(ChoicesOf(name, choice, tuple(dict.fromkeys(found))))

    async def _read_meps(self) -> None:
        for row in _flat(await self._list("meplist", {})):
            if identity := _id(row):
                self._meps.setdefault(identity, _name(row, "mep"))

    async def _list(self, action: str, parameters: Mapping[str, str]) -> object:
        """The LIST of a reply; None if the site does not know the call, an empty one if it has none for the service."""
        if action in self._missing:
            return None
        self._calls += 1
        try:
            value = await self._ask(action, parameters)
        except Refused as error:
            if error.reason in _STOP:
                raise
            if is_unknown_action(error.text):
                self._missing.add(action)
                self._unknown.append(error)
                return None
            self._answers += 1  # such as "NoResultFound": this service has no list
            return []
        success = open_envelope(value).success
        elements = success if isinstance(success, list) else [success]
        found = [body["list"] for body in map(folded, elements) if "list" in body]
        if len(found) != 1 or not isinstance(found[0], list | Mapping):
            raise Unclear(f"the reply to {action} has no list")
        self._answers += 1
        return found[0]

    def _models(self, groups: object) -> Iterator[str]:
        for key, group in _rows(groups):
            name = _name(group, "brand")
            brand = _id(group) or key or name
            for _, row in _rows(group.get("models")):
                if identity := _id(row):
                    if brand:
                        self._brands.setdefault(brand, Brand(brand, name or brand))
                    self._devices.setdefault(identity, Device(identity, brand, _name(row, "model")))
                    yield identity

    def _providers(self, groups: object) -> Iterator[str]:
        for _, group in _rows(groups):
            country = _name(group, "country")
            for _, row in _rows(group.get("providers", group.get("networks"))):
                if identity := _id(row):
                    self._networks.setdefault(identity, Network(identity, country, _name(row, "network", "provider")))
                    yield identity


def _stops(error: ConnectorError) -> bool:
    """Whether an error is about us and not about the service that was asked for."""
    return isinstance(error, NotSent) or (isinstance(error, Refused) and error.reason in _STOP)


def _rows(node: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects in a list or an object, the latter's keys with them; a lone row stands for itself."""
    if isinstance(node, Mapping) and "id" in folded(node):
        yield "", folded(node)
    elif isinstance(node, Mapping):
        yield from ((str(key).strip(), folded(row)) for key, row in node.items() if isinstance(row, Mapping))
    elif isinstance(node, list):
        yield from (("", folded(row)) for row in node if isinstance(row, Mapping))


def _flat(node: object) -> Iterator[dict[str, Any]]:
    """The rows of a list that may be in groups."""
    for _, row in _rows(node):
        inner = next((row[key] for key in ("meps", "mep", "list") if isinstance(row.get(key), list | Mapping)), None)
        if inner is None:
            yield row
        else:
            yield from (one for _, one in _rows(inner))


def _id(row: Mapping[str, Any]) -> str:
    identity = text_of(row.get("id")).strip()
    return identity if len(identity) <= MAX_ID and identity.isprintable() else ""


def _name(row: Mapping[str, Any], *others: str) -> str:
    found = next((row[key] for key in ("name", *others) if isinstance(row.get(key), str | int)), "")
    return clean(html.unescape(text_of(found))) or _id(row)
