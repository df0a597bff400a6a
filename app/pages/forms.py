"""What a browser sends: small forms of text that can be kept, small files, and addresses to go on to that are ours."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from app.db import MAX_ID
from app.errors import Invalid
from app.money import parse_amount
from app.text import storable

MAX_FORM = 512 * 1024
MAX_UPLOAD = 8 * 1024 * 1024
"""Of a form with files, such as prices in CSV: ten thousand services are about one megabyte."""

MAX_FIELDS = 2000
MAX_FILES = 4

_CHARSET = re.compile(r";\s*charset\s*=[^;]*", re.IGNORECASE)


class Form:
    """The fields of a form by name; a name may come several times."""

    def __init__(self, pairs: list[tuple[str, str]], files: Mapping[str, bytes] | None = None) -> None:
        """``pairs`` of name and value in the order sent; ``files`` by the name of their field."""
        self._files = files or {}
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

    def amount(self, name: str) -> int:
        """Return an amount of money in micro-units; Invalid for what is none."""
        try:
            return parse_amount(self.text(name))
        except ValueError as error:
            raise Invalid("An amount such as 12.50, with at most six decimal places.", field=name) from error

    def whole(self, name: str) -> int | None:
        """Return a whole number, None for an empty field; Invalid for anything else."""
        text = self.text(name)
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise Invalid("A whole number, or nothing.", field=name)
        return int(text)

    def all(self, name: str) -> list[str]:
        """Return every value of a field."""
        return list(self._values.get(name, []))

    def content(self) -> str:
        """Return all that was sent, the same text for the same fields and values."""
        return repr(sorted(self._values.items()))

    def names(self) -> list[str]:
        """Return the names of the fields that were sent."""
        return list(self._values)

    def ids(self, name: str) -> list[int]:
        """Return the ids that were ticked under a name, each once; Invalid for what is none."""
        values = list(dict.fromkeys(self.all(name)))
        if any(not _is_whole(value) or int(value) > MAX_ID for value in values):
            raise Invalid("These are not rows of the list.", field=name)
        return [int(value) for value in values]

    def yes(self, name: str) -> bool:
        """Return whether a box was ticked."""
        return self.get(name) == "yes"

    def amount_or_none(self, name: str) -> int | None:
        """Return an amount of money in micro-units, None where nothing was entered; Invalid for what is none."""
        return self.amount(name) if self.text(name) else None

    def file(self, name: str) -> str:
        """Return the text of a file that was chosen; Invalid if none was, or it is not text in UTF-8."""
        content = self._files.get(name, b"")
        if not content:
            raise Invalid("Choose a file that is not empty.", field=name)
        try:
            return storable(content.decode("utf-8-sig"))
        except ValueError as error:
            raise Invalid("This file is not text in UTF-8.", field=name) from error


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20


async def read_form(request: Request) -> Form:
    """Return the form that was sent; HTTPException 413 for one larger than any page has, 415 for what is no form."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    with_files = kind == "multipart/form-data"
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > (MAX_UPLOAD if with_files else MAX_FORM):
            raise HTTPException(413, "That is more than any form here has.")
    if with_files:
        return await _with_files(request, bytes(read))
    if read and kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "Forms are sent as application/x-www-form-urlencoded or multipart/form-data.")
    try:
        pairs = parse_qsl(read.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise HTTPException(413, "That is more than any form here has.") from error
    return Form(pairs)


async def _with_files(request: Request, body: bytes) -> Form:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    # What is no multipart body at all raises HTTPException 400 in there, which is its page. Browsers send UTF-8; what
    # other encodings may be named would be let loose on the text, and leave in it what cannot be written again.
    kind = _CHARSET.sub("", request.headers["content-type"])
    scope = {**request.scope, "headers": [(b"content-type", kind.encode("latin-1"))]}
    async with Request(scope, receive).form(max_files=MAX_FILES, max_fields=MAX_FIELDS) as sent:
        pairs = [(name, value) for name, value in sent.multi_items() if isinstance(value, str)]
        files = {name: await value.read() for name, value in sent.multi_items() if isinstance(value, UploadFile)}
    return Form(pairs, files)


def safe_next(address: str, root: str) -> str:
    """Return the address if it is a page under ``root``, else the first of them: no link to us leads elsewhere."""
    home = f"{root}/"
    if not re.fullmatch(rf"{root}/[!-\[\]-~]*", address) or "//" in address or ".." in unquote(address):
        return home  # the pattern leaves out the backslash, which browsers read as a slash
    parts = urlsplit(address)
    return address if not parts.scheme and not parts.netloc else home
