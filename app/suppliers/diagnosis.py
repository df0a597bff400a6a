"""What a test of a supplier account found, told so that an operator knows what to mend. Nothing here buys.

The account is asked for balance and catalogue. Only if that fails are more questions asked, each of which reads: the
way to the host step by step, the other paths on which such systems are found, and which protocol answers there.
"""

import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from app.connectors import registry
from app.connectors.base import Connector
from app.connectors.errors import ConnectorError, NotSent, RefusalReason, Refused, Unclear
from app.connectors.http import Exchange, Reply
from app.money import Money
from app.suppliers.reaching import connect_to, local_address

_ADDRESS = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
_ADDRESS_WORDS = re.compile(r"\bip\b|whitelist|your (?:server )?address", re.IGNORECASE)
_CHALLENGE = re.compile(
    r"cloudflare|imunify|bot.?protection|captcha|just a moment|attention required|ddos|mod_security|access denied",
    re.IGNORECASE,
)
"""What something in front of a supplier says, be it a page or JSON in its place."""
_NOT_HERE = {301, 302, 303, 307, 308, 404, 405, 410}


class Finding(StrEnum):
    """How a test ended: a word that never changes with the wording."""

    WORKS = "works"
    UNRESOLVABLE = "unresolvable"
    CONNECTION_REFUSED = "connection_refused"
    TLS = "tls"
    UNREACHABLE = "unreachable"
    NO_ANSWER = "no_answer"
    SERVER_ERROR = "server_error"
    WRONG_PATH = "wrong_path"
    BAD_CREDENTIALS = "bad_credentials"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    FIREWALL = "firewall"
    OTHER_DIALECT = "other_dialect"
    THROTTLED = "throttled"
    REFUSED = "refused"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found: ``code``, one sentence, what to do about it (``hint``), and what the account holds and offers."""

    code: Finding
    diagnosis: str
    hint: str = ""
    balance: Money | None = None
    services: int | None = None

    @property
    def ok(self) -> bool:
        """Whether the account can be bought from."""
        return self.code is Finding.WORKS


async def diagnose(connector: Connector[Any]) -> Diagnosis:
    """Ask the supplier for balance and catalogue and say how that went."""
    balance: Money | None = None
    with connector.http.recording() as exchanges:
        try:
            try:
                balance = await connector.balance()
                held = f"balance {balance}" if balance else "no balance call"
            except Unclear as error:
                # A catalogue can be sold from without a balance; the operator is told what to mend.
                held = f"balance unknown ({error.text})"
            services = len(await connector.catalog())
        except ConnectorError as error:
            failure = error
        else:
            return Diagnosis(Finding.WORKS, f"Works: {held}, {services} services.", "", balance, services)
    code, text, hint = await _explain(connector, failure, exchanges[-1] if exchanges else None)
    return Diagnosis(code, text, hint, balance)


def took_too_long(seconds: float) -> Diagnosis:
    """Return what is told of a test that was ended after so many seconds."""
    return Diagnosis(
        Finding.NO_ANSWER,
        f"The supplier answers so slowly that the test was ended after {seconds:g} seconds.",
        "Try again later; if it stays so, ask the supplier.",
    )


Told = tuple[Finding, str, str]


async def _explain(connector: Connector[Any], error: ConnectorError, last: Exchange | None) -> Told:
    url = connector.config.base_url
    if isinstance(error, NotSent):
        return await _unreached(url, error)
    blocked = isinstance(error, Refused) and error.reason is RefusalReason.BLOCKED
    if isinstance(error, Refused) and not blocked:
        return _refused(error)
    if last is None or last.status is None or last.status >= 500:
        return _silent(error, last)
    if _CHALLENGE.search(last.reply[:20_000]) or (blocked and _is_json(last.reply)):
        return await _blocked(url, error, last)
    elsewhere = await _elsewhere(connector)
    if elsewhere is None and blocked:
        return await _blocked(url, error, last)
    return elsewhere or (
        Finding.WRONG_PATH if last.status in _NOT_HERE else Finding.UNREADABLE,
        f"The answer is not this protocol's: {error.text}",
        "Compare the base URL and the kind with what the supplier's API page says.",
    )


def _silent(error: ConnectorError, last: Exchange | None) -> Told:
    if last is not None and last.status is not None:
        return Finding.SERVER_ERROR, f"The supplier's server is broken now: {error.text}", "Try again later."
    return (
        Finding.NO_ANSWER,
        f"The supplier was reached but gave no answer: {error.text}",
        "Try again later; if it stays so, ask the supplier.",
    )


async def _elsewhere(connector: Connector[Any]) -> Told | None:
    """What answers on the same site: this protocol on another path, or another protocol."""
    if url := await _answering_path(connector):
        return (
            Finding.WRONG_PATH,
            f"The answer is not this protocol's, but at {url} it is.",
            f"Set the base URL to {url}",
        )
    if title := await _answering_protocol(connector):
        return (
            Finding.OTHER_DIALECT,
            f"The answer is not this protocol's: what answers there is {title}.",
            f"Set the supplier up as {title}.",
        )
    return None


def _refused(error: Refused) -> Told:
    match error.reason:
        case RefusalReason.BAD_CREDENTIALS:
            return (
                Finding.BAD_CREDENTIALS,
                f"The supplier does not accept these credentials: {error.text}",
                "Copy username and key from the supplier's site again, and see that API access is switched on there.",
            )
        case RefusalReason.THROTTLED:
            return (
                Finding.THROTTLED,
                f"The supplier asks us to slow down: {error.text}",
                "Wait a few minutes, and set how many requests a minute this supplier takes.",
            )
        case _:
            return Finding.REFUSED, f"The supplier refused: {error.text}", "Ask the supplier what their words mean."


def _is_json(text: str) -> bool:
    try:
        Reply(200, text, "", {}).json()
    except ConnectorError:
        return False
    return True


async def _blocked(base_url: str, error: ConnectorError, last: Exchange) -> Told:
    said = last.reply[:20_000]
    if _CHALLENGE.search(said) or not _ADDRESS_WORDS.search(said):
        where = await local_address(base_url)
        return (
            Finding.FIREWALL,
            f"The supplier blocks us, by a firewall in front of it: {error.text}",
            f"Ask the supplier to let this server through its firewall{where and f'; it goes out from {where}'}.",
        )
    seen = _ADDRESS.search(said)
    where = seen[0] if seen else await local_address(base_url)
    known = "they see us as" if seen else "this server goes out from"
    return (
        Finding.ADDRESS_NOT_ALLOWED,
        f"The supplier blocks us (ask them to allow this server's address): {error.text}",
        f"Ask the supplier to allow our address{where and f'; {known} {where}'}.",
    )


async def _unreached(base_url: str, error: NotSent) -> Told:
    """Walk to the host step by step and tell at which step it ends."""
    try:
        writer = await connect_to(base_url)
    except socket.gaierror:
        return (
            Finding.UNRESOLVABLE,
            f"The supplier cannot be reached: no host {urlsplit(base_url).hostname!r} is known.",
            "Look for a misspelt base URL, then for this server's name resolution.",
        )
    except ssl.SSLError as trouble:
        reason = getattr(trouble, "verify_message", "") or trouble.reason or "no TLS there"
        return (
            Finding.TLS,
            f"The supplier cannot be reached: the TLS handshake fails ({reason}).",
            "Tell the supplier that their certificate is not valid; or the port does not speak TLS.",
        )
    except ConnectionRefusedError:
        return (
            Finding.CONNECTION_REFUSED,
            "The supplier cannot be reached: the connection is refused, nothing listens there.",
            "Look at the port in the base URL; else the supplier's server is down.",
        )
    except (OSError, ValueError):
        return (
            Finding.UNREACHABLE,
            f"The supplier cannot be reached: {error.text}",
            "Their server is down, or a firewall drops our packets: ask them whether they block this server.",
        )
    writer.close()
    return Finding.UNREACHABLE, f"The supplier cannot be reached: {error.text}", "Try again."


async def _answering_path(connector: Connector[Any]) -> str:
    """Return the base URL on the same site at which the account is answered, empty if there is none."""
    for url in _variants(connector):
        config = connector.config.model_copy(update={"base_url": url})
        try:
            await type(connector)(config, connector.http).balance()
        except Refused as error:
            if error.reason is RefusalReason.BLOCKED:
                continue
        except ConnectorError:
            continue
        return url
    return ""


def _variants(connector: Connector[Any]) -> Iterator[str]:
    """Other base URLs of the same site: its root, then the paths on which such systems are found."""
    parts = urlsplit(connector.config.base_url)
    given = connector.config.base_url.rstrip("/")
    for path in ("", *connector.paths):
        url = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
        if url.rstrip("/") != given:
            yield url


async def _answering_protocol(connector: Connector[Any]) -> str:
    """Return the title of another protocol that answers at the site, asked without credentials; empty if none does."""
    parts = urlsplit(connector.config.base_url)
    for kind in registry.kinds().values():
        try:
            found = await kind.knock(connector.http, urlunsplit((parts.scheme, parts.netloc, "", "", "")))
        except ConnectorError:
            continue
        if found:
            return found
    return ""
