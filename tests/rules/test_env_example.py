"""``.env.example`` lists exactly the settings, in their order, with their descriptions and defaults."""

from enum import Enum
from pathlib import Path
from typing import Any

from app.settings import Settings, load_settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def shown(default: Any) -> str:
    if default is None or default == ():
        return ""
    if isinstance(default, Path):
        return f"./{default}"
    if isinstance(default, tuple):
        return ",".join(str(part) for part in default)
    return str(default.value if isinstance(default, Enum) else default)


def entries() -> list[tuple[str, str, str]]:
    """The file as (name, value, comment above it); a block of comment that no variable follows is an introduction."""
    found = []
    comment: list[str] = []
    for line in EXAMPLE.read_text().splitlines():
        if line.startswith("#"):
            comment.append(line.removeprefix("#").strip())
        elif line:
            name, _, value = line.partition("=")
            found.append((name, value, " ".join(comment)))
            comment = []
        else:
            comment = []
    return found


def test_the_example_says_what_the_settings_say() -> None:
    expected = [
        (name.upper(), shown(field.default), field.description) for name, field in Settings.model_fields.items()
    ]
    assert entries() == expected


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_example_itself_loads_to_the_defaults(tmp_path: Path) -> None:
    settings = load_settings(EXAMPLE, var_dir=tmp_path)
    assert settings.replace(secret_key=None) == Settings(_env_file=None, var_dir=tmp_path)
