"""The pages name tests as their proof; those tests exist, and no pain that the pages promise to answer is left out.

The pictures that they show are those that the newcomer's walk takes.
"""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import screenshots

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
NAMED = re.compile(r"`(test_[a-z0-9_]+)`")
FILES = re.compile(r"`(tests/[\w/]*test_\w+\.py)`")
SHOWN = re.compile(r"!\[[^\]]+\]\(([^)]+)\)")
PAIN = re.compile(r"^\| (\d+) \|.*\| ([^|]+) \|$", re.MULTILINE)
PAINS = range(1, 24)
"""Those that lose money, and those that lose orders."""


@functools.cache
def existing_tests() -> set[str]:
    """The name of every test function, which is one of a module."""
    return {
        node.name
        for file in (ROOT / "tests").glob("**/test_*.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def answered() -> Iterator[tuple[int, list[str]]]:
    """Each pain of the page on the safety of money with the tests it names."""
    page = (ROOT / "docs/money-safety.md").read_text()
    section = page.split("## Pains A and B\n")[1].split("\n## ")[0]
    for number, shown in PAIN.findall(section):
        yield int(number), NAMED.findall(shown)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    assert set(NAMED.findall(text)) - existing_tests() == set()
    assert [name for name in FILES.findall(text) if not (ROOT / name).exists()] == []


def test_every_pain_has_its_line_in_order() -> None:
    assert [number for number, _ in answered()] == list(PAINS)


@pytest.mark.parametrize("number", PAINS)
def test_every_pain_has_a_test_of_its_name(number: int) -> None:
    named = dict(answered())[number]
    own = [name for name in named if re.match(rf"test_pain_(\d+_and_)?{number}_", name)]
    assert own, named
    assert set(own) <= existing_tests()


def test_the_pictures_shown_are_those_of_the_walk() -> None:
    taken = [file for name in screenshots.NAMES for file in screenshots.files(name)]
    shown = [picture for page in PAGES for picture in SHOWN.findall(page.read_text()) if picture.endswith(".png")]
    assert sorted(shown) == sorted(f"screenshots/{file}" for file in taken)
    assert sorted(path.name for path in screenshots.FOLDER.iterdir()) == sorted(taken)
