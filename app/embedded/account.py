"""The system user that the embedded PostgreSQL runs as: ourselves, or ``postgres`` when we are root."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from app.embedded.errors import EmbeddedError

Command = list[str | Path]


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group id; None for both means the user we are anyway."""

    uid: int | None = None
    gid: int | None = None

    @classmethod
    def owner_of(cls, path: Path) -> Self:
        """Return the user whom ``path`` belongs to."""
        entry = pwd.getpwuid(path.stat().st_uid)
        return cls(entry.pw_uid, entry.pw_gid)

    @classmethod
    def postgres(cls) -> Self:
        """Return the user ``postgres``, made if there is none; EmbeddedError if that fails."""
        try:
            entry = pwd.getpwnam("postgres")
        except KeyError:
            command: Command = ["/usr/sbin/useradd", "--system", "--user-group", "--no-create-home"]
            try:
                cls().run([*command, "--shell", "/usr/sbin/nologin", "postgres"], Path("/"))
                entry = pwd.getpwnam("postgres")
            except (OSError, KeyError) as error:
                raise EmbeddedError(
                    "PostgreSQL does not run as root, and the user 'postgres' could not be made; "
                    "make it, or start as another user"
                ) from error
        return cls(entry.pw_uid, entry.pw_gid)

    def run(self, command: Command, cwd: Path) -> "subprocess.CompletedProcess[str]":
        """Run ``command`` as this user to its end and return what it said, whether it failed or not."""
        return subprocess.run(  # noqa: S603  every command is ours, none is made of input
            command,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
            cwd=cwd,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def spawn(self, command: Command, cwd: Path, log: IO[str]) -> "subprocess.Popen[bytes]":
        """Start ``command`` as this user in a session of its own, so that Ctrl-C in our terminal does not reach it."""
        return subprocess.Popen(  # noqa: S603  every command is ours, none is made of input
            command,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
            cwd=cwd,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def can_run(self, program: Path) -> bool:
        """Tell whether ``program --version`` works for this user, libraries and folders above included."""
        return self.run(["/bin/sh", "-c", 'exec "$0" --version', program], Path("/")).returncode == 0

    def own(self, path: Path) -> None:
        """Give ``path`` to this user."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def reaches(self, path: Path) -> bool:
        """Tell whether this user may enter the folder ``path``, with every folder above it having its say."""
        return self.run(["/bin/sh", "-c", 'test -x "$0"', path], Path("/")).returncode == 0


def _environment() -> dict[str, str]:
    """The environment without libpq's variables, which would override what we say, and in plain English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C"}
