"""Logs: one line per event on standard error, JSON or for the eye, with ids bound and secrets masked.

Code writes ``structlog.get_logger()`` events with keywords (``log.info("placed", remote_id=...)``). Ids travel in
context variables, so that every line below a call carries them::

    with structlog.contextvars.bound_contextvars(order_id=order_id, attempt_id=attempt_id):
        ...

The names bound are ``request_id``, ``customer_id``, ``supplier_id``, ``order_id`` and ``attempt_id``. Lines of the
standard library's logging (uvicorn, procrastinate, SQLAlchemy) pass the same processors. Start uvicorn with
``log_config=None, access_log=False``: panels may send their key in the query string, which an access log would keep.
"""

import json
import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

MASK = "***"
MAX_DEPTH = 8
"""Nothing we log is nested deeper; a hostile body may be."""

_SECRET_KEYS = frozenset(
    {
        "apiaccesskey", "apikey", "accesskey", "authorization", "cookie", "credentials", "key", "parameters",
        "passwd", "password", "secret", "setcookie", "token",
    }
)  # fmt: skip
_SECRET_ENDINGS = ("_key", "_token", "_secret", "_password")

_SECRET_IN_TEXT = re.compile(
    r"""(?xi)
    (?P<user> :// [^\s/:@]* : ) [^\s/@]+ (?= @ )                      # a password in a URL
    | (?P<scheme> \b (?: bearer | basic ) \s+ ) [\w.~+/=-]{8,}        # an Authorization header
    | (?P<name> \b (?: api_?access_?key | api_?key | access_?key | secret_?key | key | token | passw(?:or)?d | secret
                     | parameters | authorization ) ["']? \s* [=:] \s* ["']? ) (?! bearer | basic ) [^\s&"',;<>{}]+
    | (?P<tag> < (?: apiaccesskey | key | token | password | secret ) > ) [^<]+
    | (?P<prefix> \b [a-z]{2,8} _ ) [A-Za-z0-9_-]{43} (?! [\w-] )     # one of our own keys or tokens
    """
)

_TELLTALES = ("key", "token", "passw", "secret", "auth", "parameters", "bearer", "basic", "@", "_")


def configure(level: str = "info", *, as_json: bool) -> None:
    """Send everything this process logs through one chain to standard error, from ``level`` upwards."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    last: list[Processor] = [structlog.processors.format_exc_info, redact]
    if as_json:
        last.append(structlog.processors.JSONRenderer(serializer=_to_json))
    else:
        last.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()))
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=_StandardError()),  # type: ignore[arg-type]  # only write() and flush() are used
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_StandardError())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(number)
    # uvicorn brings handlers of its own when it was started with its default configuration.
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    # The first three write whole URLs, and a URL may carry a key; the others tell of every look and every minute.
    for name in ("uvicorn.access", "httpx2", "httpcore2", "alembic", "procrastinate"):
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Return the event with every secret masked: values of telling names at any depth, and secrets inside text."""
    return {name: _masked(name, value, 0) for name, value in event.items()}


def redact_text(text: str) -> str:
    """Return ``text`` with what looks like a key, a password or an Authorization header replaced by ``***``."""
    lowered = text.lower()
    # The pattern costs microseconds on every line; hardly any text holds one of the words it looks for.
    for word in _TELLTALES:
        if word in lowered:
            return _SECRET_IN_TEXT.sub(_mask_match, text)
    return text


def _mask_match(match: re.Match[str]) -> str:
    return f"{match[match.lastgroup or 0]}{MASK}"


def _masked(name: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if _is_secret(name):
        return MASK
    if not isinstance(value, Mapping | list | tuple | set | frozenset):
        return _scalar(value)
    if depth > MAX_DEPTH:
        return "..."
    if isinstance(value, Mapping):
        return {str(key): _masked(str(key), inner, depth + 1) for key, inner in value.items()}
    return [_masked("", inner, depth + 1) for inner in value]


def _scalar(value: Any) -> Any:
    if isinstance(value, int | float):
        return value
    if isinstance(value, bytes | bytearray):
        value = value.decode("utf-8", "backslashreplace")
    return redact_text(str(value))  # a SecretStr masks itself


def _is_secret(name: str) -> bool:
    lowered = name.lower().replace("-", "_")
    return lowered.replace("_", "") in _SECRET_KEYS or lowered.endswith(_SECRET_ENDINGS)


def _to_json(event: EventDict, **_: Any) -> str:
    try:
        return orjson.dumps(event, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        # A lone surrogate or an integer beyond 64 bits must not cost us the line.
        return json.dumps(event, default=str)


class _StandardError:
    """Standard error as it is at the moment of writing, so that whoever replaces it gets the lines."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()
