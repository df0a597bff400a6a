"""The noun commands: what they print, how they end, and that a shop can be set up with them."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import typer
from starlette.types import ASGIApp
from typer.testing import CliRunner

from app.cli import cli
from app.cli.serving import children_of
from app.db import Database
from app.sealing import Sealer
from app.settings import load_settings
from app.simulator import build_simulator
from app.staff.service import authenticate
from tests.cli.conftest import SECRET_KEY, Run
from tests.serving import serving


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serve from a thread of its own: a command runs an event loop of its own in this one."""
    ready, stop, urls = threading.Event(), threading.Event(), []

    async def main() -> None:
        async with serving(app) as url:
            urls.append(url)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        assert ready.wait(60)
        yield urls[0]
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def supplier_url(tmp_path: Path) -> Iterator[str]:
    simulator = build_simulator(tmp_path / "simulator.sqlite", username="us", api_key="their-secret-key")
    with served(simulator) as url:
        yield url


def test_a_shop_by_commands(run: Run, supplier_url: str) -> None:
    added = run("supplier", "add", "Simulator", f"base_url={supplier_url}", "username=us", typed="their-secret-key\n")
    assert added.exit_code == 0, added.output
    assert "Added supplier 1." in added.stdout
    assert "their-secret-key" not in added.output

    tested = run("supplier", "test", "simulator")
    assert tested.exit_code == 0, tested.output
    assert tested.stdout.startswith("Works: balance ")

    synced = run("supplier", "sync")
    assert synced.exit_code == 0, synced.output
    assert synced.stdout.startswith("Simulator: ")
    assert " 0 changed, 0 removed, 0 held." in synced.stdout

    found = run("supplier", "services", "1", "--search", "carrier").stdout.splitlines()
    assert len(found) == 2
    remote_id = found[1].split()[0]
    assert found[1].split()[1:5] == ["101", "imei", "0.09", "USD"]

    made = run("service", "add", "Carrier", "--group", "Checks", "--price", "0.20", "--field", "Email*")
    assert "Created service 1." in made.stdout, made.output
    routed = run("route", "add", "1", remote_id)
    assert routed.exit_code == 0, routed.output
    assert routed.stdout == "Added route 1.\n"
    assert "usable" in run("route", "list", "--service", "1").stdout

    assert "username fix-it" in run("customer", "create", "Fix It", "a@fix.example", "--credit-limit", "5").stdout
    key = run("customer", "key", "fix-it", "--ip", "203.0.113.0/24").stdout
    assert key.startswith("username: fix-it\nkey: tk_")
    assert "The balance is 12.50 USD." in run("customer", "topup", "a@fix.example", "12.50", "bank 1").stdout
    again = run("customer", "topup", "fix-it", "12.5", "bank 1").stdout
    assert again == "This reference was credited before; nothing changed. The balance is 12.50 USD.\n"
    assert run("customer", "list").stdout.splitlines()[1].split() == [
        "1", "fix-it", "a@fix.example", "active", "12.50", "5.00", "USD",
    ]  # fmt: skip
    assert run("service", "list").stdout.splitlines()[1].split() == [
        "1", "imei", "active", "0.20", "USD", "Checks", "Carrier",
    ]  # fmt: skip
    assert run("supplier", "list").stdout.splitlines()[1].split()[:4] == ["1", "Simulator", "dhru", "active"]
    audited = run("audit")
    assert (audited.exit_code, audited.stdout.splitlines()[-1]) == (0, "The books balance.")


def test_a_token_is_printed_alone_and_works(run: Run, conninfo: str) -> None:
    assert run("staff", "create", "ann@example.com", "--role", "operator").exit_code == 0
    printed = run("staff", "token", "Ann@Example.com")
    token = printed.stdout.strip()
    assert token.startswith("ts_")
    assert token not in run("staff", "list").stdout

    async def who() -> str:
        db = Database(conninfo)
        await db.open()
        try:
            async with db.pool.connection() as conn:
                return (await authenticate(conn, Sealer([SECRET_KEY]), token)).role
        finally:
            await db.close()

    assert asyncio.run(who()) == "operator"
    assert run("staff", "list").stdout.splitlines()[1].split() == [
        "1", "ann@example.com", "ann@example.com", "operator", "active", "1",
    ]  # fmt: skip


