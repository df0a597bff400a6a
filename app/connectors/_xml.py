"""An XML reply as the JSON value it would have been; nothing outside of it is ever read."""

import re
from typing import Any

from lxml import etree

_PROLOG = re.compile(r"<\?(?:php)?xml\b[^>]*\?>\s*")
_START = re.compile(r"<[A-Za-z_]")
_LIST_TAGS = {"item", "element", "entry", "row"}
_NOT_DATA = {"html", "head", "body", "br", "b", "p", "div", "h1"}


def read_xml(text: str) -> Any:
    """Return the value of the one XML document in ``text``, or None if there is none.

    An element becomes its text, or an object of its children; children with the same name become a list, and so do
    those of a name that only lists have (item). The root's name is dropped unless it is SUCCESS or ERROR. What stands
    before an XML declaration (PHP notices) is cut; a document type, which could define entities, is not read at all,
    and neither is an HTML page.
    """
    declaration = _PROLOG.search(text)
    body = text[declaration.end() :] if declaration else text.lstrip("\ufeff \t\r\n")
    # A document type may only stand before the first element, so that one which begins with that has none.
    if not _START.match(body):
        return None
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        no_network=True,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body.strip().encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError:
        return None
    if root.tag.lower() in _NOT_DATA:
        return None
    value = _value(root)
    return {root.tag: value} if root.tag.upper() in {"SUCCESS", "ERROR"} else value


def _value(element: "etree._Element") -> Any:
    children = list(element)
    if not children:
        return (element.text or "").strip()
    names = [child.tag for child in children]
    if len(set(names)) == 1 and (len(names) > 1 or names[0].lower() in _LIST_TAGS):
        return [_value(child) for child in children]
    found: dict[str, Any] = {}
    for name, child in zip(names, children, strict=True):
        if names.count(name) > 1:
            found.setdefault(name, []).append(_value(child))
        else:
            found[name] = _value(child)
    return found
