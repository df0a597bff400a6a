"""The errors a face may show: one tree, a stable code each, and a sentence a person can act on.

    TrunklineError
      NotFound            there is no such thing, or it is not yours
      NoCredit            the account does not cover it
      Conflict            the thing is not in a state that allows this
      Invalid             the input breaks a rule; ``field`` names where
      Unauthenticated     no valid key or token came with the request
      Forbidden           the key or token is valid but may not do this
      Throttled           too many calls; ``seconds`` until there may be another
      Unavailable         a part we need does not answer now; the same call may succeed later

Each class carries a ``code`` that never changes and never depends on the wording.
"""

from typing import ClassVar


class TrunklineError(Exception):
    """Something the caller can be told in one sentence."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class NotFound(TrunklineError):  # noqa: N818  the words of the door, not of Python
    code = "not_found"


class NoCredit(TrunklineError):  # noqa: N818
    code = "no_credit"


class Conflict(TrunklineError):  # noqa: N818
    code = "conflict"


class Invalid(TrunklineError):  # noqa: N818
    code = "invalid"


class Unauthenticated(TrunklineError):  # noqa: N818
    code = "unauthenticated"


class Forbidden(TrunklineError):  # noqa: N818
    code = "forbidden"


class Throttled(TrunklineError):  # noqa: N818
    code = "rate_limited"

    def __init__(self, message: str, *, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class Unavailable(TrunklineError):  # noqa: N818
    code = "unavailable"
