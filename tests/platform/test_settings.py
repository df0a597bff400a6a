"""Settings come from the environment, are checked with clear words, and never show a secret."""

import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.settings import Environment, LogFormat, LogLevel, Settings, SettingsError, load_settings

KEY = "k" * 32
OTHER_KEY = "o" * 40

Load = Callable[..., Settings]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Load:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    def call(**environment: Any) -> Settings:
        for name, value in {"SECRET_KEY": KEY, "VAR_DIR": str(tmp_path / "var"), **environment}.items():
            monkeypatch.setenv(name, value)
        return load_settings(None)

    return call


def test_the_environment_wins_over_the_file(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load()
    file = tmp_path / ".env"
    file.write_text("PORT=1111\nHOST=10.0.0.9\nPOSTGRES_PASSWORD=compose\n")
    monkeypatch.setenv("PORT", "2222")
    settings = load_settings(file)
    assert (settings.port, settings.host) == (2222, "10.0.0.9")


def test_overrides_win_over_both(load: Load) -> None:
    load(PORT="2222")
    assert load_settings(None, port=3333).port == 3333


def test_empty_counts_as_unset(load: Load) -> None:
    settings = load(DATABASE_URL="", REDIS_URL="", PORT="", TRUSTED_PROXIES="", PUBLIC_URL="")
    assert settings.database_url is None
    assert settings.redis_url is None
    assert settings.port == 8000
    assert settings.trusted_proxies == ()
    assert settings.base_url == "http://127.0.0.1:8000"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_usual_form_of_a_database_url(load: Load, scheme: str) -> None:
    settings = load(DATABASE_URL=f"{scheme}://me:p%40ss@db:5433/shop?sslmode=require")
    assert settings.database_conninfo == "postgresql://me:p%40ss@db:5433/shop?sslmode=require"
    assert settings.sqlalchemy_url == "postgresql+psycopg://me:p%40ss@db:5433/shop?sslmode=require"


def test_without_a_database_there_is_no_address_until_one_is_given(load: Load) -> None:
    settings = load()
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        _ = settings.database_conninfo
    other = settings.with_database("postgres://me@127.0.0.1/x")
    assert other.database_conninfo == "postgresql://me@127.0.0.1/x"
    assert other.replace(database_url=None) == settings


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DATABASE_URL", "mysql://me:hush@db/x", "postgresql://"),
        ("DATABASE_URL", "postgresql+asyncpg://me:hush@db/x", "postgresql://"),
        ("REDIS_URL", "http://:hush@cache", "redis://"),
        ("SECRET_KEY", "hush", "32 characters"),
        ("SECRET_KEY", f"{KEY},hush", "32 characters"),
        ("PUBLIC_URL", "shop.example", "https://"),
        ("TRUSTED_PROXIES", "10.0.0.1, proxy.local", "proxy.local"),
        ("PORT", "70000", "65535"),
        ("CURRENCY", "dollars", "currency"),
        ("ENVIRONMENT", "staging", "production"),
        ("WORKERS", "0", "1"),
        ("SMTP_URL", "http://me:hush@mail.example", "smtp://"),
        ("SMTP_URL", "smtp://me:hush/2@mail.example", "%2F"),
        ("SMTP_URL", "smtp://me:hush#2@mail.example", "%23"),
        ("SMTP_URL", "smtp://me:hush\u2100@mail.example", "percent"),
    ],
)
def test_a_wrong_value_is_named_and_not_shown(load: Load, name: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**{name: value})
    assert str(caught.value).startswith(f"{name}: ")
    assert words in str(caught.value)
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_all_wrong_values_are_told_at_once(load: Load) -> None:
    with pytest.raises(SettingsError) as caught:
        load(PORT="x", WORKERS="y")
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["PORT", "WORKERS"]


def test_trusted_proxies_are_addresses_and_networks(load: Load) -> None:
    settings = load(TRUSTED_PROXIES="127.0.0.1, 10.1.2.3/8,fd00::/8 ,")
    assert settings.trusted_proxies == ("127.0.0.1/32", "10.0.0.0/8", "fd00::/8")


def test_words_are_taken_in_any_case(load: Load) -> None:
    settings = load(LOG_LEVEL="INFO", LOG_FORMAT="Json", ENVIRONMENT="Production", CURRENCY="eur")
    assert settings.log_level is LogLevel.INFO
    assert settings.log_format is LogFormat.JSON
    assert settings.environment is Environment.PRODUCTION
    assert settings.currency == "EUR"


def test_mail_comes_from_somewhere(load: Load) -> None:
    assert load(SMTP_URL="smtp://mail.example", MAIL_FROM="The House <a@b.example>").mail_from
    for nowhere in ("", "The House"):
        with pytest.raises(SettingsError, match="MAIL_FROM"):
            load(SMTP_URL="smtp://mail.example", MAIL_FROM=nowhere)


def test_base_url(load: Load) -> None:
    assert load(PUBLIC_URL="https://shop.example/dhru/").base_url == "https://shop.example/dhru"
    assert load(PUBLIC_URL="", HOST="::1", PORT="81").base_url == "http://[::1]:81"


def test_settings_are_frozen_and_show_no_secret(load: Load) -> None:
    settings = load(DATABASE_URL="postgres://me:hush@db/x", REDIS_URL="redis://:hush@cache", SECRET_KEY="hush" * 8)
    assert "hush" not in repr(settings)
    assert "hush" not in str(settings.model_dump())
    assert "hush" not in settings.model_dump_json()
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]  # that it does not work is what is tested


def test_production_demands_a_key(load: Load) -> None:
    with pytest.raises(SettingsError, match="SECRET_KEY is required in production"):
        load(ENVIRONMENT="production", SECRET_KEY="")
    assert load(ENVIRONMENT="production", SECRET_KEY=KEY).sealer().open(load().sealer().seal("x")) == "x"


def test_a_rotated_key_still_opens_what_the_old_one_sealed(load: Load) -> None:
    sealed = load(SECRET_KEY=KEY).sealer().seal("their password")
    rotated = load(SECRET_KEY=f"{OTHER_KEY}, {KEY}").sealer()
    assert rotated.open(sealed) == "their password"
    assert load(SECRET_KEY=OTHER_KEY).sealer().open(rotated.reseal(sealed)) == "their password"


def test_development_makes_one_key_and_keeps_it(load: Load, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = load(SECRET_KEY="")
    path = tmp_path / "var" / "secret_key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(caplog.records) == 1
    assert str(path) in caplog.text
    again = load(SECRET_KEY="")
    assert again.sealer().open(first.sealer().seal("x")) == "x"
    assert len(caplog.records) == 1, "the warning belongs to the making"
    assert [entry.name for entry in path.parent.iterdir()] == ["secret_key"]


def test_processes_that_start_together_agree_on_the_key(load: Load) -> None:
    load(SECRET_KEY="")
    found: list[str] = []
    Path(load_settings(None).var_dir / "secret_key").unlink()
    barrier = threading.Barrier(8)

    def run() -> None:
        barrier.wait()
        key = load_settings(None).secret_key
        assert key is not None
        found.append(key.get_secret_value())

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
