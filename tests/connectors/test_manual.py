"""A person as a supplier: the list they gave us is read or refused, and an order waits without anything being sent."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from app.connectors import registry
from app.connectors.base import PlaceRequest, ServiceType
from app.connectors.manual import ManualConfig

ORDER = PlaceRequest("41", "a", ServiceType.IMEI, "356557847079356")


@pytest.mark.parametrize(
    ("services", "says"),
    [
        ("a | A", "code | name | cost"),
        ("a | A | 1 | imei | G | x, y | more", "code | name | cost"),
        ("a | A | dear", "decimal"),
        ("a | A | 1,234", "decimal"),
        ("a | A | 1 | phone", "server"),
        ("| A | 1", "Field required"),
        ("a | A | 1\na | B | 2", "same code"),
        ([{"code": "a", "name": "A", "cost": 1.5}], "string"),
        ([{"code": "a", "name": "A", "cost": "1", "price": "2"}], "Extra inputs"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused_without_quoting_it(services: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says.replace("|", r"\|")) as caught:
        ManualConfig.model_validate({"services": services})
    assert "dear" not in str(caught.value)


def test_what_is_stored_reads_as_what_was_typed() -> None:
    typed = ManualConfig.model_validate({"services": "a | A | 1.50 | remote | G | id *, name", "currency": "usd"})
    stored = json.loads(json.dumps(typed.model_dump(mode="json")))
    assert ManualConfig.model_validate(stored) == typed
    assert typed.currency == "USD"


async def test_an_address_is_not_needed_and_an_order_leaves_no_trace() -> None:
    connector = registry.build("manual", {"services": "a | A | 1"})
    with connector.http.recording() as exchanges:
        first, second = await connector.place(ORDER), await connector.place(ORDER)
    assert first == second, "nothing is kept, so the same reference is the same order"
    assert exchanges == []
    await connector.http.aclose()


def test_a_form_can_be_drawn_from_its_schema() -> None:
    schema = registry.schema("manual")
    assert {"type": "string", "format": "textarea"} in schema["properties"]["services"]["anyOf"]
    assert "required" not in schema
    assert "$ref" not in json.dumps(schema)
