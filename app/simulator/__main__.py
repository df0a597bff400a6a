"""Run the simulator by itself: ``python -m app.simulator --port 9100 --data var/simulator.sqlite``."""

import argparse
import os
from pathlib import Path

import uvicorn

from app.simulator import DEFAULT_API_KEY, build_simulator


def main() -> None:
    """Serve on loopback until SIGTERM or Ctrl-C; the orders stay in the data file."""
    parser = argparse.ArgumentParser(prog="python -m app.simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--data", default=":memory:", help="SQLite file that keeps the orders; default: none kept")
    parser.add_argument("--username", default="simulator")
    parser.add_argument("--accept-seconds", type=float, default=0.0, help="how long an order's reply takes")
    parser.add_argument("--work-seconds", type=float, default=3.0, help="how long an order takes")
    arguments = parser.parse_args()
    if arguments.data != ":memory:":
        Path(arguments.data).parent.mkdir(parents=True, exist_ok=True)
    simulator = build_simulator(
        arguments.data,
        username=arguments.username,
        # Not an argument, because arguments are visible to every user of the machine.
        api_key=os.environ.get("SIMULATOR_API_KEY") or DEFAULT_API_KEY,
        accept_seconds=arguments.accept_seconds,
        work_seconds=arguments.work_seconds,
    )
    uvicorn.run(simulator, host=arguments.host, port=arguments.port, access_log=False, log_level="warning")


main()
