"""Magic devices: what is to happen to an order is told by the device it is for, the same at every try.

Each has an IMEI, with a right check digit and a TAC for test devices, and a word for services that want a serial
number. Services without a device take either as the value of any field. Beside ours, the sandbox IMEIs of doctorSIM do
what doctorSIM's document says of them: those who come from there find what they know.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from app.errors import Invalid
from app.orders.wishes import Wish


class Refusing(StrEnum):
    """Why a wish is refused; no order comes of it."""

    INVALID = "invalid"
    DUPLICATE = "duplicate"
    NO_CREDIT = "no_credit"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens to an order: its end, after some seconds or after it was asked after so often.

    ``checked`` is the text where a check is ordered, if that is another than for an unlock.
    """

    imei: str
    word: str
    meaning: str
    outcome: str = "completed"
    text: str = ""
    seconds: int = 0
    asked: int | None = None
    checked: str = ""
    refusing: Refusing | None = None


DONE = "SANDBOX: nothing was bought.\nModel: Example Phone 1\nSIM-Lock Status: Unlocked"
NOT_FOUND = "SANDBOX: the supplier could not serve this device."
USUAL_SECONDS = 5

SCENARIOS = (
    Scenario("001010000000107", "SANDBOXNOW", "completed at once", text=DONE),
    Scenario("001010000000206", "SANDBOXDONE", "completed after 5 seconds", text=DONE, seconds=USUAL_SECONDS),
    Scenario(
        "001010000000503", "SANDBOXPOLLS", "completed when it is asked after for the third time", text=DONE, asked=3
    ),
    Scenario("001010000000305", "SANDBOXSLOW", "completed after 60 seconds", text=DONE, seconds=60),
    Scenario(
        "001010000000404",
        "SANDBOXUNCLEAR",
        "in progress for 10 minutes, as when nobody knows whether a supplier has it; then completed",
        text=DONE,
        seconds=600,
    ),
    Scenario("001010000000701", "SANDBOXREJECT", "rejected after 5 seconds", "rejected", NOT_FOUND, USUAL_SECONDS),
    Scenario("001010000000602", "SANDBOXREJECTNOW", "rejected at once", "rejected", NOT_FOUND),
    Scenario("001010000000800", "SANDBOXINVALID", "refused: the input is invalid", refusing=Refusing.INVALID),
    Scenario(
        "001010000000909",
        "SANDBOXDUPLICATE",
        "refused: another order for the device stands in the way",
        text=DONE,
        asked=1,
        refusing=Refusing.DUPLICATE,
    ),
    Scenario("001010000001006", "SANDBOXNOCREDIT", "refused: no credit", refusing=Refusing.NO_CREDIT),
    Scenario(
        "001010000001105",
        "SANDBOXUNAVAILABLE",
        "refused: no supplier can fulfil it now",
        refusing=Refusing.UNAVAILABLE,
    ),
)

DOCTORSIM = (
    Scenario(
        "123456789876543",
        "",
        "an unlock: completed with instructions; a check: completed with the phone's data, the report to be paid for",
        text="SANDBOX: nothing was bought.\nInstructions: insert a SIM card of another network and enter 12345678.",
        seconds=USUAL_SECONDS,
        checked="SANDBOX: nothing was bought.\nThe device is not recognised. Its full report has to be paid for.",
    ),
    Scenario(
        "355710060480006",
        "",
        "rejected: not available, and refunded",
        "rejected",
        "SANDBOX: not available; the price is refunded.",
        USUAL_SECONDS,
    ),
    Scenario(
        "353047098598802",
        "",
        "completed: the report says blacklisted",
        text="SANDBOX: nothing was bought.\nBlacklist Status: BLACKLISTED",
    ),
    Scenario(
        "359405085972766",
        "",
        "completed: the report says not blacklisted",
        text="SANDBOX: nothing was bought.\nBlacklist Status: CLEAN",
    ),
    Scenario("123456789987654", "", "rejected with an error", "rejected", "SANDBOX: the check ended with an error."),
)

USUAL = Scenario("", "", "completed after 5 seconds", text=DONE, seconds=USUAL_SECONDS)
"""What happens to every other device."""

_MAGIC: Mapping[str, Scenario] = MappingProxyType(
    {name: scenario for scenario in (*SCENARIOS, *DOCTORSIM) for name in (scenario.imei, scenario.word) if name}
)


def scenario_of(wish: Wish) -> Scenario:
    """Return what is to happen to a wish."""
    given = (wish.device, *wish.fields.values())
    return next((_MAGIC[name] for value in given if (name := value.strip().upper()) in _MAGIC), USUAL)


def refuse_invalid(wish: Wish) -> None:
    """Invalid, as for a device that is none, if the magic device says so."""
    if scenario_of(wish).refusing is Refusing.INVALID:
        raise Invalid("Invalid IMEI: the sandbox says so.", field="IMEI")
