"""What a campaign kills: a PostgreSQL of its own with fsync on, the API process and two workers, as in production.

Whatever a kill ends is started again by ``raise_up``, as an operator's process supervisor would. A process that ends
without having been killed is kept in ``deaths``.
"""

import asyncio
import contextlib
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from app import embedded
from app.db import Database
from app.embedded import EmbeddedPostgres
from app.migrate import migrate
from app.sealing import Sealer
from app.staff.service import create_staff, create_token
from tests.campaign.plan import Victim

ROOT = Path(__file__).parents[2]
READY_SECONDS = 180.0
STOP_SECONDS = 30.0
WORKERS = 2
BORN = '"event":"worker started"'
"""What a worker logs when it is up. Before that it may end because the database is away, as after any bad start."""

Popen = subprocess.Popen[bytes]


@dataclass
class Child:
    """A process of ours: the words behind ``python -m``."""

    name: str
    words: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    process: Popen | None = None
    up: bool = False
    """Whether it was seen to work since its start."""
    log_from: int = 0

    def start(self) -> None:
        """Start it; what it writes is added to its log."""
        self.up = False
        with self.log.open("ab") as output:
            self.log_from = output.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self.words],
                cwd=ROOT,  # so that the code under test is the one beside this file
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def said(self, words: str) -> bool:
        """Whether its log has these words since its start."""
        with self.log.open("rb") as log:
            log.seek(self.log_from)
            return words.encode() in log.read()

    @property
    def runs(self) -> bool:
        """Whether it is there."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def wait(self) -> None:
        """Wait until it has ended as it was asked to, and kill it if it does not."""
        if self.process is None:
            return
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill: whom, and when (seconds of the epoch)."""

    victim: Victim
    at: float


