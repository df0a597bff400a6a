"""The REST API of customers under ``/api/v1``: one file per noun, a key, problems as RFC 9457.

============  ==============================================================================
app.py        the app, mounted as a whole: its errors and its description are its own
deps.py       the parts, who calls with which scopes and within which limit, transactions
limits.py     tells each answer how much of the limit is left
bodies.py     how large a body may be
responses.py  the errors that calls may answer with
shelf.py      the services as a caller sees them, rendered once for all who see the same
reference.py  the description as a page to read
account.py …  one file per noun
============  ==============================================================================
"""

from app.api.v1.app import PREFIX, v1_routes
from app.api.v1.deps import ApiDeps

__all__ = ["PREFIX", "ApiDeps", "v1_routes"]
