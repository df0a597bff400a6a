"""The evidence of an order as a page to print: no scripts, nothing loaded from anywhere, every text escaped.

Every piece is made by ``Markup.format``, which escapes what it is given; the only markup is what stands in this file.
Characters that are not seen, or turn the direction of writing, are shown by their number: a supplier's text must not
look like another one than it is.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup

from app.text import seen

_STYLE = """
body { font: 10pt/1.4 system-ui, sans-serif; color: #111; margin: 2em auto; max-width: 60em; padding: 0 1em; }
h1 { font-size: 16pt; margin: 0 0 .2em; } h2 { font-size: 12pt; margin: 1.6em 0 .4em; }
p.sum { font: 8pt/1.4 ui-monospace, monospace; overflow-wrap: anywhere; color: #444; margin: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1em 1em; margin: .2em 0; }
dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; }
ol { list-style: none; padding: 0; } li { border-top: 1px solid #bbb; padding: .5em 0; }
li > p { margin: 0 0 .2em; break-after: avoid; } .at { font-family: ui-monospace, monospace; font-size: 9pt; }
.kind { border: 1px solid #888; border-radius: 3px; padding: 0 .4em; font-size: 8pt; }
pre { font: 8pt/1.35 ui-monospace, monospace; background: #f4f4f4; border: 1px solid #ddd; padding: .4em; margin: 0;
      white-space: pre-wrap; overflow-wrap: anywhere; }
@page { size: A4; margin: 15mm; }
@media print { body { margin: 0; max-width: none; padding: 0; } pre { background: none; } h2 { break-after: avoid; } }
""".strip()

POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)
"""What a browser may do with the page: show it, with its one style sheet."""

_PAGE = Markup(
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta http-equiv="Content-Security-Policy" content="{policy}">'
    '<meta name="viewport" content="width=device-width"><meta name="referrer" content="no-referrer">'
    "<title>Order {id}: evidence</title><style>{style}</style></head><body>\n"
    '<h1>Order {id}: what happened</h1>\n<p class="sum">{format}, for {audience}, made {generated_at}</p>\n'
    '<p class="sum">sha256 {sha256}</p>\n<h2>Order</h2>\n{order}\n<h2>Parties</h2>\n{parties}\n{attempts}'
    "<h2>What happened</h2>\n<ol>\n{timeline}</ol>\n<h2>How to read this</h2>\n<ul>\n{how}</ul>\n</body></html>\n"
)
_ENTRY = Markup('<li><p><span class="at">{at}</span> <span class="kind">{kind}</span> {what}{by}</p>{facts}</li>\n')
_FACT = Markup("<dt>{}</dt><dd>{}</dd>")
_LONG = Markup("<pre>{}</pre>")
_LIST = Markup("<dl>{}</dl>")

_ATTEMPTS = Markup("<h2>Attempts</h2>\n{}\n")

_LONG_FACTS = frozenset({"request", "reply", "result"})


def page(document: Mapping[str, Any]) -> str:
    """Return the page of a document of ``read_evidence``."""
    return str(
        _PAGE.format(
            policy=POLICY,
            # Ours, and escaped it would no longer be what the policy allows.
            style=Markup(_STYLE),  # noqa: S704  a constant of this file
            id=document["order"]["id"],
            format=document["format"],
            audience=document["audience"],
            generated_at=document["generated_at"],
            sha256=document["sha256"],
            order=_facts(document["order"]),
            parties=_facts(document["parties"]),
            attempts=_ATTEMPTS.format(_value("attempts", document["attempts"])) if document["attempts"] else "",
            timeline=_joined(_entry(entry) for entry in document["timeline"]),
            how=_joined(Markup("<li>{}</li>\n").format(sentence) for sentence in document["how_to_read"]),
        )
    )


def _entry(entry: Mapping[str, Any]) -> Markup:
    by = "" if entry["who"] == "trunkline" else f" By: {seen(entry['who'])}."
    return _ENTRY.format(
        at=entry["at"], kind=entry["kind"], what=seen(entry["what"]), by=by, facts=_facts(entry["facts"])
    )


def _facts(values: Mapping[str, Any]) -> Markup:
    return _LIST.format(_joined(_FACT.format(_words(name), _value(name, value)) for name, value in values.items()))


def _value(name: str, value: Any) -> Markup | str:
    if isinstance(value, Mapping):
        return _facts(value)
    if isinstance(value, list):
        return _joined(
            _facts(item) if isinstance(item, Mapping) else Markup("{} ").format(_text(item)) for item in value
        )
    return _LONG.format(_text(value)) if name in _LONG_FACTS else _text(value)


def _text(value: Any) -> str:
    return seen(value) if isinstance(value, str) else json.dumps(value)


def _words(name: str) -> str:
    return seen(name).replace("_", " ")


def _joined(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)
