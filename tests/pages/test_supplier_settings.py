"""The settings of a supplier by forms: its account drawn from its kind, its limits, its words."""

import html
import re
from typing import Any

import pytest

from app.admin.pages.config_form import inputs, read_config
from app.connectors import registry
from app.db import Database
from app.pages.forms import Form
from app.sealing import Sealer
from tests.pages.conftest import SurferOf
from tests.pages.test_suppliers import KEY, NEW, added, column, sealed


async def test_a_form_that_is_wrong_says_so_beside_its_field_and_keeps_what_was_typed(surfer: SurferOf) -> None:
    owner = await surfer("owner")
    good = {"name": "A", "currency": "USD", "config.base_url": "https://a.example", "config.username": "us"}
    wrong: tuple[tuple[dict[str, str], str, str], ...] = (
        ({**good}, "config.api_key", "This is needed."),
        ({**good, "config.api_key": KEY, "config.base_url": "ftp://a.example"}, "config.base_url", "It starts with"),
        ({**good, "config.api_key": KEY, "config.base_url": "x"}, "config.base_url", ""),
        ({**good, "config.api_key": KEY, "config.read_seconds": "soon"}, "config.read_seconds", "A whole number."),
        ({**good, "config.api_key": KEY, "config.read_seconds": "9999"}, "config.read_seconds", "less than"),
        ({**good, "config.api_key": KEY, "config.dialect": "klingon"}, "config.dialect", ""),
        ({**good, "config.api_key": KEY, "config.currency": "dollars"}, "config.currency", ""),
        ({**good, "config.api_key": KEY, "currency": "dollars"}, "currency", "Three letters"),
        ({**good, "config.api_key": KEY, "name": " "}, "name", "1 to 200"),
        ({**good, "config.api_key": KEY, "name": "x" * 300}, "name", "1 to 200"),
        ({**good, "config.api_key": KEY, "config.username": "a\x00b"}, "config.username", "cannot be kept"),
    )
    for fields, at, says in wrong:
        refused = await owner.send(NEW, **fields)
        assert refused.status_code == 422, fields
        beside = re.search(rf'id="wrong-{re.escape(at)}">([^<]*)<', refused.text)
        assert beside, (at, refused.text)
        assert says in html.unescape(beside[1]), (at, beside[1])
        assert KEY not in refused.text
    shown = await owner.send(NEW, **{**good, "name": '<b>"A', "config.api_key": ""})
    assert 'value="&lt;b&gt;&#34;A"' in shown.text
    assert (await owner.get("/admin/suppliers/new/base")).status_code == 404
    assert "No supplier yet" in (await owner.get("/admin/suppliers")).text


async def test_names_are_taken_once(surfer: SurferOf) -> None:
    owner = await surfer("owner")
    await added(owner, "http://127.0.0.1:9")
    again = await owner.send(
        NEW, **{"name": "Upstream", "currency": "USD", "config.base_url": "http://127.0.0.1:9",
                "config.username": "us", "config.api_key": KEY},
    )  # fmt: skip
    assert again.status_code == 409
    assert 'id="wrong-name"' in again.text


async def test_secrets_stay_when_left_empty_and_do_not_follow_to_another_host(
    surfer: SurferOf, db: Database, sealer: Sealer
) -> None:
    owner = await surfer("owner")
    page = await added(owner, "http://127.0.0.1:9")
    account = (await owner.get(f"{page}/account")).text
    assert KEY not in account
    assert 'value="us"' in account
    kept = {
        "name": "Renamed", "currency": "USD", "config.base_url": "http://127.0.0.1:9/api", "config.username": "them",
        "config.read_seconds": "", "config.dialect": "classic", "config.body": "form", "config.parameters": "xml",
        "config.api_key": "", "panel_url": "https://panel.example/",
    }  # fmt: skip
    assert (await owner.send(f"{page}/account", **kept)).status_code == 303
    assert await sealed(db, sealer) == {"api_key": KEY}
    config = await column(db, "config")
    assert (config["username"], config["dialect"], config["bulk"], config["read_seconds"]) == (
        "them", "classic", False, 60,
    )  # fmt: skip
    moved = await owner.send(f"{page}/account", **{**kept, "config.base_url": "https://thief.example"})
    assert moved.status_code == 422
    assert 'id="wrong-config.api_key">At another host' in moved.text
    odd = await owner.send(f"{page}/account", **{**kept, "panel_url": "javascript:alert(1)"})
    assert 'id="wrong-panel_url"' in odd.text
    assert (await owner.send(f"{page}/account", **{**kept, "config.api_key": "newer"})).status_code == 303
    assert await sealed(db, sealer) == {"api_key": "newer"}


async def test_an_optional_secret_can_be_removed(surfer: SurferOf, db: Database, sealer: Sealer) -> None:
    owner = await surfer("owner")
    given = {
        "name": "Cek", "currency": "USD", "config.base_url": "https://c.example", "config.api_key": KEY,
        "config.webhook_secret": "another-secret", "config.read_seconds": "60",
    }  # fmt: skip
    page = (await owner.send("/admin/suppliers/new/cekceir", **given)).headers["location"]
    changed = {**given, "config.api_key": "", "config.webhook_secret": ""}
    assert (await owner.send(f"{page}/account", **changed)).status_code == 303
    assert await sealed(db, sealer) == {"api_key": KEY, "webhook_secret": "another-secret"}
    assert (await owner.send(f"{page}/account", **changed, **{"forget.webhook_secret": "yes"})).status_code == 303
    assert await sealed(db, sealer) == {"api_key": KEY, "webhook_secret": ""}


