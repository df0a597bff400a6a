"""The whole server over real HTTP, and customers who are signed in to its portal."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import httpx2
import pytest

from app.access.passwords import hash_password, set_password
from app.customers.portal import customer_of_login, invite_customer
from app.db import Database
from app.sealing import Sealer
from tests.factories import Shop, make_customer, make_shop
from tests.pages import conftest as pages
from tests.pages.conftest import PASSWORD

sealer, changes, url = pages.sealer, pages.changes, pages.url


@dataclass
class Customer:
    """A browser without scripts at the portal: it keeps cookies and sends the forms that it is shown."""

    http: httpx2.AsyncClient
    customer_id: int

    async def get(self, path: str) -> httpx2.Response:
        """Load a page; redirects are not followed."""
        return await self.http.get(path)

    async def send(self, page: str, action: str | None = None, **fields: str | list[str]) -> httpx2.Response:
        """Load ``page``, and send a form to ``action`` with the hidden fields that the page holds."""
        return await self.http.post(action or page, data={**await self.hidden(page), **fields})

    async def hidden(self, page: str) -> dict[str, str]:
        """Load ``page``, and return what it holds against forgery, and for a form that counts once."""
        found = dict(re.findall(r'type="hidden" name="(csrf|once)" value="([^"]+)"', (await self.get(page)).text))
        assert "csrf" in found, page
        return found

    async def sign_in(self, email: str, password: str = PASSWORD) -> httpx2.Response:
        """Give the password."""
        return await self.send("/portal/sign-in", email=email, password=password)


SignIn = Callable[[int, str], Awaitable[Customer]]


async def give_password(db: Database, sealer: Sealer, customer_id: int) -> int:
    """Let a customer sign in with ``PASSWORD`` and return the id of the login."""
    hashed = await hash_password(PASSWORD)
    async with db.transaction() as conn:
        await invite_customer(conn, sealer, customer_id)
        cursor = await conn.execute("SELECT login_id FROM customers WHERE id = %s", (customer_id,))
        row = await cursor.fetchone()
        assert row is not None
        assert await customer_of_login(conn, row["login_id"]) is not None
        await set_password(conn, row["login_id"], hashed)
    return int(row["login_id"])


@pytest.fixture
async def shop(db: Database, sealer: Sealer) -> Shop:
    """A reseller with credit 1000, an IMEI service at 2.00 and a server service at 5.00 that wants an Email."""
    return await make_shop(db, sealer)


@pytest.fixture
async def nobody(url: str) -> AsyncIterator[Customer]:
    """A browser that has not signed in."""
    async with httpx2.AsyncClient(base_url=url, timeout=30) as http:
        yield Customer(http, 0)


@pytest.fixture
async def customer(url: str, db: Database, sealer: Sealer, shop: Shop) -> AsyncIterator[Customer]:
    """The reseller of the shop, signed in."""
    await give_password(db, sealer, shop.customer_id)
    async with httpx2.AsyncClient(base_url=url, timeout=30) as http:
        one = Customer(http, shop.customer_id)
        entered = await one.sign_in(shop.username)
        assert entered.status_code == 303, entered.text
        yield one


@pytest.fixture
async def stranger(url: str, db: Database, sealer: Sealer, shop: Shop) -> AsyncIterator[Customer]:
    """Another reseller of the same house, signed in."""
    async with db.transaction() as conn:
        customer_id, username, _, _ = await make_customer(conn, sealer, name="Stranger")
    await give_password(db, sealer, customer_id)
    async with httpx2.AsyncClient(base_url=url, timeout=30) as http:
        one = Customer(http, customer_id)
        assert (await one.sign_in(username)).status_code == 303
        yield one
