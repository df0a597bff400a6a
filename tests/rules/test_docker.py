"""The Docker files hold together as far as that can be told without an engine."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import Settings

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SECRET_NAMES = re.compile("SECRET|PASSWORD|TOKEN|_KEY", re.IGNORECASE)


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (instruction, the rest), continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def compose() -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def ours() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in compose()["services"].items() if service["image"] == "trunkline"}


def run(*command: str | Path) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_linter_finds_nothing() -> None:
    run(BIN / "hadolint", "--no-color", "Dockerfile")


def test_the_compose_file_fits_the_compose_specification() -> None:
    run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")


def test_the_image_is_pinned_runs_unprivileged_and_looks_after_itself() -> None:
    found = dict(instructions())
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", found["FROM"])
    assert found["USER"].isdigit()
    assert found["USER"] != "0"
    assert "/healthz" in found["HEALTHCHECK"]
    order = [name for name, _ in instructions()]
    assert order.index("USER") > max(at for at, name in enumerate(order) if name == "RUN")
    assert "ADD" not in order


def test_the_health_check_is_a_program_python_accepts() -> None:
    program = json.loads(dict(instructions())["HEALTHCHECK"].split("CMD ", 1)[1])
    assert program[:2] == ["python", "-c"]
    compile(program[2], "healthcheck", "exec")


def test_the_dependencies_are_the_locked_ones_and_the_project_adds_none() -> None:
    installs = [text for name, text in instructions() if name == "RUN" and "pip install" in text]
    assert len(installs) == 2
    assert "--require-hashes --requirement requirements-run.lock" in installs[0]
    assert "--no-deps --no-build-isolation" in installs[1]


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [source for name, text in instructions() if name == "COPY" for source in text.split()[:-1]]
    assert set(copied) == allowed
    assert [source for source in copied if not (ROOT / source).exists()] == []


def test_no_secret_is_written_down() -> None:
    for name, text in instructions():
        assert not (name in {"ENV", "ARG"} and SECRET_NAMES.search(text)), text
    for service in compose()["services"].values():
        for name, value in service.get("environment", {}).items():
            assert not SECRET_NAMES.search(name) or str(value).startswith("${"), f"{name} must come from .env"


def test_what_is_set_is_a_setting() -> None:
    names = {name.upper() for name in Settings.model_fields}
    for service in ours().values():
        assert set(service["environment"]) <= names
    last = [text for name, text in instructions() if name == "ENV"][-1]
    assert {pair.split("=")[0] for pair in last.split()} <= names


def test_everything_waits_for_what_it_needs() -> None:
    services = compose()["services"]
    assert set(services) == {"api", "worker", "migrate", "postgres", "redis"}
    for name in ("api", "worker"):
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert services[name]["depends_on"]["postgres"] == {"condition": "service_healthy"}
    assert services["migrate"]["restart"] == "no"
    for name in ("postgres", "redis"):
        assert "healthcheck" in services[name]
        assert "ports" not in services[name], "nobody outside has business there"


@pytest.mark.parametrize("name", ["api", "worker", "migrate"])
def test_the_commands_exist(name: str) -> None:
    program, *arguments = compose()["services"][name]["command"]
    assert program == "trunkline"
    run(sys.executable, "-m", "app", *arguments, "--help")


def test_the_production_lock_is_a_part_of_the_whole_lock() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^\S+==\S+.*?(?= \\$)", (ROOT / name).read_text(), flags=re.MULTILINE))

    whole, part = pins("requirements.lock"), pins("requirements-run.lock")
    assert part
    assert {pin.split(" ;")[0] for pin in part} <= {pin.split(" ;")[0] for pin in whole}


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-run.lock"])
def test_a_lock_names_no_place(name: str) -> None:
    text = (ROOT / name).read_text()
    assert re.findall(r"://|--(?:extra-)?index-url|--find-links|(?<![\w-])/\w+/", text) == []
    unhashed = [line for line in text.splitlines() if re.match(r"\S+==", line) and not line.endswith("\\")]
    assert unhashed == []
