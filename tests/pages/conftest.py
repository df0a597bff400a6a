"""The whole server over real HTTP, and browsers that are signed in to its admin."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import httpx2
import pytest

from app.access.passwords import hash_password, set_password
from app.db import Database
from app.main import build_app
from app.sealing import Sealer
from app.settings import Settings
from app.staff.members import get_member
from app.staff.service import create_staff
from tests.serving import serving

PASSWORD = "several words are good"
SECRET = "a secret key for pages that nobody else uses"


def settings_for(conninfo: str, **changes: object) -> Settings:
    """Settings of a server on this test's database."""
    given = {"_env_file": None, "database_url": conninfo, "secret_key": SECRET, "host": "127.0.0.1", **changes}
    return Settings(**given)  # type: ignore[arg-type]  # values come by name, as from an environment


@pytest.fixture
def sealer() -> Sealer:
    """What the server of these tests seals with."""
    return Sealer([SECRET])


@dataclass
class Surfer:
    """A browser without scripts: it keeps cookies and sends the forms that it is shown."""

    http: httpx2.AsyncClient

    async def get(self, path: str) -> httpx2.Response:
        """Load a page; redirects are not followed."""
        return await self.http.get(path)

    async def send(self, page: str, action: str | None = None, **fields: str) -> httpx2.Response:
        """Load ``page``, and send a form to ``action`` with the hidden fields that the page holds."""
        return await self.http.post(action or page, data={**await self.hidden(page), **fields})

    async def hidden(self, page: str) -> dict[str, str]:
        """Load ``page``, and return what it holds against forgery, and for a form that counts once."""
        found = dict(re.findall(r'type="hidden" name="(csrf|once)" value="([^"]+)"', (await self.get(page)).text))
        assert "csrf" in found, page
        return found

    async def sign_in(self, email: str, password: str = PASSWORD) -> httpx2.Response:
        """Give the password."""
        return await self.send("/admin/sign-in", email=email, password=password)


SurferOf = Callable[[str | None], Awaitable[Surfer]]


async def member(db: Database, role: str = "owner", email: str | None = None) -> int:
    """Create a member of staff with a password; the address is that of the role unless given."""
    hashed = await hash_password(PASSWORD)
    async with db.transaction() as conn:
        staff_id = await create_staff(conn, email=email or f"{role}@example.com", name=f"The {role}", role=role)
        await set_password(conn, (await get_member(conn, staff_id)).login_id, hashed)
    return staff_id


@pytest.fixture
def changes() -> dict[str, object]:
    """Settings of the server that differ from the defaults; a test module may override it."""
    return {}


@pytest.fixture
async def url(conninfo: str, changes: dict[str, object]) -> AsyncIterator[str]:
    """The address of a whole server."""
    async with serving(build_app(settings_for(conninfo, **changes)), graceful=True) as address:
        yield address


@pytest.fixture
async def surfer(url: str, db: Database) -> AsyncIterator[SurferOf]:
    """Makes browsers: signed in as a new member of a role, or with None as nobody."""
    opened: list[httpx2.AsyncClient] = []

    async def make(role: str | None) -> Surfer:
        http = httpx2.AsyncClient(base_url=url, timeout=30)
        opened.append(http)
        one = Surfer(http)
        if role is not None:
            await member(db, role)
            entered = await one.sign_in(f"{role}@example.com")
            assert entered.status_code == 303, entered.text
        return one

    yield make
    for http in opened:
        await http.aclose()
