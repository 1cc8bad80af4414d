"""The schemas and resource types that a tenant starts with (RFC 7643 §8.6, §8.7), and those of badges, as data."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

Definition = dict[str, Any]

_NOT_SCHEMAS: Final = frozenset({"common.json", "resource_types.json"})


@dataclass(frozen=True, slots=True)
class Definitions:
    """schemas by URN and resource types, as discovery serves them; common: the attributes of every resource (RFC 7643 §3.1)."""

    schemas: Mapping[str, Definition]
    resource_types: tuple[Definition, ...]
    common: tuple[Definition, ...]


def refers_only_to(attribute: Definition, names: Collection[str]) -> bool:
    """Whether the attribute, as `groups` of users does, can refer to resources of these types and of no others."""
    targets = {name for sub in (attribute, *attribute.get("subAttributes", ())) for name in sub.get("referenceTypes", ())}
    return bool(targets) and targets <= set(names)


@cache
def load_definitions() -> Definitions:
    """Read the definitions that ship with the program; the result is shared and must not be changed."""
    return _read(files(__name__))


@cache
def load_badges() -> Definitions:
    """Read the definitions that a tenant gets when it turns badges on; shared like the others. An extension's URN says that of what."""
    return _read(files(__name__) / "badges")


def is_of_badges(urn: str) -> bool:
    """Whether this is the URN, in any case, of a schema of badges."""
    return urn.lower() in _badge_urns()


@cache
def _badge_urns() -> frozenset[str]:
    return frozenset(urn.lower() for urn in load_badges().schemas)


def _read(folder: Traversable) -> Definitions:
    schemas = [
        _json(entry)
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".json") and entry.name not in _NOT_SCHEMAS
    ]
    return Definitions(
        schemas={schema["id"]: schema for schema in schemas},
        resource_types=tuple(_json(folder / "resource_types.json")),
        common=tuple(_json(files(__name__) / "common.json")),
    )


def _json(file: Traversable) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))
