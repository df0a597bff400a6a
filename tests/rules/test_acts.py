"""Every table is either watched by the audit log or named here with the reason why not; no secret can get into it."""

from app.db import Database
from app.tables import metadata

NOT_WATCHED = {
    "alarm_messages": "what machines told; the channel itself is watched",
    "alarm_notices": "what machines told; the channel itself is watched",
    "attempt_exchanges": "the order path; its events are watched",
    "attempts": "the order path; its events are watched",
    "catalog_version": "a number that follows what is watched",
    "device_entries": "read from suppliers",
    "exchanges": "what was said on the wire",
    "files": "content of orders",
    "hours": "derived by machines",
    "hours_built": "derived by machines",
    "idempotency_keys": "answers to customers' programs",
    "key_addresses": "collected by machines while a key learns; what is confirmed is the key's own column",
    "orders": "the order path; its events are watched",
    "measured_days": "measured by machines",
    "password_resets": "what was typed at the door; a new password is an act",
    "price_history": "a history itself",
    "pricing_due": "marks for machines",
    "profit_builds": "built by machines from transfers and attempts",
    "profit_days": "built by machines from transfers and attempts",
    "remote_choices": "read from suppliers",
    "remote_measures": "measured by machines",
    "acts": "the log itself",
    "login_guesses": "counted by machines; lock-outs are acts",
    "login_recovery_codes": "renewing and using them are acts",
    "login_sessions": "signing in and out are acts",
    "sheets": "files as sent in; what they set is watched",
    "supplier_balances": "read from suppliers",
    "supplier_spending": "added up by machines from attempts",
    "sandbox_orders": "nothing real",
    "webhook_told_catalogs": "what machines told",
    "webhook_told_prices": "what machines told",
    "webhook_calls": "what suppliers called",
    "webhook_deliveries": "what machines told",
    "webhook_events": "what machines told",
    "webhook_pause_mails": "what machines will tell",
    "workers": "signs of life",
}
"""Who adds a table that staff write gives it a trigger, as ``migrations/sql/0026_acts.sql`` does, not a line here."""

UNSEEN = {
    "accounts": {"id", "role", "currency"},  # made with the customer
    "remote_services": {"remote_id", "name", "group_name", "type", "cost", "currency", "time", "info", "takes_serial",
                        "takes_quantity", "min_quantity", "max_quantity", "fields", "opens", "closes", "zone",
                        "on_demand", "missing_syncs", "removed_at", "id", "pause_reason"},  # read from suppliers
    "catalog_changes": {"id", "remote_service_id", "kind", "old", "new", "found_at"},  # found by machines
    "price_changes": {"id", "price_group_id", "rule_id", "currency", "cost", "old", "new", "found_at"},  # found too
    "alarms": {"kind", "subject", "text", "first_seen"},  # raised by machines
    "alarm_channels": set(),
    "supplier_days": {"id", "day", "currency", "from_at", "to_at", "opening", "opening_at", "closing", "closing_at",
                      "deposits", "cost", "given_back", "in_doubt", "in_return", "left_out", "expected", "difference",
                      "explained_at"},  # computed
    "topup_requests": {"id", "method_id", "package_id", "amount", "credit", "currency", "sender", "paid_on", "note",
                       "credited", "transfer_id", "decided_by", "reason"},  # said by customers; decided with the state
}  # fmt: skip
"""Columns that by themselves make no act, where a trigger looks at some columns only."""

_WATCHED = """
SELECT c.relname, t.tgattr::smallint[] AS numbers, string_to_array(encode(t.tgargs, 'escape'), '\\000') AS arguments
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
WHERE p.proname IN ('keep_act', 'keep_transfer_act', 'keep_order_act',
                    'keep_login_act')
"""


async def test_every_table_is_watched_or_has_a_reason(db: Database) -> None:
    async with db.pool.connection() as conn:
        rows = await (await conn.execute(_WATCHED)).fetchall()
    watched = {row["relname"] for row in rows}
    assert watched.isdisjoint(NOT_WATCHED)
    assert set(metadata.tables) - watched - set(NOT_WATCHED) == set()


async def test_where_some_columns_are_watched_the_others_are_named(db: Database) -> None:
    async with db.pool.connection() as conn:
        rows = await (await conn.execute(_WATCHED)).fetchall()
        cursor = await conn.execute(
            "SELECT attrelid::regclass::text AS name, attnum, attname FROM pg_attribute WHERE attnum > 0"
        )
        columns = {(row["name"], row["attnum"]): row["attname"] for row in await cursor.fetchall()}
    partly = {row["relname"]: row for row in rows if row["numbers"] and len(row["arguments"]) > 4}
    assert set(partly) == set(UNSEEN)
    for table, row in partly.items():
        of = {columns[table, number] for number in row["numbers"]}
        subject, left_out = row["arguments"][1], row["arguments"][4].split(",")
        unseen = set(metadata.tables[table].columns.keys()) - of - {subject, "created_at", *left_out}
        assert unseen == UNSEEN[table], table


async def test_a_column_that_holds_a_secret_has_a_name_that_says_so(db: Database) -> None:
    async with db.pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT DISTINCT c.relname, a.attname FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
            " JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE p.proname = 'keep_act' AND a.atttypid = 'bytea'::regtype"
        )
        found = await cursor.fetchall()
        assert {row["attname"] for row in found} >= {"sealed", "key_hash", "token_hash", "sealed_before"}
        for row in found:
            shown = await conn.execute("SELECT act_value(%s, '\"seen\"') AS said", (row["attname"],))
            assert await shown.fetchone() == {"said": "secret"}, row
