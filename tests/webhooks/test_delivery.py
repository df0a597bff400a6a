"""Delivery: signed, at least once, again at growing intervals, paused after days, nobody kept waiting by another."""

import asyncio
from datetime import timedelta

import pytest

from app.alarms.service import list_alarms
from app.errors import Conflict, NotFound
from app.sealing import Sealer
from app.webhooks.delivery import BACKOFF, PATIENCE, PAUSED_AFTER, PER_ENDPOINT, Sender
from app.webhooks.destinations import Rules
from app.webhooks.endpoints import Endpoint, change_endpoint, get_endpoint, remove_endpoint, rotate_secret
from app.webhooks.events import ping, publish
from app.webhooks.kinds import EventKind
from app.webhooks.log import DeliveryRow, forget_deliveries, list_deliveries, resend
from tests.factories import make_customer
from tests.fakes.webhook_receiver import Receiver
from tests.serving import serving
from tests.webhooks.conftest import Told, loopback, one_round


async def happen(told: Told, number: int = 1, customer_id: int | None = None) -> None:
    async with told.db.transaction() as conn:
        for n in range(number):
            body = {"balance": f"{n}.00"}
            await publish(
                conn, customer_id or told.shop.customer_id, EventKind.BALANCE_LOW, subject="account", body=body
            )


async def log(told: Told, endpoint: Endpoint) -> list[DeliveryRow]:
    async with told.db.pool.connection() as conn:
        return await list_deliveries(conn, told.shop.customer_id, endpoint.id, limit=100)


async def look(told: Told, endpoint: Endpoint) -> Endpoint:
    async with told.db.pool.connection() as conn:
        return await get_endpoint(conn, told.shop.customer_id, endpoint.id)


async def test_a_message_is_signed_taken_once_and_kept_in_the_log(told: Told) -> None:
    endpoint = await told.endpoint()
    await happen(told)
    assert await told.deliver() == 1
    assert await told.deliver() == 0
    [message] = told.receiver.took
    [row] = await log(told, endpoint)
    assert message == {
        "type": "balance.low",
        "timestamp": row.created_at.isoformat().replace("+00:00", "Z"),
        "sandbox": False,
        "data": {"balance": "0.00"},
    }
    assert told.receiver.ids == [row.message_id]
    assert (row.state, row.attempts, row.status, row.error, row.reply) == ("delivered", 1, 200, None, "thank you")


async def test_who_has_no_endpoint_for_it_costs_no_row(told: Told) -> None:
    await happen(told)
    await told.endpoint("order.completed")
    await happen(told)
    assert await told.rows("SELECT 1 FROM webhook_events") == []


async def test_a_failure_is_tried_again_ever_more_rarely_under_the_same_id_and_then_has_failed(told: Told) -> None:
    endpoint = await told.endpoint()
    told.receiver.status, told.receiver.body = 500, "<b>no</b>\x00"
    await happen(told)
    for planned in BACKOFF:
        [before] = await told.rows("SELECT clock_timestamp() AS at")
        assert await one_round(told.sender) == 0
        [row] = await log(told, endpoint)
        assert (row.state, row.status, row.error, row.reply) == ("waiting", 500, "HTTP 500", "<b>no</b>")
        [due] = await told.rows("SELECT due_at, due_at - now() AS wait FROM webhook_deliveries")
        # Counted from the try, of which is known that it was after one moment and before the other.
        assert due["wait"] < planned * 1.15
        assert due["due_at"] - before["at"] > planned * 0.85
        await told.pass_time(due["wait"].total_seconds() + 4000)
        # What kept the endpoint paused is another test.
        async with told.db.transaction() as conn:
            await conn.execute("UPDATE webhook_endpoints SET failing_since = now(), not_before = NULL")
    await one_round(told.sender)
    [row] = await log(told, endpoint)
    assert (row.state, row.attempts) == ("failed", len(BACKOFF) + 1)
    assert row.closed_at is not None
    assert len(set(told.receiver.ids)) == 1
    assert told.receiver.asked == len(BACKOFF) + 1


async def test_a_receiver_may_ask_for_more_time_but_not_for_ever(told: Told) -> None:
    await told.endpoint()
    told.receiver.status, told.receiver.headers = 429, {"Retry-After": "600"}
    await happen(told)
    await told.deliver()
    [row] = await told.rows("SELECT due_at - now() AS wait FROM webhook_deliveries")
    assert timedelta(minutes=9) < row["wait"] < timedelta(minutes=11)
    told.receiver.headers = {"Retry-After": "9999999"}
    await told.pass_time(700)
    await told.deliver()
    [row] = await told.rows("SELECT due_at - now() AS wait FROM webhook_deliveries")
    assert row["wait"] < timedelta(minutes=61)


