"""How large the bodies of the staff API may be."""

from fastapi import Request

from app.web import bodies

MAX_BODY = 2 * 1024 * 1024
"""The largest body in bytes; a service with all the fields it can have takes a fraction of it."""


class ExactRoute(bodies.ExactRoute):
    """A route that reads its body exactly."""

    def max_body(self, _request: Request) -> int:
        """Return the same for every call."""
        return MAX_BODY
