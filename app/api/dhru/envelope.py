"""Finds in a request who calls, what for, and with which parameters, under all the names clients use."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.api.dhru.body import MAX_VALUES, Pairs, read_document
from app.api.dhru.parameters import decode
from app.api.dhru.render import Format
from app.api.dhru.replies import Malformed

USERNAMES = ("username", "api_username", "user")
KEYS = ("apiaccesskey", "api_key", "apikey", "accesskey", "key", "apisecret", "secret")
CONTENTS = ("parameters", "requestxml", "data", "xml")
_NAMES = frozenset((*USERNAMES, *KEYS, *CONTENTS, "action", "requestformat"))
_NESTED = frozenset(("parameters", "requestxml", "data", "customfield", "custom", "fields", "required"))
_MAX_NESTING = 4
_EXACT_FLOAT = 2**53
_SHORTEST_SECRET = 8


@dataclass(frozen=True, slots=True)
class Envelope:
    """A request opened: ``action`` in lower case, ``flat`` what came beside the parameters, without the key."""

    username: str
    key: str
    action: str
    form: Format
    parameters: Any
    flat: Mapping[str, Any]

    def content(self) -> Any:
        """Return the parameters decoded: JSON values, {} if there are none. Raises Malformed."""
        if isinstance(self.parameters, str):
            return decode(self.parameters)
        return {} if self.parameters is None else self.parameters


def read_envelope(pairs: Pairs, header_username: str = "") -> Envelope:
    """Open a request. The first value of a name counts, because clients append custom fields of any name.

    Raises Malformed if a whole request packed into one value cannot be read.
    """
    pairs = _unpacked(_nested(pairs))
    taken: dict[str, Any] = {}
    flat: dict[str, Any] = {}
    for name, value in pairs:
        folded = name.strip().lower()
        if folded in _NAMES and folded not in taken:
            taken[folded] = value
        else:
            flat.setdefault(name, value)
    username, key = _credentials(taken, header_username)
    # An alias that was not needed may be a custom field of that name; our username and the key are nobody's field.
    for name in (*USERNAMES, *KEYS):
        if as_text(taken.get(name)) not in ("", username):
            flat.setdefault(name, taken[name])
    if len(key) >= _SHORTEST_SECRET:
        flat = {name: value for name, value in flat.items() if not (isinstance(value, str) and key in value)}
    return Envelope(
        username=username,
        key=key,
        action=as_text(taken.get("action")).lower(),
        form="XML" if as_text(taken.get("requestformat")).upper() == "XML" else "JSON",
        parameters=next((taken[name] for name in CONTENTS if taken.get(name) not in (None, "")), None),
        flat=flat,
    )


def as_text(value: Any) -> str:
    """Return a single value as the text a form would have carried, without outer blanks.

    Raises Malformed for an object or a list, a NUL, and a number that JSON has already rounded.
    """
    if isinstance(value, str):
        if "\x00" in value:
            raise Malformed("The request has a NUL character.")
        return value.strip()
    if value is None or value is False:
        return ""
    if value is True:
        return "on"
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_FLOAT:
        return str(int(value))
    if isinstance(value, int) or (isinstance(value, float) and abs(value) < _EXACT_FLOAT):
        return str(value)
    if isinstance(value, float):
        raise Malformed("A number is too large; send it as a text.")
    raise Malformed("A value is an object or a list where a text belongs.")


def _credentials(taken: Mapping[str, Any], header_username: str) -> tuple[str, str]:
    """Return username and key; a key of the form ``<username>.<key>`` in either field is taken apart."""
    username = next((text for name in USERNAMES if (text := as_text(taken.get(name)))), header_username.strip())
    key = next((text for name in KEYS if (text := as_text(taken.get(name)))), "")
    if not key and "." in username:
        username, _, key = username.rpartition(".")
    elif "." in key:
        owner, _, key = key.rpartition(".")
        username = username or owner
    if key and username.endswith(f".{key}"):
        username = username.removesuffix(f".{key}")
    return username, key


def _nested(pairs: Pairs) -> Pairs:
    """Fold PHP's ``parameters[customfield][Email]=`` into dicts, which stand where their first value stood."""
    if not any("[" in name for name, _ in pairs):
        return pairs
    plain: Pairs = []
    roots: dict[str, dict[str, Any]] = {}
    for name, value in pairs:
        head, bracket, rest = name.partition("[")
        folded = head.strip().lower()
        if not bracket or folded not in _NESTED:
            plain.append((name, value))
            continue
        path = re.findall(r"[^\[\]]+", rest)
        if not path or len(path) > _MAX_NESTING:
            raise Malformed("The parameters are nested too deeply.")
        if folded not in roots:
            roots[folded] = {}
            plain.append((head, roots[folded]))
        node = roots[folded]
        for step in path[:-1]:
            inner = node.setdefault(step, {})
            if not isinstance(inner, dict):
                raise Malformed("A value is given both as a text and as an object.")
            node = inner
        node.setdefault(path[-1], value)
    return plain


def _unpacked(pairs: Pairs) -> Pairs:
    """Spread a request that came whole in ``data`` (JSON) or ``xml`` behind what came beside it."""
    named = {name.strip().lower(): value for name, value in reversed(pairs)}
    if named.get("parameters") or named.get("requestxml") or not (named.get("data") or named.get("xml")):
        return pairs
    extra: Pairs = []
    for name in ("data", "xml"):
        value = named.get(name)
        if not value:
            continue
        if isinstance(value, str) and value.lstrip("\ufeff \t\r\n")[:1] == "<":
            extra += read_document(value)
            continue
        content = decode(value) if isinstance(value, str) else value
        if isinstance(content, dict) and len(content) <= MAX_VALUES and any(n.lower() in _NAMES for n in content):
            extra += content.items()
        else:
            extra.append(("parameters", content))
    return [*(pair for pair in pairs if pair[0].strip().lower() not in ("data", "xml")), *extra] if extra else pairs
