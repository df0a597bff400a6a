"""A DHRU supplier that also sells unlocks by model, provider and MEP, and tells what may be chosen as DHRU does.

Beside what ``FakeDhru`` sells it has services 701 (a model and a provider; a MEP if there is one) and 702 (a model of
its own list), which ask by ``Requires.`` keys. ``modellist`` and ``providerlist`` answer for the service named,
``meplist`` for all. An order with an id that is not in the service's lists is refused; ``chosen`` are the others'.
"""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.simulator.parameters import read_parameters, read_rows
from app.simulator.server import read_form
from tests.fakes.dhru import FakeDhru
from tests.fakes.faults import as_json

Lists = dict[str, list[dict[str, Any]]]

MODELS: Lists = {
    "701": [
        {"ID": "1", "NAME": "Nokia", "MODELS": [{"ID": "11", "NAME": "5230"}, {"ID": "12", "NAME": "N95 &amp; N96"}]},
        {"ID": 2, "NAME": "Siemens", "MODELS": {"21": {"ID": 21, "NAME": "M65"}}},
    ],
    "702": [
        {"ID": "1", "NAME": "Nokia", "MODELS": [{"ID": "12", "NAME": "N95 &amp; N96"}, {"ID": "13", "NAME": "E7"}]}
    ],
}
PROVIDERS: Lists = {
    "701": [
        {"ID": "34", "NAME": "Spain", "PROVIDERS": [{"ID": "501", "NAME": "Movistar"}]},
        {"ID": "33", "NAME": "France", "PROVIDERS": [{"ID": "502", "NAME": "SFR"}, {"ID": "503", "NAME": "Orange"}]},
    ]
}
MEPS = [{"ID": "7", "NAME": "MEP-04103-001"}, {"ID": "8", "NAME": "MEP-15326-002"}]
REQUIRES = {
    "701": {"Mobile": "Required", "Provider": "Required", "MEP": "Optional"},
    "702": {"Mobile": "Required", "Provider": "None", "MEP": "None"},
}
_BEHIND = "101"
"""What is bought in their place, so that orders live as any other."""


class FakeDhruChoices(FakeDhru):
    """The fake as an ASGI app; ``models`` and ``providers`` may be changed, ``silent`` are actions it does not know."""

    def __init__(self, *, work_seconds: float = 0.0) -> None:
        super().__init__(work_seconds=work_seconds)
        self.models: Lists = {**MODELS}
        self.providers: Lists = {**PROVIDERS}
        self.silent: set[str] = set()
        self.chosen: list[dict[str, str]] = []

    async def _endpoint(self, request: Request) -> Response:
        form = await read_form(request)
        return await self.answer(request, form.get("action", ""), lambda: as_json(self._reply(form)))

    def _reply(self, form: Mapping[str, str]) -> dict[str, Any]:
        action, parameters = form.get("action", ""), form.get("parameters", "")
        authentic = "ERROR" not in self.supplier.answer({**form, "action": "accountinfo"})
        if not authentic or action in self.silent:
            return self.supplier.answer({**form, "action": "nonsense"})
        match action:
            case "imeiservicelist":
                reply = self._list(self.supplier.answer(form))
            case "modellist" | "providerlist":
                lists = self.models if action == "modellist" else self.providers
                found = lists.get(read_parameters(parameters).get("ID", ""))
                reply = _error("NoResultFound") if found is None else _success({"MESSAGE": action, "LIST": found})
            case "meplist":
                reply = _success({"MESSAGE": "MEP List", "LIST": MEPS})
            case "placeimeiorder":
                reply = self._place(form, read_parameters(parameters))
            case "placeimeiorderbulk":
                one = {**form, "action": "placeimeiorder"}
                rows = {key: self._place(one, row) for key, row in read_rows(parameters).items()}
                reply = {**{key: _bare(row) for key, row in rows.items()}, "apiversion": "6.1"}
            case _:
                reply = self.supplier.answer(form)
        return reply

    def _list(self, body: dict[str, Any]) -> dict[str, Any]:
        groups = body["SUCCESS"][0]["LIST"]
        plain = next(iter(groups["Apple Checks"]["SERVICES"].values()))
        services = {
            f"9{number}": {
                **plain,
                "SERVICEID": int(number),
                "SERVICENAME": f"Unlock by choice {number}",
                **{f"Requires.{name}": word for name, word in requires.items()},
            }
            for number, requires in REQUIRES.items()
        }
        groups["By Choice"] = {"GROUPNAME": "By Choice", "GROUPTYPE": "IMEI", "SERVICES": services}
        return body

    def _place(self, form: Mapping[str, str], order: Mapping[str, str]) -> dict[str, Any]:
        service = order.get("ID", "")
        if service in REQUIRES:
            for name, known, word in (
                ("MODELID", _ids(self.models.get(service, []), "MODELS"), REQUIRES[service]["Mobile"]),
                ("PROVIDERID", _ids(self.providers.get(service, []), "PROVIDERS"), REQUIRES[service]["Provider"]),
                ("MEP", {mep["ID"] for mep in MEPS}, REQUIRES[service]["MEP"]),
            ):
                given = order.get(name, "")
                if word != "None" and given not in known and (given or word == "Required"):
                    return _error("ValidationError", f"{name} {given} is not valid")
            service = _BEHIND
        tags = {**order, "ID": service}
        parameters = "".join(f"<{name}>{value}</{name}>" for name, value in tags.items())
        reply = self.supplier.answer({**form, "parameters": f"<PARAMETERS>{parameters}</PARAMETERS>"})
        if "SUCCESS" in reply and order.get("ID") in REQUIRES:
            self.chosen.append({name: order.get(name, "") for name in ("ID", "MODELID", "PROVIDERID", "MEP")})
        return reply


def _ids(groups: list[dict[str, Any]], key: str) -> set[str]:
    rows = [row for group in groups for row in (group[key].values() if isinstance(group[key], dict) else group[key])]
    return {str(row["ID"]) for row in rows}


def _success(body: dict[str, Any]) -> dict[str, Any]:
    return {"SUCCESS": [body], "apiversion": "6.1"}


def _error(message: str, description: str = "") -> dict[str, Any]:
    return {"ERROR": [{"MESSAGE": message, "FULL_DESCRIPTION": description}], "apiversion": "6.1"}


def _bare(reply: dict[str, Any]) -> dict[str, Any]:
    """A reply as a row of a bulk one."""
    return {name: value for name, value in reply.items() if name != "apiversion"}