def sent_back(kind: str, kept: dict[str, Any]) -> Form:
    """The form of an account as a browser sends it when nothing was changed."""
    return Form(
        [
            (one.name, "yes" if one.look == "check" else str(one.value))
            for one in inputs(kind, kept)
            if one.look != "check" or one.value
        ]
    )


CONFIGS: dict[str, dict[str, Any]] = {
    "manual": {
        "base_url": "", "currency": "EUR", "read_seconds": 60,
        "services": [
            {"code": "a", "name": "Unlock", "cost": "12.50", "type": "imei", "group": "By hand", "fields": ()},
            {"code": "b", "name": "Session", "cost": "20", "type": "remote", "group": "Later", "fields": ("Id*", "T")},
        ],
    },
    "doctorsim": {
        "base_url": "https://d.example", "key": "k", "secret": "s", "pairs": ("1/2", "33/44"), "imeicheck": True,
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", registry.kinds())
def test_a_form_sent_again_as_it_was_changes_nothing(kind: str) -> None:
    known = registry.kinds()[kind].config_type
    needed = {
        "base_url": "https://a.example", "username": "us", "api_key": KEY, "email": "a@b.c", "password": KEY,
        "token": KEY, "key": KEY, "secret": KEY,
    }  # fmt: skip
    given = CONFIGS.get(kind) or {name: needed[name] for name in registry.schema(kind)["required"]}
    secrets = registry.secret_names(kind)
    before = known.model_validate(given).model_dump(mode="json", exclude=set(secrets))
    drawn = inputs(kind, before)
    assert {one.name for one in drawn} == {f"config.{name}" for name in known.model_fields}
    assert all(one.label for one in drawn)
    assert [one.value for one in drawn if one.look == "password"] == [""] * len(secrets)
    changes = read_config(kind, sent_back(kind, before), is_new=False)
    assert not set(changes) & secrets, "a secret that was left empty is not named"
    merged = {key: value for key, value in {**given, **before, **changes}.items() if value is not None}
    assert known.model_validate(merged).model_dump(mode="json", exclude=set(secrets)) == before


LIMITS = {
    "concurrency": "7", "requests_per_minute": "90", "place_batch": "5", "balance_is_proof": "yes",
    "limits.price_up_percent": "10", "limits.price_down_percent": "", "limits.apply_new": "yes",
    "limits.missing_limit": "4", "watch.low_balance": "25.50", "watch.runway_days": "2",
    "watch.books_tolerance": "0.01",
}  # fmt: skip


async def test_limits_are_changed_all_or_none(surfer: SurferOf, db: Database) -> None:
    operator = await surfer("operator")
    page = await added(operator, "http://127.0.0.1:9")
    assert (await operator.send(f"{page}/limits", **LIMITS)).status_code == 303
    names = (
        "concurrency, requests_per_minute, place_batch, balance_is_proof, price_up_percent, price_down_percent,"
        " apply_new, apply_names, missing_limit, low_balance, runway_days, books_tolerance"
    )
    async with db.pool.connection() as conn:
        (row,) = await (await conn.execute(f"SELECT {names} FROM suppliers")).fetchall()
    kept = [7, 90, 5, True, 10, None, True, False, 4, 25_500_000, 2, 10_000]
    assert list(row.values()) == kept
    for name, value in (
        ("concurrency", "0"), ("concurrency", ""), ("requests_per_minute", "-1"), ("place_batch", "1001"),
        ("limits.price_down_percent", "101"), ("limits.missing_limit", "0"), ("watch.low_balance", "-1"),
        ("watch.low_balance", "much"), ("watch.runway_days", "9999"), ("watch.books_tolerance", ""),
    ):  # fmt: skip
        refused = await operator.send(f"{page}/limits", **{**LIMITS, "concurrency": "9", name: value})
        assert refused.status_code == 422, (name, value)
        assert f'id="wrong-{name}"' in refused.text, (name, value)
    async with db.pool.connection() as conn:
        (row,) = await (await conn.execute(f"SELECT {names} FROM suppliers")).fetchall()
    assert list(row.values()) == kept


async def test_words_are_given_a_meaning_and_forgotten(surfer: SurferOf, db: Database) -> None:
    operator = await surfer("operator")
    page = await added(operator, "http://127.0.0.1:9")
    words = f"{page}/words"
    said = {"group": "refusals", "refusals.phrase": " Saldo <b>Insuficiente ", "refusals.meaning": "no_funds"}
    for _ in range(2):
        assert (await operator.send(words, **said)).status_code == 303
    other = {"group": "statuses", "statuses.phrase": "On Hold", "statuses.meaning": "pending"}
    assert (await operator.send(words, **other)).status_code == 303
    kept = {"refusals": {"saldo <b>insuficiente": "no_funds"}, "statuses": {"on hold": "pending"}}
    assert await column(db, "wording") == kept
    assert "saldo &lt;b&gt;insuficiente" in (await operator.get(words)).text
    for wrong in ({"refusals.phrase": " "}, {"refusals.meaning": "lost"}, {"refusals.phrase": "x" * 300}):
        refused = await operator.send(words, **{**said, **wrong})
        assert refused.status_code == 422
        assert 'id="wrong-refusals.phrase"' in refused.text
    assert (await operator.send(words, group="config")).status_code == 422
    assert (await operator.send(words, f"{words}/forget", group="statuses", phrase="on hold")).status_code == 303
    assert (await operator.send(words, f"{words}/forget", group="statuses", phrase="on hold")).status_code == 303
    assert await column(db, "wording") == {**kept, "statuses": {}}
