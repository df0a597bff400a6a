"""One request of a browser: who it is of, what it sent, and the ways to answer it."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, ClassVar, Generic, Self, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.access.sessions import BrowserSession, find_session, say_next
from app.access.sign_in import Browser, Realm
from app.addresses import client_ip
from app.db import MAX_ID, Actor, Connection, acting
from app.errors import Forbidden, TrunklineError, Unauthenticated
from app.pages.forms import Form, safe_next
from app.pages.menu import Section
from app.pages.parts import Parts
from app.pages.render import Templates
from app.sealing import new_token

PartsT = TypeVar("PartsT", bound=Parts)


@dataclass(frozen=True, slots=True)
class Face:
    """Who meets people where: ``root`` is the path of its first page without the last slash, ``cookie`` the name."""

    root: str
    cookie: str
    realm: Realm
    templates: Templates


class Visit(ABC, Generic[PartsT]):
    """One request; ``session`` is None for somebody who has not signed in.

    ``problem`` is what was wrong with the form that is shown again, ``form`` what was typed into it.
    """

    face: ClassVar[Face]

    def __init__(self, parts: PartsT, request: Request) -> None:
        """Of nobody, as yet; use ``of``."""
        self.parts = parts
        self.request = request
        self.session: BrowserSession | None = None
        self.form = Form([])
        self.problem: TrunklineError | None = None
        self._cookie: str | None = None
        self._door = request.cookies.get(self._door_cookie) or new_token("dr")

    @classmethod
    async def of(cls, parts: PartsT, request: Request) -> Self:
        """Return the visit of a request, its session looked up."""
        visit = cls(parts, request)
        visit._cookie = request.cookies.get(visit._session_cookie)
        await visit.reload(background=request.headers.get("x-background") == "1")
        return visit

    async def reload(self, *, background: bool = False) -> None:
        """Look the session up, also again after what was done to it."""
        self.session = None
        if self._cookie is not None:
            async with self.parts.db.pool.connection() as conn:
                session = await find_session(
                    conn, self.parts.sealer, self._cookie, lifetime=self.parts.lifetime, background=background
                )
                if session is not None and await self.recognise(conn, session.login_id):
                    self.session = session
        if self.session is None:
            self._cookie = None

    @abstractmethod
    async def recognise(self, conn: Connection, login_id: int) -> bool:
        """Remember who the login is of; False if nobody who may come in here."""

    @abstractmethod
    def actor(self) -> Actor:
        """Return who it is, and through which door, for what keeps a history; also of who has not signed in."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What the person is called."""

    @property
    @abstractmethod
    def email(self) -> str:
        """The person's e-mail address."""

    @property
    @abstractmethod
    def role(self) -> str:
        """The person's role, as settings name it."""

    @abstractmethod
    def has_right(self, right: StrEnum) -> bool:
        """Whether who signed in has the right."""

    @abstractmethod
    def menu(self) -> Sequence[Section]:
        """What there is for this person."""

    @property
    def known(self) -> BrowserSession:
        """The session; Unauthenticated if nobody signed in."""
        if self.session is None:
            raise Unauthenticated("Sign in first.")
        return self.session

    @property
    def signed_in(self) -> bool:
        """Whether somebody is there who showed all that they have to show."""
        return self.session is not None and not self.session.is_half

    @property
    def must_enrol(self) -> bool:
        """Whether the role needs a second factor that this person does not have yet."""
        return self.session is not None and not self.session.has_totp and self.role in self.parts.second_factor_roles

    @property
    def _session_cookie(self) -> str:
        # __Host- ones are of this host, path and TLS alone.
        return f"__Host-{self.face.cookie}" if self.parts.is_secure else self.face.cookie

    @property
    def _door_cookie(self) -> str:
        # Of a browser that has not signed in: its forms are bound to it.
        return f"{self._session_cookie}-door"

    @property
    def is_htmx(self) -> bool:
        """Whether htmx asks, which wants a part of the page."""
        return self.request.headers.get("hx-request") == "true"

    @property
    def browser(self) -> Browser:
        """Where the request comes from."""
        return Browser(client_ip(self.request.scope) or "", self.request.headers.get("user-agent", ""))

    @property
    def path(self) -> str:
        """The path of the page."""
        return str(self.request.scope["path"])

    @property
    def address(self) -> str:
        """The path of the page with what a page that is loaded was asked for."""
        query = self.request.url.query if self.request.method == "GET" else ""
        return f"{self.path}?{query}" if query else self.path

    @property
    def csrf(self) -> str:
        """What a form has to send along: bound to this session, or before sign-in to this browser."""
        return self.parts.sealer.sign(f"csrf/{self._cookie or self._door}")

    def check_csrf(self) -> None:
        """Forbidden unless the form, or htmx's header, brought the token of this session."""
        given = self.request.headers.get("x-csrf-token") or self.form.get("csrf")
        if not self.parts.sealer.is_signed(f"csrf/{self._cookie or self._door}", given):
            raise Forbidden("This form is not of your session: load the page again and send it once more.")

    def id_in_path(self, name: str) -> int:
        """Return a number of the path; every such number is one that a row can have."""
        return int(self.request.path_params[name])

    def asked(self, name: str) -> str:
        """Return a value of the query without the spaces around it, empty if there is none or no row can match it."""
        value = self.request.query_params.get(name, "").strip()
        return "" if "\x00" in value or not value.isprintable() else value[:200]

    def asked_id(self, name: str) -> int | None:
        """Return an id of the query, None if there is none."""
        value = self.asked(name)
        return int(value) if value.isascii() and value.isdigit() and int(value) <= MAX_ID else None

    def asked_day(self, name: str) -> date | None:
        """Return a day of the query, None if there is none."""
        try:
            return date.fromisoformat(self.asked(name))
        except ValueError:
            return None

    def acts(self) -> None:
        """Let every transaction of this request tell who it was, for the triggers that keep a history."""
        acting.set(self.actor())

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection in a transaction, in which triggers that keep a history know who it was."""
        self.acts()
        return self.parts.db.transaction()

    async def say(self, text: str) -> None:
        """Show a sentence at the top of the next page."""
        async with self.parts.db.pool.connection() as conn:
            await say_next(conn, self.known.id, text)

    async def page(self, template: str, *, status: int = 200, **facts: Any) -> Response:
        """Return a template as the reply; what waited to be said is said."""
        said = None
        if self.session is not None and self.session.flash and not self.is_htmx:
            said = self.session.flash
            async with self.parts.db.pool.connection() as conn:
                await say_next(conn, self.session.id, None)
        return self.show(template, status=status, said=said, **facts)

    def show(self, template: str, *, status: int = 200, said: str | None = None, **facts: Any) -> Response:
        """Return a template as the reply, without a question to the database."""
        # Who is not wholly in yet has nothing to choose from.
        links = [] if not self.signed_in or self.must_enrol else self.menu()
        text = self.face.templates.render(
            template, visit=self, root=self.face.root, brand=self.parts.brand, currency=self.parts.currency,
            csrf=self.csrf, said=said, links=links, **facts,
        )  # fmt: skip
        response = HTMLResponse(text, status)
        if self._cookie is None and self._door != self.request.cookies.get(self._door_cookie):
            self._keep(response, self._door_cookie, self._door)
        return response

    def go(self, path: str) -> Response:
        """Return a reply that leads on to one of our pages."""
        if self.is_htmx:
            return Response(headers={"HX-Redirect": path})
        return RedirectResponse(path, status_code=303)

    def go_and_return(self, path: str, back: str) -> Response:
        """Return a reply that leads to a page which leads back here."""
        return self.go(f"{path}?{urlencode({'next': back})}" if back != f"{self.face.root}/" else path)

    @property
    def once(self) -> str | None:
        """What this form with what is in it is known by, however often it is sent; None for one that may count again.

        Forms that make something carry ``ui.once()``. With other content the same form is another wish.
        """
        if not self.form.get("once"):
            return None
        return hashlib.sha256(f"{self.path}?{self.form.content()}".encode()).hexdigest()

    @property
    def next(self) -> str:
        """Where a page of the door leads on to."""
        return safe_next(self.form.get("next") or self.request.query_params.get("next", ""), self.face.root)

    def signs_in(self, response: Response, cookie: str) -> Response:
        """Return the reply with the cookie of a new session, and the browser's own forgotten."""
        self._keep(response, self._session_cookie, cookie)
        self._drop(response, self._door_cookie)
        return response

    def signs_out(self, response: Response) -> Response:
        """Return the reply with the session's cookie forgotten."""
        self._drop(response, self._session_cookie)
        return response

    def _keep(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(name, value, path="/", secure=self.parts.is_secure, httponly=True, samesite="lax")

    def _drop(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path="/", secure=self.parts.is_secure, httponly=True, samesite="lax")