async def test_an_endpoint_that_fails_is_left_alone_and_then_tried_with_one_message(told: Told) -> None:
    await told.endpoint()
    told.receiver.status = 500
    await happen(told, 20)
    for _ in range(PATIENCE + 2):
        await one_round(told.sender)
    assert told.receiver.asked <= PER_ENDPOINT + PATIENCE
    asked = told.receiver.asked
    await told.pass_time(40)
    await one_round(told.sender)
    assert told.receiver.asked == asked + 1, "one message looks whether it works again"
    told.receiver.status = 200
    await told.pass_time(3600)
    assert await told.deliver() == 20
    [row] = await told.rows("SELECT failures, failing_since, not_before FROM webhook_endpoints")
    assert row == {"failures": 0, "failing_since": None, "not_before": None}


async def test_after_days_it_is_paused_told_and_made_active_again_gets_what_was_held(told: Told) -> None:
    dead = await told.endpoint("balance.low")
    told.receiver.status = 503
    await happen(told, 3)
    await told.deliver()
    assert (await look(told, dead)).state == "active"
    await told.pass_time(PAUSED_AFTER.total_seconds() + 60)
    other = await told.endpoint("endpoint.paused", url=f"{told.url}/other")
    await told.deliver()
    paused = await look(told, dead)
    assert (paused.state, paused.paused_because) == ("paused", "It failed for days, last with: HTTP 503")
    assert {row.state for row in await log(told, dead)} == {"held"}
    asked = told.receiver.asked
    await told.pass_time(3600)
    told.receiver.status = 200
    assert await told.deliver() == 1, "only the other endpoint hears anything"
    assert told.receiver.asked == asked + 1
    [message] = told.receiver.took
    assert message["type"] == "endpoint.paused"
    assert message["data"] == {"id": dead.id, "url": dead.url, "reason": paused.paused_because}
    assert (await look(told, other)).state == "active"
    async with told.db.pool.connection() as conn:
        [alarm] = await list_alarms(conn, limit=10)
    assert (alarm.kind, alarm.subject) == ("webhook_paused", f"customer {told.shop.customer_id}")

    await happen(told)
    async with told.db.transaction() as conn:
        secret = await rotate_secret(conn, told.sealer, told.shop.customer_id, dead.id, overlap=timedelta())
        told.receiver.secrets["/hook"] = secret.secret
        active = await change_endpoint(conn, told.rules, told.shop.customer_id, dead.id, state="active")
        assert await list_alarms(conn, limit=10) == [], "the customer took care of it"
    assert (active.state, active.paused_because, active.failures) == ("active", None, 0)
    assert await told.deliver() == 3, "what was held, and nothing of what happened while it was paused"


async def test_who_says_that_it_is_gone_is_believed(told: Told) -> None:
    endpoint = await told.endpoint()
    told.receiver.status = 410
    await happen(told)
    await told.deliver()
    assert (await look(told, endpoint)).state == "paused"


async def test_a_test_message_and_one_sent_again_go_out_at_once_even_to_a_paused_endpoint(told: Told) -> None:
    endpoint = await told.endpoint()
    told.receiver.status = 500
    await happen(told, 8)
    for _ in range(4):
        await one_round(told.sender)
    async with told.db.transaction() as conn:
        await change_endpoint(conn, told.rules, told.shop.customer_id, endpoint.id, state="paused")
    assert await told.deliver() == 0
    told.receiver.status = 200
    async with told.db.transaction() as conn:
        number = await ping(conn, told.shop.customer_id, endpoint.id)
        first = (await list_deliveries(conn, told.shop.customer_id, endpoint.id, limit=100))[-1]
        again = await resend(conn, told.shop.customer_id, endpoint.id, first.id)
    assert (again.state, again.attempts) == ("waiting", 0)
    assert await told.deliver() == 2
    assert sorted(message["type"] for message in told.receiver.took) == ["balance.low", "test.ping"]
    rows = {row.id: row for row in await log(told, endpoint)}
    assert (rows[number].state, rows[first.id].state, rows[first.id].status) == ("delivered", "delivered", 200)
    assert rows[first.id].message_id in told.receiver.ids


