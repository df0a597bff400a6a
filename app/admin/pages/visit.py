"""One request of a browser: who it is of, what it sent, and the ways to answer it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.admin.pages.forms import Form, safe_next
from app.admin.pages.navigation import links_for
from app.admin.pages.parts import PagesDeps
from app.admin.pages.render import render
from app.db import Connection
from app.errors import Forbidden, TrunklineError, Unauthenticated
from app.sealing import new_token
from app.staff.service import Right, StaffIdentity
from app.staff.sessions import BrowserSession, find_session, say_next
from app.staff.sign_in import Browser


class Visit:
    """One request; ``session`` is None for somebody who has not signed in.

    ``problem`` is what was wrong with the form that is shown again, ``form`` what was typed into it.
    """

    def __init__(self, parts: PagesDeps, request: Request, cookie: str | None, session: BrowserSession | None) -> None:
        """Use ``of``; ``cookie`` is the one the session was found by."""
        self.parts = parts
        self.request = request
        self.session = session
        self.form = Form([])
        self.problem: TrunklineError | None = None
        self._cookie = cookie if session else None
        self._door = request.cookies.get(parts.door_cookie) or new_token("dr")

    @classmethod
    async def of(cls, parts: PagesDeps, request: Request) -> "Visit":
        """Return the visit of a request, its session looked up."""
        cookie = request.cookies.get(parts.session_cookie)
        session = None
        if cookie:
            async with parts.db.pool.connection() as conn:
                session = await find_session(
                    conn, parts.sealer, cookie, lifetime=parts.lifetime,
                    background=request.headers.get("x-background") == "1",
                )  # fmt: skip
        return cls(parts, request, cookie, session)

    async def reload(self) -> None:
        """Look the session up again, after what was done to it."""
        if self._cookie is not None:
            async with self.parts.db.pool.connection() as conn:
                self.session = await find_session(conn, self.parts.sealer, self._cookie, lifetime=self.parts.lifetime)

    @property
    def known(self) -> BrowserSession:
        """The session; Unauthenticated if nobody signed in."""
        if self.session is None:
            raise Unauthenticated("Sign in first.")
        return self.session

    @property
    def staff(self) -> StaffIdentity:
        """Who it is; Unauthenticated if nobody signed in."""
        return self.known.staff

    @property
    def signed_in(self) -> bool:
        """Whether somebody is there who showed all that they have to show."""
        return self.session is not None and not self.session.is_half

    @property
    def must_enrol(self) -> bool:
        """Whether the role needs a second factor that this member does not have yet."""
        return (
            self.session is not None and not self.session.has_totp and self.staff.role in self.parts.second_factor_roles
        )

    @property
    def is_htmx(self) -> bool:
        """Whether htmx asks, which wants a part of the page."""
        return self.request.headers.get("hx-request") == "true"

    @property
    def browser(self) -> Browser:
        """Where the request comes from."""
        address = self.request.client.host if self.request.client else ""
        return Browser(address, self.request.headers.get("user-agent", ""))

    @property
    def path(self) -> str:
        """The path of the page."""
        return str(self.request.scope["path"])

    @property
    def csrf(self) -> str:
        """What a form has to send along: bound to this session, or before sign-in to this browser."""
        return self.parts.sealer.sign(f"csrf/{self._cookie or self._door}")

    def check_csrf(self) -> None:
        """Forbidden unless the form, or htmx's header, brought the token of this session."""
        given = self.request.headers.get("x-csrf-token") or self.form.get("csrf")
        if not self.parts.sealer.is_signed(f"csrf/{self._cookie or self._door}", given):
            raise Forbidden("This form is not of your session: load the page again and send it once more.")

    def may(self, right: Right | str) -> bool:
        """Whether who is there has a right, for templates by its name."""
        return self.signed_in and self.staff.may(Right(right))

    def id_in_path(self, name: str) -> int:
        """Return a number of the path."""
        return int(self.request.path_params[name])

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection in a transaction, in which triggers that keep a history know who it was."""
        async with self.parts.db.transaction() as conn:
            await conn.execute("SELECT set_config('trunkline.staff', %s, true)", (str(self.staff.id),))
            yield conn

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
        links = [] if not self.signed_in or self.must_enrol else links_for(self.may, self.path)
        text = render(
            template, visit=self, brand=self.parts.brand, currency=self.parts.currency, csrf=self.csrf, said=said,
            links=links, **facts,
        )  # fmt: skip
        response = HTMLResponse(text, status)
        if self._cookie is None and self._door != self.request.cookies.get(self.parts.door_cookie):
            self._keep(response, self.parts.door_cookie, self._door)
        return response

    def go(self, path: str) -> Response:
        """Return a reply that leads on to one of our pages."""
        if self.is_htmx:
            return Response(headers={"HX-Redirect": path})
        return RedirectResponse(path, status_code=303)

    def go_and_return(self, path: str, back: str) -> Response:
        """Return a reply that leads to a page which leads back here."""
        return self.go(f"{path}?{urlencode({'next': back})}" if back != "/admin/" else path)

    @property
    def next(self) -> str:
        """Where a page of the door leads on to."""
        return safe_next(self.form.get("next") or self.request.query_params.get("next", ""))

    def signs_in(self, response: Response, cookie: str) -> Response:
        """Return the reply with the cookie of a new session, and the browser's own forgotten."""
        self._keep(response, self.parts.session_cookie, cookie)
        self._drop(response, self.parts.door_cookie)
        return response

    def signs_out(self, response: Response) -> Response:
        """Return the reply with the session's cookie forgotten."""
        self._drop(response, self.parts.session_cookie)
        return response

    def _keep(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(name, value, path="/", secure=self.parts.is_secure, httponly=True, samesite="lax")

    def _drop(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path="/", secure=self.parts.is_secure, httponly=True, samesite="lax")