class World:
    """A Trunkline that can be killed in parts and raised up again."""

    def __init__(self, folder: Path, *, lease_seconds: int, server_processes: int = 1) -> None:
        self.folder = folder
        self.kills: list[Kill] = []
        self.deaths: list[str] = []
        self._home = folder / "postgres"
        self._home.mkdir(mode=0o700)
        # Its own choice would be a port that any client on this machine may be given while the server is away.
        port, api_port = _quiet_ports(2)
        (self._home / "port").write_text(f"{port}\n")
        self._postgres: EmbeddedPostgres = embedded.start(self._home, fsync=True)
        self.database_url = self._postgres.url
        self.secret_key = secrets.token_urlsafe(48)
        self.url = f"http://127.0.0.1:{api_port}"
        self.environment = {
            "DATABASE_URL": self.database_url,
            "SECRET_KEY": self.secret_key,
            "VAR_DIR": str(folder),
            "PORT": str(api_port),
            "WORKERS": str(server_processes),
            "LEASE_SECONDS": str(lease_seconds),
            "LOG_LEVEL": "info",
            "LOG_FORMAT": "json",
        }
        self.suppliers = Child("suppliers", ["tests.campaign.suppliers", str(folder)], folder / "suppliers.log")
        self._api = self._child("API process", "serve")
        self._workers = [self._child(f"worker {number}", "worker") for number in range(1, WORKERS + 1)]

    def _child(self, name: str, word: str) -> Child:
        return Child(name, ["app", word], self.folder / f"{name.replace(' ', '-')}.log", self.environment)

    def sealer(self) -> Sealer:
        """What seals with this world's key."""
        return Sealer([self.secret_key])

    async def staff_token(self) -> str:
        """Make an owner and return a token for the staff API."""
        db = Database(self.database_url, pool_size=2)
        await db.open()
        try:
            async with db.transaction() as conn:
                staff_id = await create_staff(conn, email="o@example.com", name="Operator", role="owner")
                return (await create_token(conn, self.sealer(), staff_id)).token
        finally:
            await db.close()

    async def start(self) -> None:
        """Migrate, start every process and wait until they answer."""
        await asyncio.to_thread(migrate, self.database_url)
        self.suppliers.start()
        self.suppliers.up = True
        await self.raise_up()
        async with asyncio.timeout(READY_SECONDS):
            while not (self.folder / "suppliers.json").exists():  # noqa: ASYNC110  a file of another process
                await asyncio.sleep(0.05)

    def kill(self, victims: Sequence[Victim], chance: random.Random) -> None:
        """Kill the victims, one right behind the other."""
        self.note_deaths()
        workers = chance.sample(self._workers, len(self._workers))
        for victim in victims:
            # Before it happens: whatever it leaves behind is younger than this.
            self.kills.append(Kill(victim, time.time()))
            match victim:
                case Victim.API:
                    self._api.kill()
                case Victim.WORKER:
                    workers.pop().kill()
                case Victim.DATABASE:
                    self._kill_database()
                case Victim.BACKEND:
                    self._kill_backend(chance)

    def note_deaths(self) -> None:
        """Look for processes that ended although nobody killed them, and start them again."""
        for child in (self._api, *self._workers, self.suppliers):
            if child.process is None or child.runs:
                continue
            if child.process.returncode != -signal.SIGKILL and (child.up or child.said(BORN)):
                self.deaths.append(f"{child.name} ended by itself with {child.process.returncode}")
            child.start()

    async def raise_up(self) -> None:
        """Start what is dead, the database first, and wait until the API process is ready."""
        if not self._postmaster_runs():
            await asyncio.to_thread(self._raise_database)
        for child in (self._api, *self._workers):
            if not child.runs:
                child.start()
        async with asyncio.timeout(READY_SECONDS), httpx2.AsyncClient(trust_env=False) as client:
            while not await _ready(client, f"{self.url}/readyz"):
                if not self._api.runs:
                    raise RuntimeError(f"the API process does not start; see {self._api.log}")
                await asyncio.sleep(0.05)
        self._api.up = True

    def stop(self) -> None:
        """Stop everything; the folder stays."""
        children = (self._api, *self._workers, self.suppliers)
        for child in children:
            if child.process is not None and child.runs:
                child.process.terminate()
        for child in children:
            child.wait()
        self._postgres.stop()

    def _raise_database(self) -> None:
        self._postgres.stop()  # lets go of what is dead, so that the next one is not taken for a second server
        self._postgres = embedded.start(self._home, fsync=True)
        if self._postgres.url != self.database_url:
            raise RuntimeError("somebody took the database's port while it was away; start the campaign again")

    def _postmaster_pid(self) -> int | None:
        home = (self._home / "elsewhere").resolve() if (self._home / "elsewhere").is_symlink() else self._home
        try:
            return int((home / "cluster" / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    def _postmaster_runs(self) -> bool:
        pid = self._postmaster_pid()
        return pid is not None and pid in _processes()

    def _kill_database(self) -> None:
        pid = self._postmaster_pid()
        if pid is None:
            return
        children = [child for child, parent in _processes().items() if parent == pid]
        for victim in (pid, *children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)

    def _kill_backend(self, chance: random.Random) -> None:
        pid = self._postmaster_pid()
        backends = sorted(child for child, parent in _processes().items() if parent == pid)
        if backends:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(backends), signal.SIGKILL)


async def _ready(client: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url, timeout=5)).status_code == 200
    except httpx2.TransportError:
        return False


def _processes() -> dict[int, int]:
    """Every process that is not a zombie, with its parent."""
    said = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = (line.split(None, 2) for line in said.splitlines())
    return {int(pid): int(parent) for pid, parent, state in rows if not state.startswith("Z")}


def _quiet_ports(count: int) -> Iterator[int]:
    """Yield free ports below those that the system gives to clients."""
    found = 0
    for port in random.Random(os.getpid()).sample(range(20_000, 32_000), 2_000):
        if found == count:
            return
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found += 1
            yield port
    raise RuntimeError("no free port on 127.0.0.1")
