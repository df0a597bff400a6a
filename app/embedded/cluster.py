"""One database cluster on disk and the server that runs on it."""

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from app.embedded.account import Account, Command
from app.embedded.binaries import find_binaries, major_version
from app.embedded.errors import EmbeddedError

START_SECONDS = 120
"""How long a server may take to accept connections; recovery after a crash is part of it."""
STOP_SECONDS = 60

_USER = "trunkline"
_CONFIG = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",  # an accepted order is a committed order
    "wal_compression": "on",
    "max_wal_size": "1GB",
    "random_page_cost": "1.1",
    "jit": "off",  # our statements take microseconds, compiling them milliseconds
    "idle_in_transaction_session_timeout": "60s",  # an old snapshot slows down every claim of due orders
    "autovacuum_vacuum_scale_factor": "0.05",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
_NOT_TLS = "sslmode=disable"  # the wheel is built without it, and the line never leaves the machine


@dataclass(frozen=True, slots=True)
class Cluster:
    """The files in ``home``, and the user who runs the server on them; the caller holds the lock around every call."""

    home: Path
    account: Account

    @property
    def data(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.home / "cluster"

    def url(self, database: str) -> str:
        """Return the address of ``database``, password included; the role is a superuser."""
        password = (self.home / "password").read_text().strip()
        port = (self.home / "port").read_text().strip()
        return f"postgresql://{_USER}:{password}@127.0.0.1:{port}/{database}?{_NOT_TLS}"

    def create(self, *, fsync: bool) -> None:
        """Make the cluster if there is none; an interrupted attempt counts as none."""
        if self.data.exists():
            return
        binaries = find_binaries(self.home, self.account, None)
        draft = self.home / "cluster-draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        self.account.own(draft)
        password = secrets.token_urlsafe(24)
        handed_over = self.home / "password-draft"
        _write_private(handed_over, password)
        self.account.own(handed_over)
        command: Command = [binaries / "initdb", "--pgdata", draft, "--username", _USER]
        command += ["--pwfile", handed_over, "--auth", "scram-sha-256"]
        command += ["--encoding", "UTF8", "--data-checksums", "--no-instructions"]
        if major_version(binaries) >= 17:
            # PostgreSQL's own C.UTF-8 sorts the same on every machine, whatever its C library.
            command += ["--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
        else:
            command += ["--locale", "C.UTF-8"]
        done = self.account.run([*command, *([] if fsync else ["--no-sync"])], self.home)
        handed_over.unlink()
        if done.returncode != 0:
            raise EmbeddedError(f"initdb failed: {done.stderr.strip()[-1000:]}")
        with (draft / "postgresql.conf").open("a") as file:
            file.write("\ninclude 'trunkline.conf'  # written anew at every start\n")
        _write_private(self.home / "password", password)
        draft.rename(self.data)

    def attach(self) -> bool:
        """Wait until the server that runs already answers; False if none does or it goes away meanwhile."""
        return self.server_pid() is not None and self._answers(lambda: self.server_pid() is not None)

    def start(self, *, fsync: bool) -> None:
        """Start the server and wait until it answers; the first try is the port it had before."""
        wanted = int((self.data / "PG_VERSION").read_text())
        binaries = find_binaries(self.home, self.account, wanted)
        log_path = self.home / "server.log"
        if log_path.exists():
            log_path.replace(self.home / "server.log.old")
        deadline = time.monotonic() + START_SECONDS
        while not self._try_start(binaries, log_path, fsync=fsync):
            said = log_path.read_text(errors="replace")[-2000:].strip()
            # A killed server's children need a moment to go; or somebody took the port since we looked.
            if time.monotonic() > deadline or not re.search("shared memory block|TCP/IP sockets", said):
                raise EmbeddedError(f"PostgreSQL did not start; the end of {log_path}:\n{said}")
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop the server if it runs, the fast way (``pg_ctl stop -m fast``): open transactions roll back."""
        pid = self.server_pid()
        if pid is None:
            return
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + STOP_SECONDS
        while True:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # a child of ours stays in the process table until it is asked for
            if not self._runs_on_our_data(pid):
                return
            if time.monotonic() > deadline:
                raise EmbeddedError(f"the embedded PostgreSQL (process {pid}) does not stop")
            time.sleep(0.02)

    def server_pid(self) -> int | None:
        """Return the server's process id; None if there is no pid file or the process in it is not our server."""
        pid = self._recorded_pid()
        return pid if pid is not None and self._runs_on_our_data(pid) else None

    def left_uncleanly(self) -> bool:
        """Tell whether a pid file names a server that cannot be seen: it was killed, or runs in another container."""
        return self._recorded_pid() is not None and self.server_pid() is None

    def _recorded_pid(self) -> int | None:
        try:
            return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    def _runs_on_our_data(self, pid: int) -> bool:
        if Path("/proc/self/cmdline").exists():
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
            except OSError:
                return False
        else:
            line = Account().run(["/bin/ps", "-o", "command=", "-p", str(pid)], Path("/")).stdout
        return str(self.data) in line

    def _try_start(self, binaries: Path, log_path: Path, *, fsync: bool) -> bool:
        # The number in a leftover pid file may belong to another program by now, and PostgreSQL would refuse to start.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        port_file = self.home / "port"
        port = _free_port(int(port_file.read_text()) if port_file.exists() else 0)
        port_file.write_text(f"{port}\n")
        self._configure(port, fsync=fsync)
        with log_path.open("a") as log:
            server = self.account.spawn([binaries / "postgres", "-D", self.data], self.home, log)
        try:
            return self._answers(lambda: server.poll() is None)
        except BaseException:
            server.send_signal(signal.SIGINT)
            server.wait()
            raise
        finally:
            # It may outlive us by design, so Popen shall not complain that nobody waited; ``stop`` waits by number.
            server.returncode = server.returncode or 0

    def _configure(self, port: int, *, fsync: bool) -> None:
        config = {**_CONFIG, "port": str(port)} | ({} if fsync else {"fsync": "off", "full_page_writes": "off"})
        draft = self.data / "trunkline.conf.draft"
        draft.write_text("".join(f"{name} = '{value}'\n" for name, value in config.items()))
        draft.chmod(0o600)
        self.account.own(draft)
        draft.replace(self.data / "trunkline.conf")

    def _answers(self, alive: Callable[[], bool]) -> bool:
        """Wait until the server accepts a connection; False if it is not ``alive`` any more."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if not alive():
                    return False
                if time.monotonic() > deadline or "password authentication failed" in str(error):
                    raise EmbeddedError(f"the embedded PostgreSQL does not let us in: {error}") from None
                time.sleep(0.02)
            else:
                return True


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")


def _free_port(preferred: int) -> int:
    for port in (preferred, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise EmbeddedError("no free port on 127.0.0.1")
