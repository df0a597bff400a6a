"""Imports point down, and settings travel as arguments."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


@functools.cache
def names() -> dict[str, set[str]]:
    """The modules of the program in which each name or attribute occurs."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            named = getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "name", None)
            if named is not None:
                found.setdefault(named, set()).add(path.relative_to(ROOT / "app").as_posix())
    return found


def mentions(name: str) -> set[str]:
    """The modules of the program in which ``name`` occurs as a name or an attribute."""
    return names().get(name, set())


def test_imports_point_down_and_every_module_has_a_place() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def starts_a_process(path: str) -> bool:
    return path.startswith("cli/") or path.endswith("__main__.py")


def test_only_a_starting_process_loads_settings() -> None:
    elsewhere = {path for path in mentions("load_settings") if not starts_a_process(path)}
    assert elsewhere <= {"settings.py", "main.py"}


def test_only_the_settings_and_a_starting_process_read_the_environment() -> None:
    elsewhere = {path for path in mentions("environ") | mentions("getenv") if not starts_a_process(path)}
    # The server that we start gets our environment without libpq's variables.
    assert elsewhere <= {"embedded/account.py"}


def test_no_module_keeps_settings() -> None:
    kept = []
    for path in (ROOT / "app").rglob("*.py"):
        for statement in ast.parse(path.read_text()).body:
            value = getattr(statement, "value", None)
            if isinstance(value, ast.Call) and getattr(value.func, "id", "") in {"Settings", "load_settings"}:
                kept.append(path.name)
    assert kept == []
