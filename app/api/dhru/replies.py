"""What the door says: replies as plain structures, and the error vocabulary that clients act on.

The words of the errors are chosen by what clients do with them, who search MESSAGE for phrases: ``CreditprocessError``
parks an order, ``ValidationError`` rejects it, ``maintenance`` and ``timeout`` make them come back later, anything else
is final for most. ``username``, ``auth`` and ``credential`` appear only where the key is really the trouble, because
some clients then try another dialect.
"""

from collections.abc import Callable, Mapping
from typing import Any

from app.customers.scopes import Scope
from app.orders.service import OrderStatus

Reply = dict[str, Any]

DUPLICATE_TEXT = ",This IMEI is already available or pending in your Account "

STATUS_NUMBERS: Mapping[str, int] = {"accepted": 0, "in_progress": 1, "rejected": 3, "completed": 4}
"""2 is never sent: some clients take it for pending, others for done."""

_NO_MARKUP = str.maketrans({"<": "(", ">": ")"})


class Refusal(Exception):  # noqa: N818  a refusal is an answer, not a fault
    """A request, or a row of one, that is answered with an ERROR.

    ``passing``: the same request will do in a while. Status calls then get no ERROR, which some clients take for the
    end of the order, but silence.
    """

    def __init__(self, message: str, description: str = "", *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing
        # Panels print ERROR texts raw into their pages.
        self.message = message.translate(_NO_MARKUP)
        self.description = description.translate(_NO_MARKUP)


class Malformed(Refusal):
    """The request cannot be read; ``description`` says what is wrong with it and quotes nothing of it."""

    def __init__(self, description: str) -> None:
        super().__init__("Invalid request", description)


class Uncertain(Refusal):
    """Nobody knows whether the order stands. It is said whatever else fails, because any other word would be a lie."""


def unauthenticated() -> Refusal:
    """Refuse a caller whose key or username is wrong, without saying which."""
    return Refusal("Authentication Failed", "Invalid username or API access key.")


def address_refused(ip: str | None) -> Refusal:
    """Refuse a right key used from an address that is not on its list, and name the address to add."""
    return Refusal("Invalid IP Request", f"Your Server IP {ip or '(unknown)'} is not on the whitelist of this key.")


def not_allowed(scope: Scope) -> Refusal:
    """Refuse a right key that may not do this, in words that send no client to another dialect."""
    return Refusal("Access denied for this API key", f"This key does not have the scope {scope.value}.")


def too_frequent(per_minute: int) -> Refusal:
    """Refuse a request beyond the key's rate limit; clients come back later."""
    return Refusal(
        "You are calling this API too frequently! Rate limit exceeded.",
        f"This key may make {per_minute} requests a minute. Try again in a minute.",
        passing=True,
    )


def unknown_action() -> Refusal:
    """Refuse an action that does not exist, in the exact text that clients test for."""
    return Refusal("Command Not Found", "This action is not supported.")


def parameter_required(name: str) -> Refusal:
    """Refuse a call without the parameter ``name``."""
    return Refusal(f"Parameter '{name}' Required")


def not_sold() -> Refusal:
    """Refuse a service that does not exist for this customer; final."""
    return Refusal("Service Not Active", "Service not found or inactive.")


def invalid(sentence: str) -> Refusal:
    """Refuse an order whose inputs break a rule; clients reject on the prefix and show the sentence."""
    return Refusal(f"ValidationError123: {sentence}", sentence)


def duplicate() -> Refusal:
    """Refuse a second open order for one device, in DHRU's own words."""
    return Refusal("ValidationError123", DUPLICATE_TEXT)


def no_credit() -> Refusal:
    """Refuse an order that the balance does not cover; clients park it until there is credit."""
    return Refusal("CreditprocessError", "Not enough credits")


def unavailable() -> Refusal:
    """Refuse an order that nobody can fulfil now; clients come back later."""
    return Refusal("Service is in maintenance, try again later", "This service cannot be ordered at the moment.")


def maintenance() -> Refusal:
    """Refuse a request that a fault of ours stopped before anything was placed; clients come back later."""
    return Refusal(
        "Website is in maintenance, try again later", "Temporary fault, nothing was ordered or charged.", passing=True
    )


def uncertain() -> Uncertain:
    """Answer a placing whose commit nobody saw: it may stand, and sending it again meets the duplicate guard."""
    return Uncertain(
        "Connection timeout, try again later",
        "Your order may have been received. Send exactly the same order again at once: for an IMEI or serial number "
        "it is then not charged a second time. Without one, check your balance first.",
    )


def not_your_order() -> Refusal:
    """Refuse the status of an order that the caller does not have."""
    return Refusal("Order ID not found!", "No such order in your account.")


def error(refusal: Refusal) -> Reply:
    """Return the ERROR part of a reply."""
    return {"ERROR": [{"MESSAGE": refusal.message, "FULL_DESCRIPTION": refusal.description}]}


def success(element: Mapping[str, Any]) -> Reply:
    """Return the SUCCESS part of a reply, of one element as all clients read it."""
    return {"SUCCESS": [element]}


def order_received(order_id: int, dialect: str) -> Reply:
    """Return the SUCCESS part for a placed order."""
    return success({"MESSAGE": "Order received", "REFERENCEID": number(order_id, dialect)})


def theme_row(answer: int | Refusal, dialect: str) -> Mapping[str, Any]:
    """Return one row of a bulk placing in GSM Theme's form."""
    if isinstance(answer, Refusal):
        return {"status": "error", "message": (answer.description or answer.message).strip(" ,"), "referenceid": ""}
    return {"status": "success", "message": "Order received", "referenceid": number(answer, dialect)}


def order_status(order: OrderStatus | None, dialect: str, file_link: Callable[[int, str], str]) -> dict[str, Any]:
    """Return STATUS, CODE and what goes with them; an order that is not the caller's looks like one that waits.

    CODE is what panels show: the result, or the reason of a rejection, and empty before. No MESSAGE: some clients show
    it instead of CODE. A file that came with the result is there as a link behind its text.
    """
    if order is None:
        return {"STATUS": number(0, dialect), "CODE": "", "COMMENTS": ""}
    order_id, state, device, text, file = order
    status = STATUS_NUMBERS[state]
    shown = status if dialect == "6.1" else str(status)
    if status < 2:
        return {"IMEI": device, "STATUS": shown, "CODE": "", "COMMENTS": ""}
    # Clients wait for ever for a final order without a CODE.
    code = _as_html(text) or ("Completed" if status == 4 else "Rejected")
    if file is not None:
        code = f"{code}<br>{file_link(order_id, file)}"
    return {"IMEI": device, "STATUS": shown, "CODE": code, "COMMENTS": code if status == 3 else ""}


def number(value: int, dialect: str) -> int | str:
    """Return a STATUS or REFERENCEID as its dialect has it: a JSON number in 6.1, a string in 8.2."""
    return value if dialect == "6.1" else str(value)


def _as_html(text: str) -> str:
    """Return a result as panels show it: lines parted by <br>, unless it has such marks already."""
    text = text.strip()
    if "\n" not in text or "<br" in text.lower():
        return text
    return text.replace("\r\n", "\n").replace("\n", "<br>")