WRONG: tuple[tuple[list[str], str], ...] = (
    (["staff", "token", "nobody@example.com"], "There is no staff member with this e-mail address."),
    (["staff", "create", "nobody"], "That is not an e-mail address."),
    (["staff", "create", "a@b.c", "--role", "king"], "The role is one of owner, operator, finance, read_only."),
    (["customer", "create", "X", "nobody"], "That is not an e-mail address."),
    (["customer", "create", "X", "a@b.c", "--currency", "dollar"], "not a currency code: 'dollar'"),
    (["customer", "key", "nobody"], "There is no customer 'nobody'."),
    (["customer", "topup", "nobody", "1", "x"], "There is no customer 'nobody'."),
    (["supplier", "test", "nobody"], "There is no supplier 'nobody'."),
    (["supplier", "sync", "nobody"], "There is no supplier 'nobody'."),
    (
        ["supplier", "add", "X", "base_url=ftp://x.example", "username=us", "api_key=their-secret"],
        "config.base_url: String should match pattern '^https?://'",
    ),
    (["supplier", "add", "X", "base_url=x", "--kind", "fax"], "There is no such kind; there are: "),
    (["service", "add", "X", "--group", " ", "--price", "1"], "A name has 1 to 300 characters."),
    (["service", "add", "X", "--group", "G", "--price", "-1"], "A price is 0 to 1000000.00."),
    (["route", "add", "1", "1"], "There is no such service."),
)


def test_what_is_wrong_is_one_sentence_on_standard_error(run: Run) -> None:
    for words, sentence in WRONG:
        ended = run(*words)
        assert (ended.exit_code, ended.stdout) == (1, ""), words
        [line] = ended.stderr.splitlines()
        assert line.startswith(sentence)
        assert "their-secret" not in line


def test_an_amount_that_is_none_ends_the_command(run: Run) -> None:
    for amount in ("NaN", "1e-7", "12,50", "1e30", "0.0000001", "1_000", ""):
        assert run("customer", "topup", "x", amount, "reference").exit_code == 2, amount


def test_a_supplier_that_is_not_there_is_said_so(run: Run, conninfo: str) -> None:
    words = ["base_url=http://127.0.0.1:9", "username=us", "api_key=their-secret-key"]
    assert run("supplier", "add", "Nobody", *words).exit_code == 0
    for command in ("test", "sync"):
        ended = run("supplier", command, "Nobody")
        assert ended.exit_code == 1
        assert "NotSent" not in ended.stderr
        assert "their-secret-key" not in ended.output
    with psycopg.connect(conninfo) as conn:
        assert conn.execute("SELECT synced_at FROM suppliers").fetchall() == [(None,)]


