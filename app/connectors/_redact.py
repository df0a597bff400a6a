"""Secrets are replaced by value, whatever shape the wire gave them, before a text is kept or shown."""

import base64
import html
import json
import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote, quote_plus

MASK = "***"

_MIN_BASE64_TRACE = 8
"""A base64 fragment shorter than this occurs by chance; a secret that short is only looked for as written."""


class Redactor:
    """Replaces every known form of every secret it was given by ``***``, and NUL, which no database takes."""

    def __init__(self, secrets: Sequence[str]) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        # The longest form first, so that a part of a secret never hides the whole of it.
        ordered = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(re.escape(form) for form in ordered)) if ordered else None
        self._longest = len(ordered[0]) if ordered else 0

    def __call__(self, text: str, limit: int | None = None) -> str:
        """Return ``text`` without secrets, cut to ``limit`` characters if one is given."""
        if limit is None or len(text) <= limit:
            return self._replace(text) if limit is None else self._replace(text)[:limit]
        # A secret that straddles the cut would survive in part. So a longer piece is cleaned first, and as much as
        # one secret may reach is dropped from its end.
        cleaned = self._replace(text[: 2 * limit + self._longest])
        return cleaned[: min(limit, max(len(cleaned) - self._longest, 0))] + "…"

    def _replace(self, text: str) -> str:
        text = text.replace("\0", "\ufffd")
        return self._pattern.sub(MASK, text) if self._pattern else text


def _forms(secret: str) -> Iterator[str]:
    """Every way in which ``secret`` may appear in a URL, a form, a JSON or XML text, or a base64 blob."""
    escaped = json.dumps(secret)[1:-1]
    texts = {
        secret,
        json.dumps(secret, ensure_ascii=False)[1:-1],
        escaped,
        escaped.replace("/", "\\/"),  # as PHP's json_encode writes it
        html.escape(secret),
        html.escape(secret, quote=False),
    }
    for text in texts:
        yield text
        for quoted in (quote(text, safe=""), quote(text), quote_plus(text)):
            yield quoted
            yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), quoted)
        yield from _base64_traces(text.encode())


def _base64_traces(raw: bytes) -> Iterator[str]:
    """The characters that ``raw`` leaves in the base64 of any longer text, for each of its three alignments."""
    whole = base64.b64encode(raw).decode()
    if len(raw) * 4 // 3 < _MIN_BASE64_TRACE:
        return
    candidates = [whole, whole.rstrip("=")]
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        # The first characters are mixed with the bytes before, the last one with the byte behind.
        start = -(-shift * 8 // 6)
        end = (shift + len(raw)) * 8 // 6
        candidates.append(encoded[start:end])
    for candidate in candidates:
        if len(candidate) >= _MIN_BASE64_TRACE:
            yield candidate
            yield candidate.replace("+", "-").replace("/", "_")
            yield quote(candidate, safe="")
