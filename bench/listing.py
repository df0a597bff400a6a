"""The service list of a warm server, against the same bytes from memory."""

import httpx2

from bench import wire
from bench.report import Line
from bench.stage import Stage
from bench.turns import Side, in_turns

TARGET = 0.8


def measure(stage: Stage) -> list[Line]:
    """Return lists per second of both sides."""
    size = _hand_to_floor(stage)
    requests = [wire.call(buyer, "imeiservicelist") for buyer in stage.buyers(stage.scale.lists)]
    floor_requests = [wire.post("/kept", b"{}", "application/json")] * stage.scale.lists
    ours = Side(stage.server, b'"SERVICES"', lambda: requests)
    floor = Side(stage.floor, b'"SERVICES"', lambda: floor_requests)
    what = f"service list, {stage.scale.services} services, {size / 1e6:.1f} MB"
    return in_turns(stage, ours, floor).lines(what, target=TARGET, unit="lists/s")


def _hand_to_floor(stage: Stage) -> int:
    """Give the floor our list to keep; return its size in bytes."""
    buyer = stage.shop.buyers[0]
    form = {"username": buyer.username, "apiaccesskey": buyer.key, "action": "imeiservicelist"}
    with httpx2.Client(timeout=30, trust_env=False) as client:
        reply = client.post(f"http://127.0.0.1:{stage.server.port}/api/index.php", data=form).raise_for_status()
        listed = sum(len(group["SERVICES"]) for group in reply.json()["SUCCESS"][0]["LIST"].values())
        if listed != stage.scale.services:
            raise RuntimeError(f"the list has {listed} services instead of {stage.scale.services}")
        client.put(f"http://127.0.0.1:{stage.floor.port}/kept", content=reply.content).raise_for_status()
    return len(reply.content)
