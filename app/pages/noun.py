"""How a page is declared: its path, who may see it, and what has to be proved; all else is the same for all of them.

A noun's file makes one ``Noun`` and puts its pages on it::

    pages = Noun()


    @pages.page("/alarms")
    async def alarms(visit: Visit) -> Response: ...


    @pages.form("/staff/new", right=Right.OWN, fresh=True, shown_by=show_new)
    async def add(visit: Visit) -> Response: ...


    @pages.action("/alarms/{alarm_id:int}/close", right=Right.OPERATE, back="/admin/alarms")
    async def close(visit: Visit) -> Response: ...

Nobody gets in without a session, the role's right, the second factor where the role needs one and, for whatever changes
something, the token against forgery. ``fresh`` asks for the password again if that was more than ten minutes ago.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import app.paths  # noqa: F401  bounds the numbers in paths
from app.access.guesses import TooManyTries
from app.db import acting
from app.errors import Conflict, Forbidden, Invalid, TrunklineError
from app.pages.errors import answer_error
from app.pages.forms import read_form
from app.pages.visit import Visit


class _Id(IntegerConvertor):
    """A number of a path that a row can have: no more digits, and no statement or function is asked for more."""

    regex = "[0-9]{1,18}"


# In the place of Starlette's own, which fails, and not with 404, for a number that Python will not read.
register_url_convertor("int", _Id())

VisitT = TypeVar("VisitT", bound=Visit[Any])
Handler = Callable[[VisitT], Awaitable[Response]]

SIGN_IN = "/sign-in"
CODE = "/sign-in/code"
PROVE = "/prove"
ENROL = "/account/second-factor"

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class _Rule:
    right: StrEnum | None
    fresh: bool = False
    before_enrolment: bool = False
    back: str | None = None


class Noun(Generic[VisitT]):
    """The pages of one noun."""

    def __init__(self, visit_type: type[VisitT], everyones: StrEnum) -> None:
        """Without pages; ``everyones`` is the right that a page asks for which names none."""
        self.routes: list[Route] = []
        self._visit_type = visit_type
        self._everyones = everyones

    @property
    def root(self) -> str:
        """The path of the face's first page, without the last slash."""
        return self._visit_type.face.root

    def page(
        self, path: str, *, right: StrEnum | None = None, fresh: bool = False, before_enrolment: bool = False
    ) -> Callable[[Handler[VisitT]], Handler[VisitT]]:
        """Declare what GET answers; ``before_enrolment`` also for who has yet to enrol a second factor."""
        return self._on(path, "GET", _Rule(right or self._everyones, fresh, before_enrolment))

    def form(
        self,
        path: str,
        *,
        shown_by: Handler[VisitT],
        right: StrEnum | None = None,
        seen_with: StrEnum | None = None,
        fresh: bool = False,
        before_enrolment: bool = False,
    ) -> Callable[[Handler[VisitT]], Handler[VisitT]]:
        """Declare a form: ``shown_by`` answers GET, and again with ``visit.problem`` when what was sent is refused.

        ``seen_with`` is the right to see it, where that is less than to send it; then nothing has to be proved to see.
        """
        rule = _Rule(right or self._everyones, fresh, before_enrolment)
        self._on(path, "GET", rule if seen_with is None else _Rule(seen_with, False, before_enrolment))(shown_by)
        return self._on(path, "POST", rule, shown_by)

    def action(
        self, path: str, *, back: str, right: StrEnum | None = None, fresh: bool = False, before_enrolment: bool = False
    ) -> Callable[[Handler[VisitT]], Handler[VisitT]]:
        """Declare what a button does; ``back`` is the page it stands on, with ``{names}`` of the path filled in."""
        return self._on(path, "POST", _Rule(right or self._everyones, fresh, before_enrolment, back))

    def open_page(self, path: str) -> Callable[[Handler[VisitT]], Handler[VisitT]]:
        """Declare a page for everybody, signed in or not."""
        return self._on(path, "GET", _Rule(None))

    def open_form(self, path: str, *, shown_by: Handler[VisitT]) -> Callable[[Handler[VisitT]], Handler[VisitT]]:
        """Declare a form for who has not signed in; whoever has may see it too."""
        self._on(path, "GET", _Rule(None))(shown_by)
        return self._on(path, "POST", _Rule(None), shown_by)

    def _on(
        self, path: str, method: str, rule: _Rule, shown_by: Handler[VisitT] | None = None
    ) -> Callable[[Handler[VisitT]], Handler[VisitT]]:
        def declare(handler: Handler[VisitT]) -> Handler[VisitT]:
            async def answer(request: Request) -> Response:
                response = await self._answer(request, rule, handler, shown_by)
                for name, value in HEADERS.items():
                    response.headers.setdefault(name, value)  # a page may be stricter with itself
                return response

            self.routes.append(Route(path, answer, methods=[method], name=f"{method} {path}"))
            return handler

        return declare

    async def _answer(
        self, request: Request, rule: _Rule, handler: Handler[VisitT], shown_by: Handler[VisitT] | None
    ) -> Response:
        visit = None
        acting.set(None)
        try:
            visit = await self._visit_type.of(request.app.state.parts, request)
            turned = _turned_away(visit, rule)
            if turned is not None:
                return turned
            if request.method != "POST":
                return await handler(visit)
            visit.form = await read_form(request)
            visit.check_csrf()
            visit.acts()
            try:
                return await handler(visit)
            except (Invalid, Conflict, TooManyTries) as refused:
                if shown_by is None:
                    raise
                return await _again(visit, refused, shown_by)
        except Exception as error:  # noqa: BLE001  whatever it was, the browser gets a page, and what is unknown is logged
            return answer_error(request, visit or self._visit_type(request.app.state.parts, request), error)


def _turned_away(visit: Visit[Any], rule: _Rule) -> Response | None:
    """Return where somebody has to go first, None if they may go on; Forbidden without the right."""
    if rule.right is None:
        return None
    root, here = visit.face.root, visit.address
    if rule.back is not None:
        here = rule.back.format(**visit.request.path_params)
    if visit.session is None:
        return visit.go_and_return(root + SIGN_IN, here)
    if visit.session.is_half:
        return visit.go_and_return(root + CODE, here)
    if not visit.has_right(rule.right):
        raise Forbidden(f"Your role, {visit.role}, does not have the right to {rule.right.value} here.")
    if visit.must_enrol and not rule.before_enrolment:
        return visit.go(root + ENROL)
    if rule.fresh and not visit.session.is_proved:
        return visit.go_and_return(root + PROVE, here)
    return None


async def _again(visit: VisitT, refused: TrunklineError, shown_by: Handler[VisitT]) -> Response:
    visit.problem = refused
    response = await shown_by(visit)
    response.status_code = 429 if isinstance(refused, TooManyTries) else 409 if isinstance(refused, Conflict) else 422
    if isinstance(refused, TooManyTries):
        response.headers["Retry-After"] = str(refused.seconds)
    return response
