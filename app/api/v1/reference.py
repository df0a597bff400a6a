"""``/docs``: the description as a page to read, with examples made of it; no key, no script, nobody else's server."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from app.pages.noun import HEADERS
from app.pages.render import Templates

Schema = Mapping[str, Any]

_DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Input:
    """A value that a call takes in its path, its query or its headers."""

    name: str
    place: str
    required: bool
    kind: str
    description: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call as the page shows it; ``body`` and ``answer`` are examples in JSON, empty where there is none."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    scope: str
    inputs: list[Input]
    body: str
    answer: str
    answers: list[tuple[str, str]]


def add_reference(app: FastAPI, prefix: str) -> None:
    """Serve the page at ``/docs`` of an app that is mounted at ``prefix``."""
    templates = Templates(Path(__file__).parent / "templates")

    @cache
    def page() -> str:
        return templates.render("reference.html", title=app.title, prefix=prefix, sections=sections(app.openapi()))

    @app.get("/docs", include_in_schema=False)
    async def reference() -> HTMLResponse:
        return HTMLResponse(page(), headers={**HEADERS, "Cache-Control": "public, max-age=300"})


def sections(api: Mapping[str, Any]) -> dict[str, list[Call]]:
    """Return every call of an OpenAPI document by its subject."""
    found: dict[str, list[Call]] = {}
    for tag, call in _calls(api):
        found.setdefault(tag, []).append(call)
    return found


def _calls(api: Mapping[str, Any]) -> Iterator[tuple[str, Call]]:
    schemas = api["components"]["schemas"]
    for path, item in api["paths"].items():
        for method, call in item.items():
            answers = call["responses"]
            [(_, scopes)] = call["security"][0].items()
            good: Mapping[str, Any] = next((answer for status, answer in answers.items() if status.startswith("2")), {})
            yield (
                call["tags"][0],
                Call(
                    anchor=call["operationId"],
                    method=method.upper(),
                    path=path,
                    summary=call["summary"],
                    description=call.get("description", ""),
                    scope=", ".join(scopes),
                    inputs=[_input(one) for one in call.get("parameters", [])],
                    body=_json_example(call.get("requestBody", {}), schemas),
                    answer=_json_example(good, schemas),
                    answers=[(status, answer["description"]) for status, answer in sorted(answers.items())],
                ),
            )


def _input(one: Mapping[str, Any]) -> Input:
    return Input(one["name"], one["in"], one.get("required", False), _kind(one["schema"]), one.get("description", ""))


def _kind(schema: Schema) -> str:
    parts = [part for part in schema.get("anyOf", [schema]) if part.get("type") != "null"]
    return " or ".join(str(part.get("type", "string")) for part in parts)


def _json_example(holder: Mapping[str, Any], schemas: Mapping[str, Schema]) -> str:
    """Return an example of a body or an answer; empty for one that is not JSON."""
    content = holder.get("content", {}).get("application/json")
    if content is None:
        return ""
    return json.dumps(example(content["schema"], schemas), indent=2, ensure_ascii=False)


def example(schema: Schema, schemas: Mapping[str, Schema], depth: int = 0) -> Any:
    """Return a value of this schema, of its own examples where it has some."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rsplit("/", 1)[-1]], schemas, depth + 1)
    given = [schema[name] for name in ("const", "default") if schema.get(name) is not None]
    given += [schema[name][0] for name in ("examples", "enum") if schema.get(name)]
    if given:
        return given[0]
    choices = next((schema[name] for name in ("anyOf", "oneOf", "allOf") if name in schema), None)
    return example(choices[0], schemas, depth + 1) if choices else _made(schema, schemas, depth)


def _made(schema: Schema, schemas: Mapping[str, Schema], depth: int) -> Any:
    kind = schema.get("type")
    if kind == "object":
        named = schema.get("properties", {}) if depth < _DEEPEST else {}
        return {name: example(part, schemas, depth + 1) for name, part in named.items()}
    if kind == "array":
        return [example(schema["items"], schemas, depth + 1)] if depth < _DEEPEST and "items" in schema else []
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    if schema.get("format") == "date-time":
        return "2026-11-21T10:15:30Z"
    return {"boolean": False, "null": None}.get(str(kind), "…")
