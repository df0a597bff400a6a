"""How many calls of which sort were made and how long they took: for information, nothing is judged by it."""

from collections import defaultdict

from bench.report import percentile


class Calls:
    """The calls of all clients, by what they ask for."""

    def __init__(self) -> None:
        self._took: defaultdict[str, list[float]] = defaultdict(list)
        self._counting = True

    def note(self, what: str, seconds: float) -> None:
        """Count a call that was answered after ``seconds``."""
        if self._counting:
            self._took[what].append(seconds)

    def close(self) -> None:
        """Count nothing more."""
        self._counting = False

    def __len__(self) -> int:
        return sum(len(took) for took in self._took.values())

    @property
    def sorts(self) -> list[str]:
        """What was asked for, each once."""
        return sorted(self._took)

    def table(self, seconds: float) -> str:
        """Return calls, calls a second and latencies as a table, for a load that took ``seconds``."""
        everything = [one for took in self._took.values() for one in took]
        rows = [(what, took) for what, took in sorted(self._took.items())] + [("all", everything)]
        width = max(len(what) for what, _ in rows)
        lines = [
            f"| {'call':{width}} | calls | calls/s | p50, ms | p95, ms |",
            f"| {'-' * width} | ----: | ------: | ------: | ------: |",
            *(f"| {what:{width}} | {_figures(took, seconds)} |" for what, took in rows),
        ]
        return "\n".join(lines)


def _figures(took: list[float], seconds: float) -> str:
    middle, most = (percentile(took, share) * 1000 for share in (0.5, 0.95)) if took else (0.0, 0.0)
    return f"{len(took):>5} | {len(took) / seconds:>7.1f} | {middle:>7.0f} | {most:>7.0f}"
