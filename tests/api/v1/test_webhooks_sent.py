"""A test message by REST, on its whole way: asked for, sent, logged, sent again."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from app.api.v1 import ApiDeps
from app.webhooks.delivery import Sender
from tests.api.v1.conftest import Bot, read
from tests.fakes.webhook_receiver import Receiver
from tests.serving import serving
from tests.webhooks.conftest import loopback, one_round


@dataclass
class Shopfront:
    """The customer's own server and where it is."""

    receiver: Receiver
    url: str


@pytest.fixture
async def shopfront() -> AsyncIterator[Shopfront]:
    receiver = Receiver()
    async with serving(receiver.app()) as url:
        yield Shopfront(receiver, url)


@pytest.fixture
def parts(parts: ApiDeps, shopfront: Shopfront) -> ApiDeps:
    return replace(parts, webhook_rules=loopback(shopfront.url))


async def test_a_test_message_is_delivered_logged_and_sent_again(bot: Bot, shopfront: Shopfront) -> None:
    receiver = shopfront.receiver
    body = {"url": f"{shopfront.url}/hook", "events": ["order.completed"]}
    new = read(await bot.http.post("/webhooks", json=body), 201)
    receiver.secrets["/hook"], receiver.status = new["secret"], 500
    queued = read(await bot.http.post(f"/webhooks/{new['id']}/test"), 202)
    assert (queued["type"], queued["state"], queued["attempts"]) == ("test.ping", "waiting", 0)
    sender = Sender(bot.parts.db, bot.parts.sealer, bot.parts.webhook_rules, "one")
    await one_round(sender)
    where = f"/webhooks/{new['id']}/deliveries"
    [failed] = read(await bot.get(where))["items"]
    assert (failed["state"], failed["status"], failed["error"]) == ("waiting", 500, "HTTP 500")
    assert "data" not in failed, "a page of long ones would be tens of megabytes"
    receiver.status = 200
    read(await bot.http.post(f"{where}/{queued['id']}/resend"), 202)
    await one_round(sender)
    done = read(await bot.get(f"{where}/{queued['id']}"))
    assert (done["state"], done["status"], done["reply"], done["attempts"]) == ("delivered", 200, "thank you", 1)
    [message] = receiver.took
    assert message["type"] == "test.ping"
    assert message["data"] == done["data"]
    assert receiver.ids == [done["message_id"]] * 2
