"""Text as it comes from outside."""

import html
import re

_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def storable(text: str) -> str:
    """Return ``text`` if Postgres can keep it; ValueError for NUL and halves of surrogate pairs."""
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("a character that cannot be kept")
    return text


def seen(text: str) -> str:
    """Return ``text`` with the number of every character in it that could not be seen, such as ``[U+202E]``."""
    text = text.replace("\r\n", "\n")
    return _UNSEEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)


_ELEMENT = re.compile(r"<(/?)([a-z][a-z0-9]{0,9})((?:\s|/)[^<>]{0,2000})?>", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:href|src)\s?=\s?[\"']?(https?://[^\"'\s<>]+)", re.IGNORECASE)
_TWICE = re.compile(r"(?<!\S)(https?://\S+) \1(?!\S)")
_BREAK = re.compile(r"<br\s{0,9}/?>\n?", re.IGNORECASE)
_BLOCKS = frozenset(
    {"blockquote", "body", "center", "dd", "div", "dl", "dt", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6"}
    | {"header", "hr", "html", "li", "ol", "p", "pre", "section", "table", "tbody", "tfoot", "thead", "tr", "ul"}
)
_OTHERS = frozenset(
    {"a", "abbr", "b", "big", "button", "code", "del", "em", "font", "i", "img", "ins", "label", "link", "mark", "meta"}
    | {"s", "small", "span", "strike", "strong", "sub", "sup", "td", "th", "tt", "u"}
)


def plain(text: str) -> str:
    """Return text that may hold HTML as it would be read: one line for each line, no marks, links as their addresses.

    Suppliers write results for the pages of panels: "Model: iPhone 13<br>Find My: <b style='color:red'>ON</b>". What
    only looks like a mark, such as <mary@example.com>, stays.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    text = _ELEMENT.sub(_read_element, _BREAK.sub("\n", text))
    text = html.unescape(text).replace("\xa0", " ")
    # NUL stands where a block begins or ends: a new line, but never an empty one.
    parts = (part.strip("\n") for part in text.split("\x00"))
    text = "\n".join(part for part in parts if part.strip())
    lines = [line.rstrip() for line in _TWICE.sub(r"\1", text).split("\n")]
    kept = [line for place, line in enumerate(lines) if line or (place and lines[place - 1])]
    return "\n".join(kept).strip("\n")


def _read_element(found: re.Match[str]) -> str:
    name = found[2].lower()
    if name in _BLOCKS:
        return "\x00"
    if name not in _OTHERS:
        return found[0]
    if name in ("td", "th"):
        return " " if found[1] else ""
    address = _ADDRESS.search(found[3] or "") if name in ("a", "img") else None
    return f"{address[1]} " if address else ""
