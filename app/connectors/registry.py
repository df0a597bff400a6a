"""A file in this folder is a connector and its name the kind; nothing is listed anywhere."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType, ModuleType
from typing import Any

import httpx2
from pydantic import SecretStr

import app.connectors
from app.connectors.base import Connector, ConnectorConfig, Wording
from app.connectors.http import SupplierHttp

_NOT_KINDS = frozenset({"base", "errors", "http", "registry"})


@cache
def kinds() -> Mapping[str, type[Connector[Any]]]:
    """Return every connector class by its kind, in alphabetical order."""
    names = sorted(module.name for module in pkgutil.iter_modules(app.connectors.__path__))
    return MappingProxyType(
        {
            name: _connector_in(importlib.import_module(f"{app.connectors.__name__}.{name}"))
            for name in names
            if not name.startswith("_") and name not in _NOT_KINDS
        }
    )


def build(
    kind: str,
    config: Mapping[str, object],
    *,
    wording: Wording | None = None,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> Connector[Any]:
    """Return a connector of ``kind`` with its own HTTP client; close it with ``await connector.http.aclose()``.

    KeyError for an unknown kind, pydantic's ValidationError (a ValueError that never quotes the input) for a config
    that the kind does not take. ``wording`` is read before the kind's own. ``transport`` replaces the network in tests.
    """
    connector = _class_of(kind)
    checked = connector.config_type.model_validate(config)
    secrets = [
        value.get_secret_value()
        for name in type(checked).model_fields
        if isinstance(value := getattr(checked, name), SecretStr)
    ]
    built = connector(checked, SupplierHttp(secrets=secrets, transport=transport, read_seconds=checked.read_seconds))
    built.wording = wording or Wording()
    return built


def secret_names(kind: str) -> frozenset[str]:
    """Return the names of the config values that are secrets; KeyError for an unknown kind."""
    return frozenset(
        name for name, info in _config_of(kind).model_fields.items() if info.annotation in {SecretStr, SecretStr | None}
    )


def schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of the kind's config, from which forms are drawn; KeyError for an unknown kind."""
    return _config_of(kind).model_json_schema()


def _config_of(kind: str) -> type[ConnectorConfig]:
    return _class_of(kind).config_type


def _class_of(kind: str) -> type[Connector[Any]]:
    known = kinds()
    if kind not in known:
        raise KeyError(f"no connector kind {kind[:40]!r}; there are: {', '.join(known)}")
    return known[kind]


def _connector_in(module: ModuleType) -> type[Connector[Any]]:
    """The one connector class that ``module`` itself defines; TypeError for a file without one or with two."""
    found = [
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Connector) and item.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TypeError(f"{module.__name__} must define exactly one connector, not {len(found)}")
    return found[0]
