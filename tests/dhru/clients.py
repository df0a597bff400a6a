"""How the clients in use read our replies, as far as it can make them trip.

Each function does with a decoded reply what the client of that name does with it: which keys it looks at, in which
order, how strictly. A ``KeyError`` here is an undefined index, a broken import or a lost batch there.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Reply = Mapping[str, Any]

REQUIRES = (
    ("Network", "Mobile", "Provider", "PIN", "KBH", "MEP", "PRD", "Type", "Reference", "Locks", "SN", "SecRO")
)  # fmt: skip


@dataclass(frozen=True)
class Imported:
    """A service as it stands in a panel after the import."""

    group: str
    id: str
    name: str
    credit: str


def fusion50_list(reply: Reply) -> list[Imported]:
    """A DHRU panel: the key of LIST is name and id of the group; INFO goes through utf8_decode."""
    assert reply["SUCCESS"]
    imported = []
    for group, tools in reply["SUCCESS"][0]["LIST"].items():
        assert tools["GROUPTYPE"] in ("IMEI", "SERVER", "REMOTE")
        for service in tools["SERVICES"].values():
            assert (service["SERVICETYPE"], service["SERVER"]) in (("IMEI", "0"), ("SERVER", "1"), ("REMOTE", "2"))
            assert service["QNT"] in ("0", "1")
            assert isinstance(service["INFO"], str)
            assert isinstance(service["TIME"], str)
            # Anything but None may make the panel ask for models and providers, service by service.
            assert all(service[f"Requires.{name}"] == "None" for name in REQUIRES)
            imported.append(Imported(group, str(service["SERVICEID"]), service["SERVICENAME"], service["CREDIT"]))
    return imported


def samtool_kind(reply: Reply) -> str:
    """SAM takes two marks for other dialects and then speaks those."""
    if reply.get("gsmhubsite"):
        return "gsmhub"
    return "gsmtool" if reply["apiversion"] == "2.0.0" else ""


def samtool_fields(reply: Reply) -> dict[str, list[Mapping[str, str]]]:
    """SAM reads Requires.Custom as the panel keeps it."""
    return {
        str(service["SERVICEID"]): service.get("Requires.Custom") or []
        for tools in reply["SUCCESS"][0]["LIST"].values()
        for service in tools["SERVICES"].values()
    }


def exclusiveunlock_list(reply: Reply) -> list[Imported]:
    """EXU: cuts a name at a double quote, needs a plain number in CREDIT, makes missing Requires.* mandatory."""
    assert len(reply["SUCCESS"][0]["LIST"]) > 0
    imported = []
    for group in reply["SUCCESS"][0]["LIST"].values():
        assert "SERVICEID" not in group
        for service in group["SERVICES"].values():
            assert all(service[f"Requires.{name}"] == "None" for name in REQUIRES)
            assert re.fullmatch(r"\d+(\.\d+)?", service["CREDIT"])
            name = service["SERVICENAME"].split('"')[0]
            imported.append(Imported(group["GROUPNAME"], str(service["SERVICEID"]), name, service["CREDIT"]))
    return imported


def stockunlocks_list(reply: Reply) -> list[Imported]:
    """SUW: walks the keys in order and adds the service at every key once it has seen Requires.Reference."""
    imported = []
    for group in reply["SUCCESS"][0]["LIST"].values():
        name_of_group = ""
        for key, value in group.items():
            if key == "GROUPNAME":
                name_of_group = value
            if key != "SERVICES":
                continue
            for service in value.values():
                seen = dict.fromkeys(("SERVICEID", "SERVICENAME", "CREDIT", "TIME", "INFO", "Requires.Reference"), "")
                for inner, content in service.items():
                    if inner in seen:
                        seen[inner] = content
                    if seen["Requires.Reference"] != "":
                        imported.append(
                            Imported(name_of_group, str(seen["SERVICEID"]), seen["SERVICENAME"], seen["CREDIT"])
                        )
    return imported


def stockunlocks_account(reply: Reply) -> dict[str, str]:
    """SUW: needs message before the account, and a currency that is not empty behind credit and mail."""
    found: dict[str, str] = {}
    complete: dict[str, str] = {}
    for key, value in _walk(reply):
        if key in ("message", "credit", "mail"):
            found[key] = value
        if key == "currency" and value and {"message", "credit", "mail"} <= found.keys():
            complete = {**found, "currency": value}
    return complete


def gsmeye(reply: Reply) -> Reply:
    """GSM EYE: a mere ERROR key fails the call."""
    assert "ERROR" not in reply, reply
    return reply


def gsmeye_account(reply: Reply) -> Reply:
    """GSM EYE: reads the right spelling only."""
    account: Reply = gsmeye(reply)["SUCCESS"][0]["AccountInfo"]
    return account


def gsmeye_place_bulk(reply: Reply) -> Mapping[str, Reply]:
    """GSM EYE: a map of rows under SUCCESS."""
    rows: Mapping[str, Reply] = gsmeye(reply)["SUCCESS"]
    for row in rows.values():
        assert row["status"] in ("success", "error")
        assert row["message"]
    return rows


def gsmeye_orders(reply: Reply) -> dict[str, tuple[bool, str]]:
    """GSM EYE: indexes every key but apiversion, and compares STATUS with numbers strictly."""
    rows = {key: row["SUCCESS"][0] for key, row in gsmeye(reply).items() if key != "apiversion"}
    return {key: (type(row["STATUS"]) is int and row["STATUS"] in (3, 4), row["CODE"]) for key, row in rows.items()}


def fusion50_bulk(reply: Reply) -> dict[str, str]:
    """A DHRU panel: drops apiversion, walks every other key, believes SUCCESS before ERROR."""
    answers: dict[str, str] = {}
    for key, row in reply.items():
        if key == "apiversion":
            continue
        if row.get("SUCCESS"):
            assert isinstance(row["SUCCESS"][0]["MESSAGE"], str)
            answers[key] = str(row["SUCCESS"][0]["REFERENCEID"])
        elif row.get("ERROR"):
            answers[key] = row["ERROR"][0]["MESSAGE"] + row["ERROR"][0]["FULL_DESCRIPTION"]
    return answers


def panel_status(reply: Reply) -> tuple[str, str]:
    """KIT, F50, SAM, AAS, EXU: 4 delivers CODE, 3 refunds with CODE, anything else waits."""
    if not reply.get("SUCCESS"):
        return "waiting", ""
    row = reply["SUCCESS"][0]
    status = int(row["STATUS"])
    return {4: "delivered", 3: "refunded"}.get(status, "waiting"), row["CODE"]


def sup_status(reply: Reply) -> str:
    """SUP: an ERROR is final, CODE is searched for words, final states without CODE wait for ever."""
    if reply.get("ERROR"):
        return "failed"
    row = reply["SUCCESS"][0]
    if re.search(r"done|available|success|error|reject|fail", f"{row['CODE']} {row.get('MESSAGE', '')}", re.IGNORECASE):
        assert int(row["STATUS"]) in (3, 4), "a waiting order must have no words to find"
    if not row["CODE"]:
        return "waiting"
    return {4: "delivered", 3: "refunded"}[int(row["STATUS"])]


def ceir_text(reply: Reply) -> str:
    """panel-ceir: shows MESSAGE instead of CODE if there is one."""
    row = reply["SUCCESS"][0]
    return str(row.get("MESSAGE") or row["CODE"])


def clo_order(reply: Reply) -> tuple[str, int, str]:
    """CLO: indexes IMEI, STATUS and CODE without asking whether they are there."""
    row = reply["SUCCESS"][0]
    return row["IMEI"], int(row["STATUS"]), row["CODE"]


def nexus_list(reply: Reply) -> list[str]:
    """NEX: LIST is an object that is not empty; Requires.Custom, where present, an array."""
    groups = reply["SUCCESS"][0]["LIST"]
    assert isinstance(groups, dict)
    assert groups
    services = [service for group in groups.values() for service in group["SERVICES"].values()]
    assert all(isinstance(service.get("Requires.Custom", []), list) for service in services)
    return [str(service["SERVICEID"]) for service in services]


def legacy_list(reply: Reply) -> list[str]:
    """LEG: one SUCCESS element, keys equal to SERVICEID, a group name."""
    [element] = reply["SUCCESS"]
    found = []
    for group in element["LIST"].values():
        assert group["GROUPNAME"]
        for key, service in group["SERVICES"].items():
            assert key == str(service["SERVICEID"])
            found.append(key)
    return found


def mix_action(reply: Reply) -> str:
    """MIX and its kin: what an ERROR makes them do with the customer's order."""
    if not reply.get("ERROR"):
        return "placed"
    text = " ".join(str(reply["ERROR"][0].get(key, "")) for key in ("MESSAGE", "FULL_DESCRIPTION")).lower()
    if re.search(r"creditprocess|credit process|insufficient|not enough (credit|balance)|wallet|funds", text):
        return "park"
    if re.search(r"whitelist|blocked|forbidden|cloudflare|timeout|maintenance|rate limit|415", text):
        return "later"
    if re.search(r"command not found|invalid action|unknown action", text):
        return "other action"
    if re.search(r"authentication failed|access key|username|credential", text):
        return "other dialect"
    return "reject"


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield str(key), inner
        if isinstance(inner, dict | list):
            yield from _walk(inner)