async def test_what_fails_at_a_paused_endpoint_is_held_and_not_tried_again(told: Told) -> None:
    endpoint = await told.endpoint()
    told.receiver.status = 500
    await happen(told)
    [claimed] = await told.sender.claim(10)
    async with told.db.transaction() as conn:
        await change_endpoint(conn, told.rules, told.shop.customer_id, endpoint.id, state="paused")
        await ping(conn, told.shop.customer_id, endpoint.id)
    assert not await told.sender.send(claimed)
    assert await told.deliver() == 0
    assert [row.state for row in await log(told, endpoint)] == ["held", "held"]
    await told.pass_time(24 * 3600)
    asked = told.receiver.asked
    assert await told.deliver() == 0
    assert told.receiver.asked == asked == 2


async def test_what_a_dead_sender_had_for_an_endpoint_that_was_paused_meanwhile_is_held(told: Told) -> None:
    endpoint = await told.endpoint()
    await happen(told)
    await told.sender.claim(10)
    async with told.db.transaction() as conn:
        await change_endpoint(conn, told.rules, told.shop.customer_id, endpoint.id, state="paused")
    await told.pass_time(60)
    assert await told.deliver() == 0
    assert [row.state for row in await log(told, endpoint)] == ["held"]
    assert told.receiver.asked == 0


async def test_an_answer_counts_although_others_failed_while_it_was_waited_for(told: Told) -> None:
    endpoint = await told.endpoint()
    await happen(told, 2)
    bad, good = await told.sender.claim(2)
    told.receiver.status = 500
    assert not await told.sender.send(bad)
    assert (await look(told, endpoint)).failures == 1
    told.receiver.status = 200
    assert await told.sender.send(good)
    assert (await look(told, endpoint)).failing_since is None


async def test_an_endpoint_that_is_being_removed_keeps_no_other_waiting(told: Told, sealer: Sealer) -> None:
    going = await told.endpoint()
    async with told.db.transaction() as conn:
        other, *_ = await make_customer(conn, sealer, name="Other")
    await told.endpoint(url=f"{told.url}/other", customer_id=other)
    await happen(told, 2)
    await told.sender.claim(1)
    await told.pass_time(60)
    await happen(told, customer_id=other)
    async with told.db.transaction() as conn:
        await remove_endpoint(conn, told.shop.customer_id, going.id)
        async with asyncio.timeout(60):
            assert await told.deliver() == 1
        with pytest.raises(NotFound):
            await ping(conn, told.shop.customer_id, going.id)


async def test_a_failure_and_the_removal_of_its_endpoint_wait_for_each_other_in_no_circle(told: Told) -> None:
    told.receiver.status = 500
    for _ in range(10):
        endpoint = await told.endpoint()
        await happen(told)
        [claimed] = await told.sender.claim(10)

        async def remove(endpoint_id: int) -> None:
            async with told.db.transaction() as conn:
                await remove_endpoint(conn, told.shop.customer_id, endpoint_id)

        await asyncio.gather(told.sender.send(claimed), remove(endpoint.id))
    assert await told.rows("SELECT 1 FROM webhook_deliveries") == []


async def test_what_is_being_sent_is_not_sent_again_beside_it(told: Told) -> None:
    endpoint = await told.endpoint()
    await happen(told)
    [claimed] = await told.sender.claim(10)
    async with told.db.transaction() as conn:
        with pytest.raises(Conflict):
            await resend(conn, told.shop.customer_id, endpoint.id, claimed.id)
    assert await told.sender.claim(10) == []


async def test_both_secrets_sign_until_the_overlap_is_over(told: Told) -> None:
    endpoint = await told.endpoint()
    before = told.receiver.secrets["/hook"]
    async with told.db.transaction() as conn:
        new = await rotate_secret(conn, told.sealer, told.shop.customer_id, endpoint.id)
    assert new.endpoint.overlap_until is not None
    for secret in (before, new.secret):
        told.receiver.secrets["/hook"] = secret
        await happen(told)
        assert await told.deliver() == 1
    assert [len(signatures.split()) for signatures in told.receiver.signatures] == [2, 2]
    await told.pass_time(25 * 3600)
    await happen(told)
    assert await told.deliver() == 1
    assert len(told.receiver.signatures[-1].split()) == 1
    assert (await look(told, endpoint)).overlap_until is None


