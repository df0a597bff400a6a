"""Which member of the DHRU family a reply comes from, by what it says of itself."""

from collections.abc import Mapping
from enum import StrEnum

from app.connectors._dhru_reply import folded, open_envelope, text_of
from app.connectors._reply import find_json


class Dialect(StrEnum):
    """A way of speaking DHRU."""

    CLASSIC = "classic"
    GSM_THEME = "gsmtheme"
    GSM_EYE = "gsmeye"
    GSM_HUB = "gsmhub"
    GSM_FUSION = "gsmfusion"


TITLES: Mapping[Dialect, str] = {
    Dialect.CLASSIC: "DHRU Fusion (kind dhru, dialect classic)",
    Dialect.GSM_THEME: "GSM Theme (kind dhru, dialect gsmtheme)",
    Dialect.GSM_EYE: "GSM EYE (kind dhru, dialect gsmeye)",
    Dialect.GSM_HUB: "GSMHub (kind dhru, dialect gsmhub)",
    Dialect.GSM_FUSION: "GSM Fusion (kind dhru, dialect gsmfusion)",
}
"""Each as an operator knows it, and how an account there is set up."""

_FUSION_SIGNS = ("<packages", "<client", "<error>", "<result")


def recognise(text: str, headers: Mapping[str, str]) -> Dialect | None:
    """Return the dialect of a reply to a reading call, None if it is not of the family.

    GSM Theme sends the header ``gsmtheme-api-version`` and versions such as 2023.21; GSM EYE 1.0; both spell
    AccountInfo right. GSMHub has a ``gsmhubsite`` beside SUCCESS. GSM Fusion answers in XML. 2.0.0 alone says nothing:
    sites with that version answer the classic calls.
    """
    value = find_json(text)
    if value is not None:
        return dialect_of(value, headers)
    start = text[:2000].lower()
    is_fusion = "<?xml" in start and "<html" not in start and any(sign in start for sign in _FUSION_SIGNS)
    return Dialect.GSM_FUSION if is_fusion else None


def dialect_of(value: object, headers: Mapping[str, str]) -> Dialect | None:
    """Return the dialect of a reply in JSON, as ``recognise`` does."""
    envelope = open_envelope(value)
    if text_of(envelope.body.get("gsmhubsite")) not in {"", "0"} or envelope.body.get("gsmhubsite") is True:
        return Dialect.GSM_HUB
    if envelope.success is None and envelope.error is None:
        return None
    version = "" if _misspelt(envelope.success) else text_of(envelope.body.get("apiversion")).strip()
    if "gsmtheme-api-version" in {name.lower() for name in headers} or version.startswith(("2023.", "2024.", "2025.")):
        return Dialect.GSM_THEME
    return Dialect.GSM_EYE if version in {"1.0", "1"} else Dialect.CLASSIC


def _misspelt(success: object) -> bool:
    """Whether the account is called ``AccoutInfo``, as only DHRU's own servers and close copies do."""
    first = success[0] if isinstance(success, list) and success else success
    body = folded(first)
    return "accoutinfo" in body and "accountinfo" not in body
