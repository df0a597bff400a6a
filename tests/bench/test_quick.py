"""The bench does what it says: everything is really placed, asked after and delivered, and nothing stays behind."""

import multiprocessing

import psycopg
import pytest

from bench.__main__ import NAMES, main, run
from bench.scale import QUICK
from bench.stage import ground


def test_a_quick_run_measures_everything_and_leaves_nothing_behind() -> None:
    with ground(QUICK) as on:
        lines = {line.what: line for line in run(on, NAMES)}
        folder, stage_url = on.folder, on.postgres.url_for("stage")
        with psycopg.connect(stage_url) as conn:
            placed = conn.execute("SELECT count(*) FROM orders WHERE source = 'dhru'").fetchone()
            by_floor = conn.execute(
                "SELECT count(*) FROM orders WHERE source = 'bench' AND device NOT LIKE 'pgbench%'"
            ).fetchone()
        with psycopg.connect(on.postgres.url_for("dispatch")) as conn:
            states = conn.execute("SELECT state, count(*) FROM orders GROUP BY state").fetchall()

    # One turn to warm up and one that counts, on each side; what the latency was taken of comes on top.
    assert placed is not None
    assert placed[0] > 2 * QUICK.placings
    assert by_floor is not None
    assert by_floor[0] - QUICK.old_orders == placed[0]
    assert states == [("completed", QUICK.dispatches)]
    for what in (
        "place one order",
        "status of one order",
        "status of 100 orders",
        "service list, 100 services, 0.1 MB",
    ):
        ratio = lines[what].ratio
        assert ratio is not None
        assert ratio > 0
    assert f"dispatch and poll, one worker, {QUICK.dispatches} orders" in lines
    assert f"catalogue sync, {QUICK.catalogue} services, all new" in lines
    assert f"audit, {QUICK.transfers:,} transfers, {QUICK.transfers * 2 // 5:,} orders" in lines
    assert not folder.exists()
    assert multiprocessing.active_children() == []
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(stage_url)


def test_what_is_not_there_cannot_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "place,everything"])
    assert "not everything" in capsys.readouterr().err
