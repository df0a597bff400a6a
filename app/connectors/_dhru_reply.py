"""DHRU's envelope in all the shapes in which it was seen: SUCCESS, ERROR, and the rows of the bulk calls."""

import html
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.connectors.base import Placed, Report, ReportStatus
from app.connectors.errors import RefusalReason, Refused, Unclear

MAX_TEXT = 500
"""No refusal is longer than this."""
MAX_ID = 190

STATUSES: Mapping[str, ReportStatus] = {
    # "0" new, "1" in process, "2" undefined and pending to every panel module, "-1" unknown or none.
    "-1": ReportStatus.PENDING,
    "0": ReportStatus.PENDING,
    "1": ReportStatus.PENDING,
    "2": ReportStatus.PENDING,
    "3": ReportStatus.FAILED,
    "4": ReportStatus.DONE,
    # Words instead of numbers, as a few servers send them.
    "pending": ReportStatus.PENDING,
    "waiting": ReportStatus.PENDING,
    "in process": ReportStatus.PENDING,
    "rejected": ReportStatus.FAILED,
    "success": ReportStatus.DONE,
}
"""STATUS as text in lower case; anything else is pending and noted."""

UNKNOWN_ACTIONS = ("command not found", "invalid action", "unknown action")
"""ERROR texts that prove that the supplier did not even look at the order ("Command Not Found", "Invalid Action")."""

DOUBTFUL = ("timeout", "timed out", "time out", "gateway", "upstream", "curl error", "server error", "sqlstate")
"""ERROR texts that prove nothing: one server answers ERROR after a time-out of its own supplier and keeps the order."""

StatusOf = Callable[[str], ReportStatus | None]
"""Reads a status in lower case; None for one that is not known."""

