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

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.admin.pages.errors import answer_error
from app.admin.pages.forms import read_form
from app.admin.pages.visit import Visit
from app.errors import Conflict, Forbidden, Invalid, TrunklineError
from app.staff.guesses import TooManyTries
from app.staff.service import Right

Handler = Callable[[Visit], Awaitable[Response]]

SIGN_IN = "/admin/sign-in"
CODE = "/admin/sign-in/code"
PROVE = "/admin/prove"
ENROL = "/admin/account/second-factor"

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
    right: Right | None = Right.READ
    fresh: bool = False
    before_enrolment: bool = False
    back: str | None = None


class Noun:
    """The pages of one noun."""

    def __init__(self) -> None:
        """Without pages."""
        self.routes: list[Route] = []

    def page(
        self, path: str, *, right: Right = Right.READ, fresh: bool = False, before_enrolment: bool = False
    ) -> Callable[[Handler], Handler]:
        """Declare what GET answers; ``before_enrolment`` also for who has yet to enrol a second factor."""
        return self._on(path, "GET", _Rule(right, fresh, before_enrolment))

    def form(
        self,
        path: str,
        *,
        shown_by: Handler,
        right: Right = Right.READ,
        fresh: bool = False,
        before_enrolment: bool = False,
    ) -> Callable[[Handler], Handler]:
        """Declare a form: ``shown_by`` answers GET, and again with ``visit.problem`` when what was sent is refused."""
        rule = _Rule(right, fresh, before_enrolment)
        self._on(path, "GET", rule)(shown_by)
        return self._on(path, "POST", rule, shown_by)

    def action(
        self, path: str, *, back: str, right: Right, fresh: bool = False, before_enrolment: bool = False
    ) -> Callable[[Handler], Handler]:
        """Declare what a button does; ``back`` is the page it stands on."""
        return self._on(path, "POST", _Rule(right, fresh, before_enrolment, back))

    def open_form(self, path: str, *, shown_by: Handler) -> Callable[[Handler], Handler]:
        """Declare a form for who has not signed in; whoever has may see it too."""
        self._on(path, "GET", _Rule(None))(shown_by)
        return self._on(path, "POST", _Rule(None), shown_by)

    def _on(self, path: str, method: str, rule: _Rule, shown_by: Handler | None = None) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            async def answer(request: Request) -> Response:
                response = await _answer(request, rule, handler, shown_by)
                response.headers.update(HEADERS)
                return response

            self.routes.append(Route(path, answer, methods=[method], name=f"{method} {path}"))
            return handler

        return declare


async def _answer(request: Request, rule: _Rule, handler: Handler, shown_by: Handler | None) -> Response:
    visit = None
    try:
        visit = await Visit.of(request.app.state.parts, request)
        turned = _turned_away(visit, rule)
        if turned is not None:
            return turned
        if request.method != "POST":
            return await handler(visit)
        visit.form = await read_form(request)
        visit.check_csrf()
        try:
            return await handler(visit)
        except (Invalid, Conflict, TooManyTries) as refused:
            if shown_by is None:
                raise
            return await _again(visit, refused, shown_by)
    except Exception as error:  # noqa: BLE001  whatever it was, the browser gets a page, and what is unknown is logged
        return answer_error(request, visit, error)


def _turned_away(visit: Visit, rule: _Rule) -> Response | None:
    """Return where somebody has to go first, None if they may go on; Forbidden without the right."""
    if rule.right is None:
        return None
    here = rule.back or visit.path
    if visit.session is None:
        return visit.go_and_return(SIGN_IN, here)
    if visit.session.is_half:
        return visit.go_and_return(CODE, here)
    if not visit.staff.may(rule.right):
        raise Forbidden(f"Your role, {visit.staff.role}, does not have the right to {rule.right.value} here.")
    if visit.must_enrol and not rule.before_enrolment:
        return visit.go(ENROL)
    if rule.fresh and not visit.session.is_proved:
        return visit.go_and_return(PROVE, here)
    return None


async def _again(visit: Visit, refused: TrunklineError, shown_by: Handler) -> Response:
    visit.problem = refused
    response = await shown_by(visit)
    response.status_code = 429 if isinstance(refused, TooManyTries) else 409 if isinstance(refused, Conflict) else 422
    if isinstance(refused, TooManyTries):
        response.headers["Retry-After"] = str(refused.seconds)
    return response
