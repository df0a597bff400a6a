"""Every supplier system as a new operator meets it: its fake, its configuration, and one order that it can fulfil."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.fakes.cekceir import FakeCekCeir
from tests.fakes.dhru import FakeDhru
from tests.fakes.dhru_dialects import FakeGsmFusion, FakeGsmHub, FakeGsmTheme
from tests.fakes.dhru_pro import FakeDhruPro
from tests.fakes.doctorsim import FakeDoctorSim
from tests.fakes.faults import FaultyApp
from tests.fakes.gsmeye import FakeGsmEye
from tests.fakes.isave import FakeIsave
from tests.fakes.xiaomitoolkit import FakeXiaomitoolkit


@dataclass(frozen=True)
class System:
    """One supplier system: the connector kind it is set up with, and its fake.

    ``place`` is the fake's name of the action that buys; ``pick`` chooses the remote service; ``device`` makes the
    n-th device; ``fields`` are the order's further inputs.
    """

    kind: str
    fake: Callable[[], FaultyApp]
    config: Callable[[Any, str], Mapping[str, object]]
    place: str
    pick: Callable[[Mapping[str, Any]], bool]
    device: Callable[[int], str]
    fields: Mapping[str, str] = field(default_factory=dict)


def luhn(body: str) -> str:
    """Return ``body`` (14 digits) with its check digit."""
    total = 0
    for position, digit in enumerate(int(character) for character in body):
        doubled = digit * 2 if position % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return f"{body}{-total % 10}"


def any_imei(number: int) -> str:
    """An IMEI with a right check digit."""
    return luhn(f"3565578{number:07d}")


def xiaomi_imei(number: int) -> str:
    """An IMEI that begins with 86, as Xiaomi's do."""
    return luhn(f"8612345{number:07d}")


def plain_imei(service: Mapping[str, Any]) -> bool:
    """Whether a remote service is bought for an IMEI alone."""
    return service["type"] == "imei" and not any(one["required"] for one in service["fields"])


def _waiting_cekceir() -> FakeCekCeir:
    fake = FakeCekCeir()
    fake.never_close()
    fake.pending_reads = 1
    return fake


CPID = {"product_code": "garnet", "cpu_id": "1a2b3c4d5e6f708192a3b4c5d6e7f809"}


def _dialect(fake: Callable[..., FaultyApp], place: str = "placeimeiorder") -> System:
    """A member of the DHRU family, set up with the dialect it speaks."""
    return System(
        "dhru", lambda: fake(pending_reads=1), lambda fake, url: fake.config(url), place, plain_imei, any_imei
    )


def _found(system: System, path: str = "") -> System:
    """The same site as an operator adds it who does not know what it speaks: the dialect is left to be found."""

    def config(fake: Any, url: str) -> Mapping[str, object]:
        known = {key: value for key, value in system.config(fake, url).items() if key != "dialect"}
        return {**known, "base_url": f"{known['base_url']}{path}"}

    return replace(system, config=config)


SYSTEMS = {
    "dhru": System(
        "dhru",
        FakeDhru,
        lambda fake, url: fake.config(url),
        "placeimeiorder",
        lambda service: service["remote_id"] == "101",
        any_imei,
    ),
    "isave": System("isave", FakeIsave, lambda fake, url: fake.config(url), "check:gsx", plain_imei, any_imei),
    "isave_dhru": System(
        "isave_dhru", FakeIsave, lambda fake, url: fake.config(url), "placeimeiorder", plain_imei, any_imei
    ),
    "xiaomitoolkit": System(
        "xiaomitoolkit",
        FakeXiaomitoolkit,
        lambda fake, url: fake.config(url),
        "execute",
        lambda service: service["cost"] is not None,
        xiaomi_imei,
        CPID,
    ),
    "xiaomitoolkit_dhru": System(
        "xiaomitoolkit_dhru",
        FakeXiaomitoolkit,
        lambda fake, url: fake.dhru_config(url),
        "dhru:placeimeiorder",
        lambda service: service["cost"] is not None,
        xiaomi_imei,
        CPID,
    ),
    "cekceir": System("cekceir", _waiting_cekceir, lambda fake, url: fake.config(url), "place", plain_imei, any_imei),
    "cekceir_dhru": System(
        "cekceir_dhru",
        _waiting_cekceir,
        lambda fake, url: fake.dhru_config(url),
        "placeimeiorder",
        plain_imei,
        any_imei,
    ),
    "doctorsim": System(
        "doctorsim", FakeDoctorSim, lambda fake, url: fake.config(url), "create_order", plain_imei, any_imei
    ),
    "dhru_pro": System("dhru_pro", FakeDhruPro, lambda fake, url: fake.config(url), "order", plain_imei, any_imei),
    "gsmtheme": _dialect(FakeGsmTheme),
    "gsmeye": _dialect(FakeGsmEye),
    "gsmhub": _dialect(FakeGsmHub),
    "gsmfusion": _dialect(FakeGsmFusion, "placeorder"),
}
"""Every system that has a wire, by a name of its own: several may be reached with one kind."""

FOUND = {
    "gsmtheme_found": _found(SYSTEMS["gsmtheme"]),
    "gsmeye_found": _found(SYSTEMS["gsmeye"]),
    "gsmhub_found": _found(SYSTEMS["gsmhub"]),
    "gsmfusion_found": _found(SYSTEMS["gsmfusion"], "/gsmfusion_api/index.php"),
}
"""The dialects of DHRU once more, for the connector to find out which it has before it."""

EVERY = SYSTEMS | FOUND