_DONE_WORDS = {"success", "completed", "complete", "done"}
_PENDING_WORDS = {"processing", "pending", "in process", "waiting"}
_ORDER_KEYS = ("referenceid", "reference_id", "orderid", "order_id")
_NOTHING = {"", "0", "false", "null", "none", "[]", "{}"}
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_BREAK = re.compile(r"<\s*(?:br|/li|/p|/div)\s*/?>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Envelope:
    """SUCCESS and ERROR of one reply or one row; empty ones are None.

    ``body`` is the whole of it with its keys in lower case, ``rows`` with its keys as they came.
    """

    success: Any
    error: Any
    body: Mapping[str, Any]
    rows: Mapping[str, Any]

    def only_error(self) -> str | None:
        """The cleaned text of the ERROR, if the reply is that and nothing else."""
        return error_text(self.error) if self.error is not None and self.success is None else None


def folded(value: object) -> dict[str, Any]:
    """``value`` with its keys in lower case, the first of two equal ones winning; an empty dict if it is no object."""
    result: dict[str, Any] = {}
    if isinstance(value, Mapping):
        for key, item in value.items():
            result.setdefault(str(key).strip().lower(), item)
    return result


def text_of(value: object) -> str:
    """A scalar as text that can be stored; lists and objects joined line by line; nothing for None and booleans."""
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() and abs(value) < 10**18 else str(value)
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        return "\n".join(part for item in value if (part := text_of(item)))
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < 256:
        return str(value)
    if not isinstance(value, str):
        return ""
    # JSON can escape what no database takes: NUL, and halves of surrogate pairs.
    return value if value.isascii() and "\0" not in value else value.replace("\0", "").encode(errors="replace").decode()


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """``text`` without tags, entities and runs of blanks, cut to ``limit`` characters."""
    plain = html.unescape(_TAG.sub(" ", _BREAK.sub(" ", html.unescape(text[: 20 * limit]))))
    return " ".join(plain.replace("\0", " ").split())[:limit]


def open_envelope(value: object) -> Envelope:
    """Read a reply or a row as an envelope; without either key both are None."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    body = folded(value)
    if isinstance(body.get("apiresults"), dict | list):
        return open_envelope(body["apiresults"])
    rows = value if isinstance(value, Mapping) else {}
    return Envelope(_something(body.get("success")), _something(body.get("error")), body, rows)


def error_text(error: object) -> str:
    """What an ERROR says, in any of its forms: text, list, object, lower case, MESSAGE as an object of messages."""
    parts: list[str] = []
    for item in error if isinstance(error, list) else [error]:
        body = folded(item)
        found = [body[key] for key in ("message", "full_description", "description", "error") if key in body]
        parts += [clean(text_of(part)).strip(" ,") for part in found or [item]]
    unique = dict.fromkeys(part for part in parts if part)
    return ": ".join(unique)[:MAX_TEXT] or "refused without a reason"


def is_unknown_action(text: str) -> bool:
    """Whether an ERROR text says that there is no such call."""
    return any(phrase in text.lower() for phrase in UNKNOWN_ACTIONS)


def refuse(text: str, classify: Callable[[str], RefusalReason]) -> Refused | Unclear:
    """The word for an ERROR text: ``Unclear`` if it does not prove that there is no order."""
    if any(phrase in text.lower() for phrase in DOUBTFUL):
        return Unclear(f"the supplier's error proves nothing: {text}"[:MAX_TEXT])
    return Refused(classify(text), text)


def outcome(row: object, remote_service: str, classify: Callable[[str], RefusalReason]) -> Placed | Refused | Unclear:
    """What became of one order, from the reply to a single placing or from one row of a bulk one."""
    envelope = open_envelope(row)
    if envelope.success is not None and envelope.error is not None:
        return Unclear(f"success and error at once: {error_text(envelope.error)}"[:MAX_TEXT])
    if (text := envelope.only_error()) is not None:
        return refuse(text, classify)
    if envelope.success is not None:
        found = set(_order_ids(envelope, remote_service))
    else:
        # GSM Theme's flat row: {"status": "success" or "error", "message", "referenceid"}.
        word = text_of(envelope.body.get("status")).strip().lower()
        found = set(_ids_in(envelope.body))
        if word == "error" and not found:
            return refuse(error_text(dict(envelope.body)), classify)
        if word != "success":
            said = clean(text_of(envelope.body.get("message")), 200)
            return Unclear(f"the reply is not in the supplier's format{said and ': '}{said}")
    if len(found) == 1:
        return Placed(found.pop())
    return Unclear("success with several order ids" if found else "success without an order id")


def agreed(one: Placed | Refused | Unclear, other: Placed | Refused | Unclear) -> Placed | Refused | Unclear:
    """What two rows about the same order say together; a hybrid reply says everything twice."""
    if isinstance(one, Placed) and isinstance(other, Placed):
        return one if one == other else Unclear("two order ids for one order")
    if isinstance(one, Refused) and isinstance(other, Refused):
        return one
    if isinstance(one, Refused) or isinstance(other, Refused):
        return Unclear("two answers for one order that contradict each other")
    return one if isinstance(one, Placed) else other


def each_id_once(
    found: Mapping[str, Placed | Refused | Unclear],
) -> Mapping[str, Placed | Refused | Unclear]:
    """An order id that came for two orders belongs to one of them at most, so both are unclear."""
    ids = [result.remote_id for result in found.values() if isinstance(result, Placed)]
    twice = {name for name in ids if ids.count(name) > 1}
    return {
        reference: Unclear(f"the supplier gave order id {result.remote_id} twice")
        if isinstance(result, Placed) and result.remote_id in twice
        else result
        for reference, result in found.items()
    }


def report(remote_id: str, row: object, status_of: StatusOf) -> Report:
    """What one answer says of the order ``remote_id``; never more than pending when it is not plain."""
    envelope = open_envelope(row)
    if envelope.error is not None:
        return _pending(remote_id, f"ERROR instead of a status: {error_text(envelope.error)}")
    found = [folded(item) for item in _elements(envelope.success)] or [dict(envelope.body)]
    if len(found) != 1 or "status" not in found[0]:
        return _pending(remote_id, "the answer has no status")
    item = found[0]
    named = set(_ids_in(item))
    if named and remote_id not in named:
        return _pending(remote_id, f"the answer names another order: {', '.join(sorted(named))[:100]}")
    status = text_of(item["status"]).strip().lower()
    known = status_of(status)
    if known is None:
        return _pending(remote_id, f"unknown status {status[:40]!r}")
    return _final(remote_id, known, item) if known is not ReportStatus.PENDING else Report(remote_id, known)


def rows(
    value: object, wanted: Collection[str], name_of: Callable[[Mapping[str, Any]], str]
) -> Iterator[tuple[str, object]]:
    """Every (key, row) of a bulk reply that provably speaks of one of ``wanted``; a key may come more than once.

    Seen: rows by key at the top (DHRU), under SUCCESS and ERROR (GSM Theme), and lists, whose rows ``name_of`` names
    by what they say themselves. A row is never matched by its position.
    """
    envelope = open_envelope(value)
    for body, wrap in ((envelope.rows, ""), (envelope.success, "SUCCESS"), (envelope.error, "ERROR")):
        if isinstance(body, Mapping) and not _renumbered(body, wanted):
            for key, row in body.items():
                name = str(key).strip()
                if name in wanted and isinstance(row, dict | list):
                    yield name, _wrapped(row, wrap)
        elif isinstance(body, list):
            for row in body:
                if (name := name_of(folded(row))) in wanted:
                    yield name, _wrapped(row, wrap)


def order_id(item: Mapping[str, Any]) -> str:
    """The order id that a row names, empty if none; keys in lower case."""
    return next(_ids_in(item), "")


def _wrapped(row: object, wrap: str) -> object:
    body = folded(row)
    # A row under SUCCESS with a word of its own (GSM Theme) speaks for itself.
    own_word = text_of(body.get("status")).strip().lower() in {"success", "error"} and "code" not in body
    return row if not wrap or own_word or "success" in body or "error" in body else {wrap: row}


def _renumbered(body: Mapping[str, Any], wanted: Collection[str]) -> bool:
    """Whether the server threw our keys away and counted from 0; its "1" is then not our "1"."""
    digits = {key for key in map(str, body) if key.isdigit()}
    return bool(digits) and digits != set(wanted) and digits == {str(n) for n in range(len(digits))} and "0" in digits


def _final(remote_id: str, status: ReportStatus, item: Mapping[str, Any]) -> Report:
    code = text_of(item.get("code")).strip()
    others = [text_of(item.get(key)).strip() for key in ("reply", "comments", "message")]
    if status is ReportStatus.FAILED:
        reason = next((text for text in (code, others[1], others[0]) if text), "Rejected by the supplier")
        return Report(remote_id, status, reason)
    if code.lower() in _PENDING_WORDS:
        return _pending(remote_id, f"the final status came with {code!r} as its result")
    # One server puts the word into CODE and the result into MESSAGE; where nothing else comes, the word is the result.
    text = (others[2] if code.lower() in _DONE_WORDS else "") or code or others[0]
    if not text:
        return _pending(remote_id, "the final status came without a result")
    return Report(remote_id, status, text)


def _pending(remote_id: str, note: str) -> Report:
    return Report(remote_id, ReportStatus.PENDING, note=note[:MAX_TEXT])


def _something(value: object) -> Any:
    """``value``, or None if it says nothing: absent, false, empty, "0"."""
    if isinstance(value, str):
        return None if value.strip().lower() in _NOTHING else value
    return value or None


def _elements(success: object) -> list[Any]:
    """The objects in a SUCCESS, be it a list, an object, or an object that PHP numbered."""
    if isinstance(success, list):
        return [item for item in success if isinstance(item, Mapping)]
    if isinstance(success, Mapping):
        if success and all(str(key).isdigit() and isinstance(item, Mapping) for key, item in success.items()):
            return list(success.values())
        return [success]
    return []


def _order_ids(envelope: Envelope, remote_service: str) -> Iterator[str]:
    elements = _elements(envelope.success)
    for element in elements:
        yield from _ids_in(folded(element), remote_service)
    if not elements:
        # SUCCESS is true or a sentence; old servers echo the request's ID at the top, so ID does not count there.
        yield from _ids_in(envelope.body)


def _ids_in(item: Mapping[str, Any], remote_service: str | None = None) -> Iterator[str]:
    """The order id in a row; a bare ID counts only while placing, and only if it is not the service's."""
    keys = [key for key in _ORDER_KEYS if key in item] or (["id"] if remote_service is not None else [])
    for key in keys:
        name = text_of(item.get(key)).strip() if isinstance(item.get(key), str | int) else ""
        readable = (
            name.lower() not in _NOTHING
            and name[:1] != "-"
            and len(name) <= MAX_ID
            and name.isprintable()
            and "<" not in name
        )
        if readable and not (key == "id" and name == remote_service):
            yield name
            return
