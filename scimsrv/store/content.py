"""What the trail keeps of a change: the values before and after as JSON, without secrets, which no document has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from scimsrv.schema.document import Document

#: Ids of a link that are named; of more it is said how many.
NAMED: Final = 1_000

#: Longer lists are compared element by element, so that a change of one costs one.
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of the rows of a link: how many were `added` and `removed`, and some of their targets."""

    added: Sequence[str] = ()
    removed: Sequence[str] = ()
    number_added: int = 0
    number_removed: int = 0

    def __bool__(self) -> bool:
        return self.number_added + self.number_removed > 0


def with_links(document: Document, links: Mapping[str, Sequence[str]]) -> str | None:
    """What is kept of a resource that is created with links; None for one without, of which the document is kept as it is."""
    given = {name: _moved(Moved(added=ids[:NAMED], number_added=len(ids))) for name, ids in links.items() if ids}
    return orjson.dumps(document | given).decode() if given else None


def differences(before: Document, after: Document, links: Mapping[str, Moved]) -> str:
    """What is kept of an update: for each attribute that differs [before, after], of links and long lists what was added and removed."""
    names = (name for name in {**before, **after} if before.get(name) != after.get(name))
    found: dict[str, Any] = {name: _difference(before.get(name), after.get(name)) for name in names}
    return orjson.dumps(found | {name: _moved(moved) for name, moved in links.items()}).decode()


def unlinked(names: Iterable[str], id_: str) -> str:
    """What is kept of a resource whose links lose one target."""
    return orjson.dumps({name: {"removed": [id_]} for name in names}).decode()


def _difference(before: Any, after: Any) -> Any:
    if not (isinstance(before, list) and isinstance(after, list)) or max(len(before), len(after)) <= _SHOWN:
        return [before, after]
    had, has = ({orjson.dumps(one, option=orjson.OPT_SORT_KEYS): one for one in values} for values in (before, after))
    return {
        "added": [one for key, one in has.items() if key not in had],
        "removed": [one for key, one in had.items() if key not in has],
    }


def _moved(moved: Moved) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for name, ids, number in (("added", moved.added, moved.number_added), ("removed", moved.removed, moved.number_removed)):
        if number:
            said[name] = list(ids)
        if number > len(ids):
            said[f"{name}_in_all"] = number
    return said
