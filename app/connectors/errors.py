"""How a call to a supplier may end without an answer worth having.

    ConnectorError
      NotSent        proof that the request never left us; a machine may send it again
      Refused        they read it and said no, in their own format; a machine acts by the policy table
      Unclear        it may be there; nobody sends it again

Anything else that escapes a connector is a bug in it and counts as ``Unclear``.
"""

from enum import StrEnum


class RefusalReason(StrEnum):
    """Why a supplier said no: a closed set, so that their wording never becomes a decision or a metric label."""

    BAD_INPUT = "bad_input"
    DUPLICATE = "duplicate"
    NO_FUNDS = "no_funds"
    SERVICE_OFF = "service_off"
    BAD_CREDENTIALS = "bad_credentials"
    BLOCKED = "blocked"
    THROTTLED = "throttled"
    OTHER = "other"


class ConnectorError(Exception):
    """A call to a supplier brought no usable answer; ``text`` says what happened, without secrets."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class NotSent(ConnectorError):  # noqa: N818  the design's words
    """The request never left us: refused connection, connect time-out, DNS, TLS handshake, pool time-out."""


class Refused(ConnectorError):  # noqa: N818
    """The supplier read the request and said no; ``text`` is their own sentence, cleaned of markup."""

    def __init__(self, reason: RefusalReason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Unclear(ConnectorError):  # noqa: N818
    """It may be there: read time-out, broken pipe, 5xx, a firewall page, not their format, success without an id."""


class Unsupported(ConnectorError):  # noqa: N818
    """This supplier protocol has no such call."""
