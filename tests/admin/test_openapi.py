"""The API's description is good enough to write a client from."""

from typing import Any

from fastapi import FastAPI


def operations(app: FastAPI) -> list[tuple[str, dict[str, Any]]]:
    """Every call with its name."""
    return [
        (f"{method.upper()} {path}", call)
        for path, item in app.openapi()["paths"].items()
        for method, call in item.items()
    ]


def test_every_call_of_the_table_is_there(app: FastAPI) -> None:
    named = {name for name, _ in operations(app)}
    assert named >= {
        f"{method} /api/admin/{path}"
        for method, path in (
            ("GET", "kinds"),
            ("POST", "suppliers"),
            ("POST", "suppliers/{supplier_id}/test"),
            ("POST", "suppliers/{supplier_id}/sync"),
            ("GET", "suppliers/{supplier_id}/services"),
            ("POST", "services"),
            ("POST", "routes"),
            ("POST", "price-groups"),
            ("PUT", "customers/{customer_id}/prices/{service_id}"),
            ("POST", "customers"),
            ("POST", "customers/{customer_id}/keys"),
            ("POST", "customers/{customer_id}/topups"),
            ("GET", "customers/{customer_id}"),
            ("GET", "orders"),
            ("GET", "orders/{order_id}"),
            ("POST", "attempts/{attempt_id}/resolve"),
            ("GET", "audit"),
            ("GET", "alarms"),
            ("POST", "alarms/{alarm_id}/acknowledge"),
            ("GET", "manual"),
            ("POST", "manual/{attempt_id}"),
        )
    }


def test_every_call_is_described(app: FastAPI) -> None:
    for name, call in operations(app):
        assert call["summary"], name
        assert call["description"], name
        assert len(call["tags"]) == 1, name
        assert call["security"], name
        codes = set(call["responses"])
        assert {"401", "403", "404", "409", "422", "503"} <= codes, name
        for code in codes:
            content = call["responses"][code]["content"]
            files = {".html": "text/html", ".csv": "text/csv"}
            good = next((files[end] for end in files if name.endswith(end)), "application/json")
            assert list(content) == [good if code < "300" else "application/problem+json"], (name, code)


def test_every_body_shows_an_example_or_explains_itself(app: FastAPI) -> None:
    schemas = app.openapi()["components"]["schemas"]
    for name, schema in schemas.items():
        if name.startswith(("Page_", "Listing_")):
            continue  # made of the generic ones, whose description pydantic does not hand down
        assert schema.get("description") or "enum" in schema, name
    assert not [name for name in schemas if "HTTPValidationError" in name or "__" in name]


def test_money_is_described_as_text(app: FastAPI) -> None:
    schemas = app.openapi()["components"]["schemas"]
    assert schemas["CustomerOut"]["properties"]["balance"]["type"] == "string"
    assert schemas["TopupIn"]["properties"]["amount"]["examples"] == ["12.50"]
