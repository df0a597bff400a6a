"""What a browser sends: small forms only, of text that can be kept, and addresses to go on to that are ours."""

import re
from urllib.parse import parse_qsl, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request

from app.admin.schemas import storable
from app.errors import Invalid

MAX_FORM = 512 * 1024
MAX_FIELDS = 2000
HOME = "/admin/"


class Form:
    """The fields of a form by name; a name may come several times."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        """``pairs`` of name and value in the order sent."""
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def get(self, name: str, default: str = "") -> str:
        """Return the last value of a field as it was sent."""
        return self._values.get(name, [default])[-1]

    def text(self, name: str) -> str:
        """Return the value of a field without the spaces around it; Invalid if no database could keep it."""
        try:
            return storable(self.get(name)).strip()
        except ValueError as error:
            raise Invalid(f"There is {error}.", field=name) from error

    def all(self, name: str) -> list[str]:
        """Return every value of a field."""
        return list(self._values.get(name, []))


async def read_form(request: Request) -> Form:
    """Return the form that was sent; HTTPException 413 for one larger than any page has, 415 for files."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > MAX_FORM:
            raise HTTPException(413, "That is more than any form here has.")
    if read and kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "Forms are sent as application/x-www-form-urlencoded.")
    try:
        pairs = parse_qsl(read.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise HTTPException(413, "That is more than any form here has.") from error
    return Form(pairs)


def safe_next(address: str) -> str:
    """Return the address if it is a page of the admin, else the start: nobody is sent elsewhere by a link to us."""
    if not re.fullmatch(r"/admin/[!-\[\]-~]*", address) or "//" in address or ".." in address:
        return HOME  # the pattern leaves out the backslash, which browsers read as a slash
    parts = urlsplit(address)
    return address if not parts.scheme and not parts.netloc else HOME
