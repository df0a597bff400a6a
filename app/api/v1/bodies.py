"""How the bodies of the REST API are read."""

from fastapi import Request
from starlette.types import Scope

from app.api.v1.deps import parts_of
from app.web import bodies


class ExactRoute(bodies.ExactRoute):
    """A route that reads its body exactly."""

    def max_body(self, request: Request) -> int:
        """Return what the settings allow, which is the same as over DHRU."""
        return parts_of(request).max_body_bytes

    def scope_of(self, request: Request) -> Scope:
        """Return the request with a body of JSON, whatever it is called: ``curl -d`` and many a client name another.

        No browser sends a key by itself, so no page of somebody else's gains by that.
        """
        headers = [header for header in request.scope["headers"] if header[0] != b"content-type"]
        return {**request.scope, "headers": [*headers, (b"content-type", b"application/json")]}