async def test_a_slow_receiver_keeps_no_other_waiting_and_is_not_crowded(told: Told, sealer: Sealer) -> None:
    slow = Receiver(hold=asyncio.Event())
    async with serving(slow.app()) as slow_url:
        async with told.db.transaction() as conn:
            other, *_ = await make_customer(conn, sealer, name="Slow")
        rules = loopback(told.url, slow_url)
        told.rules = rules
        await told.endpoint(url=f"{slow_url}/hook", customer_id=other)
        slow.secrets = dict(told.receiver.secrets)
        await told.endpoint()
        await happen(told, 30, customer_id=other)
        await happen(told, 5)
        one, two = (Sender(told.db, told.sealer, rules, name) for name in ("one", "two"))
        calls = [asyncio.create_task(one_round(one)), asyncio.create_task(one_round(two))]
        async with asyncio.timeout(60):
            while len(told.receiver.took) < 5:
                # As a worker does: what hangs is not waited for before the next look.
                calls.append(asyncio.create_task(one_round(two)))
                await asyncio.sleep(0.1)
        assert slow.asked <= PER_ENDPOINT
        assert slow.took == []
        assert slow.hold is not None
        slow.hold.set()
        await asyncio.gather(*calls)
    assert slow.most_at_once <= PER_ENDPOINT


async def test_many_senders_send_each_message_once(told: Told) -> None:
    await told.endpoint()
    await happen(told, 40)
    senders = [Sender(told.db, told.sealer, told.rules, f"sender {n}") for n in range(5)]
    async with asyncio.timeout(60):
        while len(told.receiver.took) < 40:
            await asyncio.gather(*(one_round(sender) for sender in senders))
    assert len(told.receiver.ids) == len(set(told.receiver.ids)) == 40
    assert told.receiver.most_at_once <= PER_ENDPOINT


async def test_what_a_dead_sender_held_is_sent_by_another_and_its_late_word_changes_nothing(told: Told) -> None:
    endpoint = await told.endpoint()
    await happen(told)
    dead = Sender(told.db, told.sealer, told.rules, "dead")
    [claimed] = await dead.claim(10)
    assert await told.deliver() == 0
    await told.pass_time(60)
    assert await told.deliver() == 1
    told.receiver.status = 500
    assert not await dead.send(claimed)
    [row] = await log(told, endpoint)
    assert (row.state, row.status, row.attempts) == ("delivered", 200, 2)
    assert (await look(told, endpoint)).failures == 0


async def test_a_destination_that_turned_inward_is_told_in_the_log_and_not_reached(told: Told) -> None:
    endpoint = await told.endpoint()
    await happen(told)
    strict = Rules(ports=told.rules.ports, plain_http=True)
    await one_round(Sender(told.db, told.sealer, strict, "one"))
    [row] = await log(told, endpoint)
    assert (row.state, row.status, row.error) == ("waiting", None, "Messages are sent to public addresses only.")
    assert told.receiver.asked == 0


async def test_an_error_of_ours_is_a_failure_like_others_and_not_met_again_at_once(told: Told) -> None:
    async def broken(host: str, port: int) -> list[str]:
        raise RuntimeError(f"nobody thought of {host}:{port}")

    endpoint = await told.endpoint()
    await happen(told)
    await one_round(Sender(told.db, told.sealer, told.rules, "one", broken))
    [row] = await log(told, endpoint)
    assert (row.state, row.attempts, row.error) == ("waiting", 1, "it could not be sent")
    assert await told.deliver() == 0


async def test_a_secret_that_no_key_opens_is_a_failure_and_not_an_unsigned_message(told: Told) -> None:
    endpoint = await told.endpoint()
    await happen(told)
    stranger = Sealer(["another key that protects nothing but tests"])
    await one_round(Sender(told.db, stranger, told.rules, "one"))
    [row] = await log(told, endpoint)
    assert row.error == "the signing secret cannot be read any more; replace it"
    assert told.receiver.asked == 0


async def test_deliveries_are_forgotten_after_a_month_and_with_their_endpoint(told: Told) -> None:
    endpoint = await told.endpoint()
    await happen(told, 2)
    async with told.db.transaction() as conn:
        await conn.execute(
            "UPDATE webhook_events SET created_at = now() - interval '31 days'"
            " WHERE id = (SELECT min(id) FROM webhook_events)"
        )
        assert await forget_deliveries(conn) == 1
    assert len(await log(told, endpoint)) == 1
    async with told.db.transaction() as conn:
        await remove_endpoint(conn, told.shop.customer_id, endpoint.id)
        with pytest.raises(NotFound):
            await list_deliveries(conn, told.shop.customer_id, endpoint.id, limit=10)
    assert await told.rows("SELECT 1 FROM webhook_deliveries") == []
    assert await told.deliver() == 0
