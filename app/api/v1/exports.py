"""The description of the REST API in other forms: as a page of Markdown, and as a collection for Postman."""

from collections.abc import Mapping
from typing import Any

from app.api.v1.reference import Call, Input, sections

_SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"


def markdown(api: Mapping[str, Any], prefix: str) -> str:
    """Return every call by subject with its inputs, a body to send, and its answers."""
    lines = [
        "# REST API reference",
        "",
        f"Made from the document at `{prefix}/openapi.json`, version {api['info']['version']}. "
        "[REST API](api.md) tells about keys, errors, limits, money and dates.",
    ]
    for subject, calls in sections(api).items():
        lines += ["", f"## {subject.capitalize()}"]
        for call in calls:
            lines += ["", f"### {call.summary}", "", f"`{call.method} {prefix}{call.path}`", ""]
            lines += [f"Scope: `{call.scope}`.", ""] if call.scope else []
            lines += [call.description, ""] if call.description else []
            if call.inputs:
                lines += ["| name | in | needed | type | |", "|---|---|---|---|---|", *map(_row, call.inputs), ""]
            lines += ["Send:", "", "```json", call.body, "```", ""] if call.body else []
            lines += ["Answer:", "", "```json", call.answer, "```", ""] if call.answer else []
            lines += ["| status | |", "|---|---|"]
            lines += [f"| {status} | {_line(said)} |" for status, said in call.answers]
    return "\n".join(lines) + "\n"


def postman(api: Mapping[str, Any], base_url: str) -> dict[str, Any]:
    """Return a Postman collection (v2.1): every call with its inputs and a body to send; the key is a variable."""
    return {
        "info": {"name": api["info"]["title"], "schema": _SCHEMA, "version": api["info"]["version"]},
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{key}}", "type": "string"}]},
        "variable": [{"key": "base_url", "value": base_url}, {"key": "key", "value": ""}],
        "item": [
            {"name": subject, "item": [{"name": call.summary, "request": _request(call)} for call in calls]}
            for subject, calls in sections(api).items()
        ],
    }


def _row(one: Input) -> str:
    return f"| `{one.name}` | {one.place} | {'yes' if one.required else 'no'} | {one.kind} | {_line(one.description)} |"


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _request(call: Call) -> dict[str, Any]:
    steps = [f":{step[1:-1]}" if step.startswith("{") else step for step in call.path.strip("/").split("/")]
    request: dict[str, Any] = {
        "method": call.method,
        "url": {
            "raw": f"{{{{base_url}}}}/{'/'.join(steps)}",
            "host": ["{{base_url}}"],
            "path": steps,
            "query": [_entry(one, disabled=not one.required) for one in call.inputs if one.place == "query"],
            "variable": [_entry(one) for one in call.inputs if one.place == "path"],
        },
        "header": [_entry(one, disabled=True) for one in call.inputs if one.place == "header"],
        "description": call.description,
    }
    if call.body:
        request["body"] = {"mode": "raw", "raw": call.body, "options": {"raw": {"language": "json"}}}
    return request


def _entry(one: Input, **more: Any) -> dict[str, Any]:
    return {"key": one.name, "value": "", "description": one.description, **more}
