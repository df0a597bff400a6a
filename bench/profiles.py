"""Where the processor time of a run went, as the kernel counts it: the server's process, and PostgreSQL's."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psycopg

from bench.client import Load
from bench.report import Line

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor time of one right reply, in microseconds."""

    server: float
    postgres: float


def measured(pid: int, database_url: str, run: Callable[[], Load]) -> tuple[Load, Cost]:
    """Run a load and tell what it cost the process ``pid`` and PostgreSQL; zero where the kernel does not tell."""
    server, postgres = _seconds(pid), _postgres(database_url)
    load = run()
    server = _seconds(pid) - server
    spent = sum(seconds - postgres.get(backend, 0.0) for backend, seconds in _postgres(database_url).items())
    share = 1e6 / max(load.done, 1)
    return load, Cost(server * share, spent * share)


def cost_line(what: str, ours: Sequence[Cost], floor: Sequence[Cost]) -> Line:
    """Return the line of what one reply costs on both sides: Python and PostgreSQL."""
    return Line(what, _show(ours), _show(floor))


def _show(costs: Sequence[Cost]) -> str:
    return f"{median(c.server for c in costs):.0f} + {median(c.postgres for c in costs):.0f} us"


def _postgres(database_url: str) -> Mapping[int, float]:
    """Return the processor time so far of every process of PostgreSQL that can be seen from inside it."""
    with psycopg.connect(database_url) as conn:
        own = conn.info.backend_pid
        pids = [row[0] for row in conn.execute("SELECT pid FROM pg_stat_activity")]
    return {pid: _seconds(pid) for pid in pids if pid != own}


def _seconds(pid: int) -> float:
    """Return the processor time of a process so far."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICK
