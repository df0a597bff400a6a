"""doctorSIM's devices at their real number, against its real limit of 500 requests a minute for everything together.

1,300 devices and 350 networks are its own figures; 120 brands are an assumption, as it names no number. The fake counts
the requests of a minute by a clock that the tests turn, so that no test waits for one to pass.
"""

import httpx2
import pytest

from app.db import Database
from app.redis import Limiter
from app.sealing import Sealer
from app.suppliers.contact import SupplierFailed, sync_devices, sync_supplier
from app.suppliers.devices import Counts
from app.suppliers.service import add
from tests.fakes.doctorsim import TOOLS, FakeDoctorSim, serving_fake
from tests.suppliers.catalogue import rows

BRANDS, DEVICES, COUNTRIES, NETWORKS, PER_MINUTE = 120, 1300, 70, 350, 500
WHOLE = Counts(BRANDS, DEVICES, NETWORKS, 0)
LISTS = BRANDS + 3
"""The requests of one whole reading: countries, networks, brands, and the devices of each."""


class Clock:
    """The fake's time, which stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def at_real_size() -> FakeDoctorSim:
    fake = FakeDoctorSim()
    fake.per_minute = PER_MINUTE
    fake.clock = Clock()
    fake.countries = {str(number): f"Country {number}" for number in range(COUNTRIES)}
    fake.networks = {
        country: {str(number): f"Network {number}" for number in range(NETWORKS) if number % COUNTRIES == int(country)}
        for country in fake.countries
    }
    fake.brands = {str(number): f"Brand {number}" for number in range(BRANDS)}
    fake.devices = {
        brand: {str(15_000 + number): f"Phone {number}" for number in range(DEVICES) if number % BRANDS == int(brand)}
        for brand in fake.brands
    }
    return fake


async def account(db: Database, sealer: Sealer, fake: FakeDoctorSim, url: str) -> int:
    config = {**fake.config(url), "currency": "EUR"}
    async with db.transaction() as conn:
        return await add(conn, sealer, name="By device", kind="doctorsim", config=config, currency="EUR")


async def others_ask(fake: FakeDoctorSim, url: str, number: int) -> None:
    """Requests that orders under way make in the same minute."""
    headers = {"DSIM_KEY": fake.key, "DSIM_SECRET": fake.secret}
    async with httpx2.AsyncClient(base_url=url, headers=headers) as client:
        for _ in range(number):
            await client.get("/check_order_status/1")


async def test_everything_is_read_inside_the_limit_and_no_tools_beyond_the_pairs(db: Database, sealer: Sealer) -> None:
    fake = at_real_size()
    async with serving_fake(fake) as url:
        supplier = await account(db, sealer, fake, url)
        assert await sync_devices(db, sealer, supplier, limiter=Limiter()) == WHOLE
        assert (fake.requests["devices"], fake.requests["tools"]) == (BRANDS, 0)
        await sync_supplier(db, sealer, supplier)
        assert fake.requests["tools"] == len(TOOLS) == 2, "of 455,000 pairs the two that are sold"
    assert sum(fake.requests.values()) == LISTS + 2
    assert fake.turned_away == 0


async def test_what_their_document_allows_is_the_limit_until_staff_say_otherwise(db: Database, sealer: Sealer) -> None:
    await account(db, sealer, at_real_size(), "http://127.0.0.1:9")
    [supplier] = await rows(db, "SELECT requests_per_minute FROM suppliers")
    assert supplier["requests_per_minute"] == PER_MINUTE


async def test_where_orders_used_the_minute_up_a_reading_goes_on_in_the_next(db: Database, sealer: Sealer) -> None:
    fake = at_real_size()
    clock = fake.clock
    assert isinstance(clock, Clock)
    async with serving_fake(fake) as url:
        supplier = await account(db, sealer, fake, url)
        await others_ask(fake, url, 450)
        found = await sync_devices(db, sealer, supplier)
        assert found.left == BRANDS - (PER_MINUTE - 450 - 3)
        assert (found.brands, found.networks) == (BRANDS, NETWORKS)
        assert 0 < found.devices < DEVICES
        assert fake.turned_away == 1, "the first no ends it"
        with pytest.raises(SupplierFailed):
            await sync_devices(db, sealer, supplier)
        assert (await rows(db, "SELECT devices_left FROM suppliers"))[0]["devices_left"] == found.left, (
            "what it has, it has"
        )
        clock.now += 61
        assert await sync_devices(db, sealer, supplier) == WHOLE
    assert fake.requests["devices"] == BRANDS + 1, "each brand once, and the one that was turned away"
    assert fake.requests["tools"] == 0


async def test_we_stop_before_they_have_to_say_no(db: Database, sealer: Sealer) -> None:
    fake = at_real_size()
    async with serving_fake(fake) as url:
        supplier = await account(db, sealer, fake, url)
        clock = fake.clock
        assert isinstance(clock, Clock)
        limiter = Limiter(clock=clock)
        for _ in range(450):  # what the order path counts for its calls in the same minute
            assert await limiter.hit(f"supplier {supplier}", PER_MINUTE)
        await others_ask(fake, url, 450)
        first = await sync_devices(db, sealer, supplier, limiter=limiter)
        assert 0 < first.left < BRANDS
        assert fake.turned_away == 0
        clock.now += 121  # a sliding window forgets a minute in the course of the next
        assert await sync_devices(db, sealer, supplier, limiter=limiter) == WHOLE
    assert fake.turned_away == 0
