"""What a XiaomiToolkit account has, without any wire: the catalogue, the prices, the balance and the records."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from app.clock import now
from app.imei import clean_imei
from tests.fakes.purchases import Purchases

SERVICES = [
    {"id": 1, "name": "CPID", "slug": "cpid", "description": "CPID generation service", "icon": "🛡"},
    {"id": 2, "name": "Reports", "slug": "reports", "description": "", "icon": "📄"},
]
SUB_SERVICES = {
    "cpid": [
        {"id": 1, "name": "Standard CPID", "slug": "standard-cpid", "description": "Standard CPID generation"},
        {"id": 2, "name": "Qualcomm CPID", "slug": "qualcomm-cpid", "description": ""},
    ],
    "reports": [{"id": 3, "name": "Old report", "slug": "old-report", "description": ""}],
}
EXECUTORS = {"cpid"}
"""The services that can be executed; for others they have no executor, as their 404 says."""
BRANDS = [
    {"id": 1, "name": "Xiaomi", "slug": "xiaomi", "icon": "xiaomi.svg"},
    {"id": 2, "name": "POCO", "slug": "poco", "icon": ""},
]
DEVICES = [
    {"id": 1, "name": "Redmi Note 13 Pro", "slug": "redmi-note-13-pro", "product_codes": ["garnet"], "brand": 1},
    {"id": 2, "name": "POCO X3", "slug": "poco-x3", "product_codes": ["surya", "karna"], "brand": 2},
]
DEVICES_OF = {1: {1, 2}, 2: {2}, 3: set[int]()}
"""Which devices each sub-service is for, by its id."""
TRY_CREDIT = {"price_per_credit_try": 15.0, "price_per_credit_usd": 0.5, "currency_default": "TRY"}

Json = dict[str, Any]
Inputs = tuple[str, str, str, str]
"""product_code, cpu_id, imei1 and imei2; an absent one is empty."""


class Refusal(Exception):  # noqa: N818  a reply, not an accident
    """They say no with a status of their table; nothing is sold. The text is the table's if none is given."""

    def __init__(self, status: int, message: str = "", errors: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors or {}


@dataclass
class Record:
    """One CPID record; ``polls`` is how often it may still be asked for until it is ``becomes``."""

    id: int
    inputs: Inputs
    created_at: datetime
    status: str
    becomes: str
    polls: int

    @property
    def data(self) -> bytes:
        """The file that was paid for: bytes that are no text."""
        return b"\xef\xbb\xbf\x00CPID\xff" + hashlib.sha512("|".join(self.inputs).encode()).digest()

    def shown(self) -> Json:
        """The record as the history shows it."""
        product_code, cpu_id, imei1, imei2 = self.inputs
        at = self.created_at.isoformat(timespec="seconds")
        done = self.status == "completed"
        inputs = {"product_code": product_code, "cpu_id": cpu_id, "imei1": imei1, "imei2": imei2 or None}
        return {"id": self.id, **inputs, "status": self.status, "has_data": done, "created_at": at, "updated_at": at}


class Account:
    """One customer's account; what it does may be changed by its attributes at any time."""

    def __init__(self) -> None:
        self.balance = Decimal("125.50")
        self.prices: dict[tuple[str, int | None], Decimal | None] = {
            ("standard-cpid", None): Decimal("2.50"),
            ("standard-cpid", 2): Decimal("3.25"),
            ("qualcomm-cpid", None): Decimal("5.00"),
            ("old-report", None): None,
        }
        self.license_active = True
        self.suspended = False
        self.becomes: Literal["completed", "failed", "archived"] = "completed"
        self.polls = 0
        """How often a queued record answers that it is not ready."""
        self.queues = False
        """Whether a new record waits in their queue first."""
        self.cached_is_new = False
        self.cached_costs = False
        self.records: dict[int, Record] = {}
        self.purchases = Purchases()
        self.charged = 0
        self.clock: Callable[[], datetime] = now

    def price(self, slug: str, device: int | None) -> Decimal | None:
        """The price of a sub-service for a device, else its own."""
        return self.prices.get((slug, device)) or self.prices.get((slug, None))

    def execute(self, body: Json, *, fails: bool) -> Record:
        """Sell one record, or raise ``Refusal``; ``fails`` is their own supplier failing after the charge."""
        given = body.get("input_data") or {}
        product_code, cpu_id, imei1, imei2 = (
            str(given.get(name) or "") for name in ("product_code", "cpu_id", "imei1", "imei2")
        )
        inputs = (product_code, cpu_id, imei1, imei2)
        if errors := _invalid(body, *inputs):
            raise Refusal(422, errors=errors)
        service, slug = body["service_slug"], body["sub_service_slug"]
        if service not in EXECUTORS or slug not in {one["slug"] for one in SUB_SERVICES[service]}:
            raise Refusal(404)
        if not self.license_active:
            raise Refusal(403)
        cached = next((one for one in self.records.values() if one.inputs == inputs), None)
        if cached is None and body.get("force") is not True:
            self._refuse_duplicates(imei1, imei2)
        price = self.price(slug, body.get("device_id")) or Decimal(0)
        if self.balance < price:
            raise Refusal(402)
        if fails:
            self._book(inputs, "failed")
            raise Refusal(502, "Service execution failed. Your balance has been refunded.")
        return self.sell(slug, inputs, price, cached)

    def _refuse_duplicates(self, *imeis: str) -> None:
        taken = {imei for one in self.records.values() for imei in one.inputs[2:] if imei}
        for number, imei in enumerate(imeis, 1):
            if imei in taken:
                text = f"Duplicate detected: IMEI {number} already exists in your records."
                raise Refusal(409, f"{text} Send force=true to proceed anyway.", {"duplicate_field": f"IMEI {number}"})

    def sell(self, slug: str, inputs: Inputs, price: Decimal, cached: Record | None = None) -> Record:
        """Take the money and write the record down; the same inputs come from the cache."""
        self.purchases.add(slug, inputs)
        if cached is None or self.cached_costs:
            self.balance -= price
            self.charged += 1
        if cached is not None and not self.cached_is_new:
            return cached
        return self._book(inputs, "pending" if self.queues else "completed")

    def _book(self, inputs: Inputs, status: str) -> Record:
        record = Record(157 + len(self.records), inputs, self.clock(), status, self.becomes, self.polls)
        self.records[record.id] = record
        return record

    def asked(self, name: str) -> Record | None:
        """The record that is asked for; each question brings a queued one nearer to its end."""
        record = self.records.get(int(name)) if name.isdigit() else None
        if record and record.status in {"pending", "processing"}:
            record.status = "processing" if record.polls else record.becomes
            record.polls -= 1
        return record


def _invalid(body: Json, product_code: str, cpu_id: str, imei1: str, imei2: str) -> dict[str, list[str]]:
    """Their validation messages by field, as in the two samples of 422."""
    errors: dict[str, list[str]] = {}
    for name in ("service_slug", "sub_service_slug"):
        if not body.get(name):
            errors[name] = [f"The {name.replace('_', ' ')} field is required."]
    if not product_code:
        errors["input_data.product_code"] = ["The product code field is required."]
    if not cpu_id or len(cpu_id) > 34:
        errors["input_data.cpu_id"] = ["The cpu id field is required and has at most 34 characters."]
    for number, imei in enumerate((imei1, imei2), 1):
        if number == 2 and not imei:
            continue
        if len(imei) != 15:
            errors[f"imei{number}"] = [f"IMEI {number} must be exactly 15 characters."]
        elif not imei.startswith("86") or not _luhn(imei):
            errors[f"imei{number}"] = [f"IMEI {number} must start with 86 and pass the Luhn check."]
    return errors


def _luhn(imei: str) -> bool:
    try:
        return clean_imei(imei) == imei
    except ValueError:
        return False
