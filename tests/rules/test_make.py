"""The commands that the README promises are there, and the CI script runs them."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "target", ["help", "setup", "demo", "test", "check", "bench", "crash", "load", "lock", "clean"]
)
def test_the_target_exists(target: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", target], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_an_old_python_is_told_so(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(
        ["make", "--file", ROOT / "Makefile", "setup", f"PYTHON={old}"],
        cwd=_copy_of_what_make_reads(tmp_path), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert not (tmp_path / "project" / ".venv").exists()


def test_the_ci_script_runs_the_linters_and_the_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    steps = [line.split()[1] for line in script.read_text().splitlines() if line.startswith("step ")]
    assert steps == ["setup", "check", "docs", "test"]


def _copy_of_what_make_reads(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    for name in ("requirements.lock", "pyproject.toml"):
        (project / name).write_text((ROOT / name).read_text())
    return project