def test_a_secret_is_read_from_a_file(run: Run, conninfo: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-a-file\n")
    words = ["base_url=http://127.0.0.1:9", "username=us", "api_key=@key"]
    assert run("supplier", "add", "Filed", *words).exit_code == 0
    with psycopg.connect(conninfo) as conn:
        [(sealed,)] = conn.execute("SELECT sealed FROM suppliers").fetchall()
    assert '"from-a-file"' in Sealer([SECRET_KEY]).open(sealed)
    assert run("supplier", "add", "Lost", *words[:2], "api_key=@nowhere").exit_code == 2


def test_secrets_are_sealed_anew(run: Run, conninfo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = "a newer secret key that nobody else uses either"
    words = ["base_url=http://127.0.0.1:9", "username=us", "api_key=their-secret-key"]
    assert run("supplier", "add", "Sealed", *words).exit_code == 0
    monkeypatch.setenv("SECRET_KEY", f"{newer},{SECRET_KEY}")
    assert "The secrets of 1 suppliers" in run("rotate-secrets").stdout
    with psycopg.connect(conninfo) as conn:
        [(sealed,)] = conn.execute("SELECT sealed FROM suppliers").fetchall()
    assert "their-secret-key" in Sealer([newer]).open(sealed)
    monkeypatch.setenv("SECRET_KEY", "a key that has never opened anything at all")
    ended = run("rotate-secrets")
    assert (ended.exit_code, ended.stderr) == (
        1,
        "No SECRET_KEY opens the secrets of supplier Sealed; enter them again.\n",
    )


def test_the_audit_says_what_is_broken(run: Run, conninfo: str) -> None:
    run("customer", "create", "Fix It", "a@fix.example")
    run("customer", "topup", "fix-it", "3", "bank 1")
    with psycopg.connect(conninfo) as conn:
        conn.execute("UPDATE accounts SET balance = balance + 1 WHERE customer_id = 1")
    ended = run("audit")
    assert ended.exit_code == 1
    assert "Broken: every balance equals its transfers: account " in ended.stderr


def commands_of(group: typer.Typer, *path: str) -> list[tuple[str, ...]]:
    """The words of every command below ``group``."""
    found = []
    for command in group.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "").replace("_", "-")
        found.append((*path, name))
    for below in group.registered_groups:
        assert below.typer_instance is not None
        found += commands_of(below.typer_instance, *path, str(below.name))
    return found


NOUNS = ("staff", "customer", "supplier", "service", "route", "audit", "rotate-secrets")


@pytest.mark.parametrize("words", [words for words in commands_of(cli) if words[0] in NOUNS], ids=" ".join)
def test_help_has_an_example(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(cli, [*words, "--help"])
    assert shown.exit_code == 0
    assert "Example:" in shown.stdout
    assert f"trunkline {' '.join(words)}" in " ".join(shown.stdout.split())


def test_a_command_gives_no_more_credit_than_one_person_may(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOUR_EYES_ABOVE", "100")
    ended = run("customer", "create", "Fix It", "a@fix.example", "--credit-limit", "100.01")
    assert (ended.exit_code, "FOUR_EYES_ABOVE" in ended.stderr) == (1, True)
    assert run("customer", "create", "Fix It", "a@fix.example", "--credit-limit", "100").exit_code == 0
    ended = run("customer", "topup", "fix-it", "100.000001", "bank 1")
    assert (ended.exit_code, "FOUR_EYES_ABOVE" in ended.stderr) == (1, True)
    assert "The balance is 100.00 USD." in run("customer", "topup", "fix-it", "100", "bank 1").stdout


def test_a_simulator_takes_the_key_that_newcomers_are_offered(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "SIMULATOR_API_KEY=from-the-file\nDATABASE_URL=postgresql://x/y\nSECRET_KEY=" + "k" * 32
    )
    settings = load_settings(tmp_path / ".env", var_dir=tmp_path)
    children, environment = children_of(settings, simulator=True)
    assert [words[0] for words in children] == ["serve", "worker", "simulator"]
    assert environment["SIMULATOR_API_KEY"] == "from-the-file"
    assert len(children_of(settings, simulator=False)[0]) == 2


def test_four_eyes_that_an_owner_set_in_the_admin_count_in_a_shell_too(run: Run, conninfo: str) -> None:
    assert run("customer", "create", "Fix It", "a@fix.example").exit_code == 0
    with psycopg.connect(conninfo) as conn:
        conn.execute("INSERT INTO house_settings (name, value) VALUES ('four_eyes_above', '100')")
    assert run("customer", "topup", "fix-it", "100.01", "bank 1").exit_code == 1
    assert run("customer", "create", "Other", "b@fix.example", "--credit-limit", "100.01").exit_code == 1
    assert run("customer", "topup", "fix-it", "100", "bank 1").exit_code == 0


def test_staff_get_a_password_an_invitation_and_out_of_a_lost_second_factor(run: Run, conninfo: str) -> None:
    assert run("staff", "create", "ann@example.com").exit_code == 0
    words = "several words are good"
    short = run("staff", "password", "ann@example.com", typed="short\nshort\n")
    assert short.exit_code == 1
    assert "at least 12" in short.output
    done = run("staff", "password", "ann@example.com", typed=f"{words}\n{words}\n")
    assert done.exit_code == 0, done.output
    assert words not in done.output
    invited = run("staff", "invite", "ann@example.com")
    assert "/admin/welcome#iv_" in invited.stdout
    with psycopg.connect(conninfo) as conn:
        conn.execute("UPDATE logins SET totp_sealed = 'x'")
    assert run("staff", "no-second-factor", "ann@example.com").exit_code == 0
    with psycopg.connect(conninfo) as conn:
        assert conn.execute("SELECT totp_sealed FROM logins").fetchone() == (None,)
    assert run("staff", "invite", "nobody@example.com").exit_code == 1


def test_a_customer_gets_out_of_a_lost_second_factor(run: Run, conninfo: str) -> None:
    assert run("customer", "create", "Fix It", "a@fix.example").exit_code == 0
    assert run("customer", "invite", "fix-it").exit_code == 0
    assert run("customer", "no-second-factor", "fix-it").exit_code == 1  # there is none
    with psycopg.connect(conninfo) as conn:
        conn.execute("UPDATE logins SET totp_sealed = 'x'")
    assert run("customer", "no-second-factor", "fix-it").exit_code == 0
    with psycopg.connect(conninfo) as conn:
        assert conn.execute("SELECT totp_sealed FROM logins").fetchone() == (None,)
