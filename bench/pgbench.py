"""What the database alone can do with the placing statement: PostgreSQL's own pgbench, prepared, no HTTP, no Python."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from app.embedded.account import Account
from app.embedded.binaries import find_binaries
from app.embedded.errors import EmbeddedError
from bench.stage import POOL_SIZE, Stage

# Devices are random among a hundred million, so that hardly one comes twice; a repeated one costs no more.
_SCRIPT = """\
\\set key random({first_key}, {last_key})
\\set service random({first_service}, {last_service})
\\set device random(100000000, 199999999)
SELECT * FROM place_orders(:key, '127.0.0.1'::inet, {version}, '30 seconds', 'bench',
    json_build_array(json_build_object('n', 1, 'service', :service::bigint, 'device', 'pgbench' || :device::text,
        'quantity', 1, 'fields', json_build_object(), 'fingerprint', lpad(:device::text, 64, '0'), 'reference', '')));
"""


def placings(stage: Stage) -> float | None:
    """Return orders per second with as many connections as our server has; None if there is no pgbench here."""
    program = _program()
    if program is None:
        return None
    keys = [buyer.key_id for buyer in stage.shop.buyers]
    script = _SCRIPT.format(
        first_key=min(keys),
        last_key=max(keys),
        first_service=min(stage.shop.services),
        last_service=max(stage.shop.services),
        version=stage.shop.catalog_version,
    )
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        words = ["--no-vacuum", "--protocol", "prepared", "--client", str(POOL_SIZE), "--jobs", "1"]
        words += ["--time", str(stage.scale.pgbench_seconds), "--file", file.name]
        done = subprocess.run([program, *words], env=_environment(stage), capture_output=True, text=True, check=False)
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if found is None:
        raise RuntimeError(f"pgbench did not say how fast it was: {(done.stderr or done.stdout)[-1000:]}")
    return float(found[1])


def _program() -> str | None:
    """Return a pgbench that runs: that of the PostgreSQL we use, else the one in PATH."""
    try:
        ours = find_binaries(Path(tempfile.gettempdir()), Account(), None) / "pgbench"
    except EmbeddedError:
        return shutil.which("pgbench")
    return str(ours) if ours.exists() else shutil.which("pgbench")


def _environment(stage: Stage) -> dict[str, str]:
    """Return libpq's variables: arguments, which hold no password, are visible to every user of the machine."""
    where = conninfo_to_dict(stage.database_url)
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    return {**os.environ, **{names[name]: str(value) for name, value in where.items() if name in names}}
