"""A supplier that really speaks DHRU 6.1 over HTTP, for the demo, the tests and the bench.

It sells a small catalogue, keeps its orders in SQLite so that they survive a restart, and delivers after a while. It
never refuses a duplicate: whoever buys twice is seen to have bought twice, in ``GET /simulator/stats``.
"""

from app.simulator.server import build_simulator
from app.simulator.supplier import DEFAULT_API_KEY

__all__ = ["DEFAULT_API_KEY", "build_simulator"]
