"""Signatures by the Standard Webhooks scheme: HMAC-SHA256 over id, timestamp and body, under one secret or two.

While a secret is being replaced, messages carry a signature of each, so that a receiver may change at any moment.
"""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime

from standardwebhooks import Webhook

SECRET_BYTES = 32


def new_secret(given: bytes | None = None) -> str:
    """Return a fresh secret of 256 bits, or the one that is ``given``, in the scheme's own form: ``whsec_``, base64."""
    return f"whsec_{base64.b64encode(given or secrets.token_bytes(SECRET_BYTES)).decode()}"


def signed_headers(keys: Sequence[str], message_id: str, at: datetime, body: str) -> dict[str, str]:
    """Return the headers that prove a message is ours, with a signature under each of ``keys``."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(key).sign(message_id, at, body) for key in keys),
    }
