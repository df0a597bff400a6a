"""The errors that calls of the REST API may answer with."""

from app.web.problems import described

EVERYWHERE = described(
    {
        401: "No valid key came with the request: `unauthenticated`.",
        403: "The key may not do this (`scope_missing`), or not from this address (`address_refused`).",
        422: "The input breaks a rule (`invalid`); `field` names where.",
        429: "More calls than the key may make in a minute (`rate_limited`); `Retry-After` says how long to wait.",
        503: "The database does not answer now (`unavailable`); the same call may succeed later.",
    }
)
NOT_FOUND = described({404: "There is no such thing, or it is not yours: `not_found`."})
SERVICE_NOT_FOUND = described({404: "There is no such service for this account: `service_not_found`."})
WITH_BODY = described(
    {
        400: "The body is not JSON: `invalid_json`.",
        413: "The body is larger than is read: `too_large`.",
    }
)
CONFLICT = described({409: "The thing is not in a state that allows this: `conflict`."})
