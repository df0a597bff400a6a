"""What the fake Cek Ceir sells, with inputs in JSON Schema, and how it checks an order against them."""

import re
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Service:
    """One service; ``opens`` and ``closes`` are "HH:MM", empty for always."""

    id: int
    code: str
    name: str
    price: int
    schema: Json
    opens: str = ""
    closes: str = ""
    min_items: int = 1
    max_items: int = 100
    is_active: bool = True

    def row(self) -> Json:
        """The service as the list shows it: without its price."""
        return {
            "id": self.id,
            "code": self.code,
            "name": self.name,
            "description": None,
            "open_time": self.opens or None,
            "close_time": self.closes or None,
            "is_active": self.is_active,
            "processing_type": "automatic",
            "service_type": {
                "id": 1,
                "code": "imeiroamer",
                "name": "IMEI",
                "description": None,
                "is_active": True,
                "input_schema": self.schema,
                "result_schema": {"type": "object"},
            },
            "created_at": "2026-04-26T00:00:00.000Z",
            "updated_at": "2026-04-26T00:00:00.000Z",
        }

    def detail(self) -> Json:
        """The service as its own page shows it: with price and item limits."""
        rule = {
            "unit_price": self.price,
            "min_items": self.min_items,
            "max_items": self.max_items,
            "processing_type": "automatic",
        }
        scope = {"access_channel": "api", "account_type": "basic", "source": "base"}
        return {**self.row(), "scope": scope, "rule": rule, "availability": None}

    def is_open(self, clock: str) -> bool:
        """Whether it is sold at this time of day."""
        return not self.opens or self.opens <= clock < self.closes

    def items(self, data: Json) -> list[str]:
        """What is billed one by one."""
        value = data[self.schema["x-quantityFrom"].removeprefix("/")]
        if isinstance(value, int):
            return [str(n) for n in range(value)]
        return [str(item) for item in value] if isinstance(value, list) else [str(value)]

    def wrong(self, data: Json) -> str | None:
        """What is wrong with the inputs of an order, if anything is."""
        for name in self.schema["required"]:
            if name not in data:
                return f"{name} is required"
        for name, value in data.items():
            spec = self.schema["properties"].get(name)
            if spec is not None and not _fits(spec, value):
                return f"{name} is not valid"
        return None


def _fits(spec: Json, value: Any) -> bool:
    kinds: dict[str, type] = {"string": str, "integer": int, "boolean": bool, "array": list}
    kind = spec.get("type", "string")
    if type(value) is not kinds[kind]:
        return False
    if isinstance(value, list):
        return len(value) >= spec.get("minItems", 0) and all(_fits(spec["items"], item) for item in value)
    if "enum" in spec and value not in spec["enum"]:
        return False
    return "pattern" not in spec or re.search(spec["pattern"], str(value)) is not None


def _schema(request: str, quantity: str, required: list[str], /, **properties: Json) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": True,
        "x-quantityFrom": quantity,
        "x-requestFrom": request,
    }


_IMEI = {"type": "string", "pattern": "^[0-9]{15}$"}
_IMEIS = {"type": "array", "items": _IMEI, "minItems": 1}
_ONLY_IMEIS = _schema("/imeis", "/imeis", ["imeis"], imeis=_IMEIS)

SERVICES = (
    Service(1, "cek_imei", "Cek Status IMEI", 1500, _ONLY_IMEIS, "08:00", "23:00"),
    Service(2, "cek_history_imei", "Cek History IMEI", 2000, _ONLY_IMEIS),
    Service(
        3,
        "roamer_add",
        "Tambah Roamer",
        25_000,
        _schema(
            "/imeis",
            "/imeis",
            ["imeis", "months"],
            imeis=_IMEIS,
            months={"type": "integer", "enum": [1, 3], "title": "Masa aktif"},
            operator={"type": "string", "enum": ["Telkomsel", "XL"]},
            priority={"type": "boolean"},
            note={"type": "string", "maxLength": 500, "description": "Catatan <b>opsional</b>"},
            tags={"type": "array", "items": {"type": "string"}},
        ),
    ),
    Service(4, "cek_satu", "Cek Satu", 1000, _schema("/imei", "/imei", ["imei"], imei=_IMEI)),
    Service(
        5,
        "cek_serial",
        "Cek Serial",
        1200,
        _schema(
            "/serials",
            "/serials",
            ["serials"],
            serials={"type": "array", "items": {"type": "string", "pattern": "^[A-Z0-9]{8,12}$"}, "minItems": 1},
        ),
        max_items=10,
    ),
    Service(
        6,
        "voucher",
        "Voucher",
        500,
        _schema(
            "/quantity",
            "/quantity",
            ["quantity", "account"],
            quantity={"type": "integer"},
            account={"type": "string", "pattern": "^[a-z]+$"},
        ),
        min_items=2,
        max_items=20,
    ),
    Service(7, "cek_lama", "Cek Lama", 900, _ONLY_IMEIS, is_active=False),
)

BY_CODE = {service.code: service for service in SERVICES}
