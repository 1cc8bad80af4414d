"""The sentence that a person reads, made of an entry when it is read: "Entra ID added Ana Lima to Sales"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from scimsrv.activity.entry import Entry
from scimsrv.activity.reasons import GONE, meaning
from scimsrv.visible import visible

#: Names and attributes that a sentence lists; of more it says how many.
_LISTED: Final = 3

_EXTENSION: Final = re.compile(r"^urn:.*:extension:([^:]+):")

_DONE: Final = {"create": "created", "replace": "replaced", "patch": "changed", "delete": "deleted", "restore": "brought back"}
_WANTED: Final = {
    "create": "a new {kind}",
    "replace": "a change of {one}",
    "patch": "a change of {one}",
    "delete": "the deletion of {one}",
    "read": "a look at {one}",
    "search": "a search for {kinds}",
}


def sentence(entry: Entry, who: str, names: Mapping[str, str]) -> str:
    """What happened, in one line. `who` is what the client is called; `names` are those of resources by id, as far as they are known
    now."""
    return visible(_sentence(entry, who, names))


def _sentence(entry: Entry, who: str, names: Mapping[str, str]) -> str:
    if entry.reason == GONE:
        return f"{who} went away before {_wanted(entry, names)} was answered"
    if entry.status >= 500:
        return f"{who} could not be answered: {_wanted(entry, names)} failed ({entry.detail or entry.status})"
    why = meaning(entry.reason)
    if entry.status >= 400 and why is not None:
        return f"{who} was not let in: {why}"
    if entry.status == 429:
        return f"{who} was told to wait with {_wanted(entry, names)}: {_said(entry)}"
    if entry.status >= 400:
        return f"{who} was refused {_wanted(entry, names)}: {_said(entry)}{_holder(entry, names)}"
    if entry.status == 202:
        return f"{who} asked for {_wanted(entry, names)}, which is carried out later"
    if entry.later:  # though the answer waited for it
        return f"{who} asked for {_wanted(entry, names)}, which has entries of its own"
    return f"{who} {_done(entry, names)}"


def _said(entry: Entry) -> str:
    return (entry.detail or entry.reason or str(entry.status)).rstrip(".")


def _holder(entry: Entry, names: Mapping[str, str]) -> str:
    """Who has the value that nobody else can have."""
    name = names.get(entry.resource or "")
    return f" ({name})" if name is not None and entry.scim_type == "uniqueness" else ""


def _wanted(entry: Entry, names: Mapping[str, str]) -> str:
    kind = entry.type or "resource"
    template = _WANTED.get(entry.op or "")
    if template is None:
        return f"{entry.method} {entry.route}"
    return template.format(kind=kind, kinds=_kinds(entry), one=_one(entry, names))


def _done(entry: Entry, names: Mapping[str, str]) -> str:
    one = _one(entry, names)
    match entry.op, entry.changed:
        case "search", _:
            return f"looked for {_kinds(entry)}"
        case "read", _:
            return f"looked at {one}"
        case None, None:
            return f"asked for {entry.method} {entry.route}"
        case "create", "restore":
            return f"created {one}, which was brought back"
        case "create", None:
            return f"was told again that {one} is created"
        case "create" | "delete" as op, _:
            return f"{_DONE[op]} {_named(entry, names)}"
        case (("replace" | "patch"), None):
            return f"changed nothing of {one}"
        case _, _:
            return _changed(entry, names, one)


def _changed(entry: Entry, names: Mapping[str, str], one: str) -> str:
    """What an update did: members that came and went, whether it is active, else which attributes."""
    said = []
    if entry.number_added:
        said.append(f"added {_listed(entry.added, entry.number_added, names)} to {one}")
    if entry.number_removed:
        said.append(f"removed {_listed(entry.removed, entry.number_removed, names)} from {one}")
    left_out = {"schemas", "members"} if said else {"schemas"} if len(entry.attributes) > 1 else set()
    rest = [_readable(name) for name in entry.attributes if name not in left_out]
    if "active" in rest and entry.active is not None:
        said.append(f"{'activated' if entry.active else 'deactivated'} {one}")
        rest.remove("active")
    if rest:
        shown = rest[:_LISTED]
        more = [] if len(rest) <= _LISTED else [f"{len(rest) - _LISTED} more"]
        said.append(f"changed {_and([*shown, *more])} of {one}")
    return _and(said) if said else f"changed {one}"


def _readable(attribute: str) -> str:
    """An attribute as people call it: an extension by the part of its URN that tells it from others."""
    found = _EXTENSION.search(attribute)
    return attribute if found is None else f"the extension {found[1]}"


def _one(entry: Entry, names: Mapping[str, str]) -> str:
    """The resource by its name, else by its id."""
    if entry.resource is None:
        return f"a {entry.type or 'resource'}"
    return names.get(entry.resource) or f"{entry.type or 'resource'} {entry.resource}"


def _named(entry: Entry, names: Mapping[str, str]) -> str:
    """The resource with its type."""
    name = names.get(entry.resource or "")
    return _one(entry, names) if name is None else f"{entry.type or 'resource'} {name}"


def _kinds(entry: Entry) -> str:
    return f"{entry.type}s" if entry.type and entry.type != "all" else "resources"


def _listed(ids: Sequence[str], number: int, names: Mapping[str, str]) -> str:
    shown = [names.get(id_) or id_ for id_ in ids[: _LISTED if number > _LISTED + 1 else number]]
    more = number - len(shown)
    return _and([*shown, f"{more} more"] if more else shown)


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
