"""What DHRU servers say when they refuse, and what they mean by it."""

from collections.abc import Mapping

from app.connectors.errors import RefusalReason

REFUSALS: Mapping[str, RefusalReason] = {
    # "Invalid IP Request", "Your Server IP is not allowed…", firewalls that answer in JSON.
    "invalid ip": RefusalReason.BLOCKED,
    "you are blocked": RefusalReason.BLOCKED,
    "ip is not allowed": RefusalReason.BLOCKED,
    "whitelist": RefusalReason.BLOCKED,
    "imunify": RefusalReason.BLOCKED,
    "bot protection": RefusalReason.BLOCKED,
    "cloudflare": RefusalReason.BLOCKED,
    "forbidden": RefusalReason.BLOCKED,
    "access denied": RefusalReason.BLOCKED,
    # "You are calling this API too frequently!…"; a site in maintenance wants the same: later.
    "too frequently": RefusalReason.THROTTLED,
    "too many": RefusalReason.THROTTLED,
    "rate limit": RefusalReason.THROTTLED,
    "maintenance": RefusalReason.THROTTLED,
    # "ValidationError123: ,This IMEI is already available or pending in your Account"; "IMEI already exists!"
    "already": RefusalReason.DUPLICATE,
    "duplicate": RefusalReason.DUPLICATE,
    # "CreditprocessError: error:<li>…</li>", in any language; "Not enough credits"; "Insufficient Credits!"
    "creditprocess": RefusalReason.NO_FUNDS,
    "credit process": RefusalReason.NO_FUNDS,
    "insufficient": RefusalReason.NO_FUNDS,
    "not enough credit": RefusalReason.NO_FUNDS,
    "not enough balance": RefusalReason.NO_FUNDS,
    "credits have been finished": RefusalReason.NO_FUNDS,
    "credit has been finished": RefusalReason.NO_FUNDS,
    # "Authentication Failed"; "Invalid User!"; "Invalid API Key!"; "Invalid access."; "API is inactive!";
    # "User name must be an email"; "API access to you is not allowed!"; "This user is not active"
    "api is inactive": RefusalReason.BAD_CREDENTIALS,
    "user name must": RefusalReason.BAD_CREDENTIALS,
    "api access": RefusalReason.BAD_CREDENTIALS,
    "user is not active": RefusalReason.BAD_CREDENTIALS,
    "authentication failed": RefusalReason.BAD_CREDENTIALS,
    "invalid user!": RefusalReason.BAD_CREDENTIALS,
    "invalid api key": RefusalReason.BAD_CREDENTIALS,
    "invalid access": RefusalReason.BAD_CREDENTIALS,
    "access key": RefusalReason.BAD_CREDENTIALS,
    # "Service Not Active"; "Service not found or inactive."; "Invalid IMEI tool."; "No tool found"; "NoResultFound"
    "service not": RefusalReason.SERVICE_OFF,
    "inactive": RefusalReason.SERVICE_OFF,
    "invalid imei tool": RefusalReason.SERVICE_OFF,
    "value of network id": RefusalReason.SERVICE_OFF,  # what GSM Fusion calls a service
    "no tool found": RefusalReason.SERVICE_OFF,
    "noresultfound": RefusalReason.SERVICE_OFF,
    "disabled": RefusalReason.SERVICE_OFF,
    # "ValidationError<br/>" with a quantity range; "Invalid IMEI![…]"; "Parameter 'ID' Required"
    "validationerror": RefusalReason.BAD_INPUT,
    "invalid imei": RefusalReason.BAD_INPUT,
    "invalid serial": RefusalReason.BAD_INPUT,
    "required": RefusalReason.BAD_INPUT,
    "customfield": RefusalReason.BAD_INPUT,
    "quantity": RefusalReason.BAD_INPUT,
}
"""Phrases in their error texts in lower case; the first that occurs decides."""
