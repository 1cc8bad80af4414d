"""What only one badge resource may hold at a time, as keys beside those of unique attributes: they come and go with the document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from scimsrv.badges.award import REVOKED
from scimsrv.badges.catalogue import parent_of
from scimsrv.badges.request import PENDING
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.badging import ACHIEVEMENT, AWARD, REQUEST, URN
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema


class _Rule(NamedTuple):
    """The name under which keys are kept, which no attribute can have; what of a document is one; and the sentence for a second one."""

    name: str
    key: Callable[[Document], tuple[str, ...] | None]
    sentence: str


def _live(document: Document) -> tuple[str, ...] | None:
    if document.get("status") == REVOKED:
        return None
    return (document["recipient"]["value"], document["achievement"]["value"])


def _pending(document: Document) -> tuple[str, ...] | None:
    if document.get("status", PENDING) != PENDING or "requester" not in document:
        return None
    return (document["requester"]["value"], document["achievement"]["value"])


def _of_parent(document: Document) -> tuple[str, ...] | None:
    parent = parent_of(document)
    return (parent,) if document["kind"] in ("skill", "program") and parent is not None else None


#: Between the ids of a key; no id has one.
_SEPARATOR: Final = "\n"

_RULES: Final[Mapping[str, _Rule]] = {
    fold_name(URN + AWARD): _Rule("$live", _live, "The recipient has a live award of this achievement already"),
    fold_name(URN + REQUEST): _Rule("$pending", _pending, "The requester has a pending request for this achievement already"),
    fold_name(URN + ACHIEVEMENT): _Rule("$of", _of_parent, "parent: it has an achievement of its own already"),
}


def exclusive_keys(document: Document, schema: EffectiveSchema) -> list[tuple[str, str]]:
    """Name and key of what the resource holds to the exclusion of others of its type."""
    rule = _RULES.get(schema.base.key)
    held = None if rule is None else rule.key(document)
    return [] if rule is None or held is None else [(rule.name, _SEPARATOR.join(held))]


def live_key(recipient: str, achievement: str) -> str:
    """The key that a live award holds."""
    return _SEPARATOR.join((recipient, achievement))


def held_already(schema: EffectiveSchema, name: str) -> str:
    """What to say of a key, exclusive or of a unique attribute, that another resource of the type holds."""
    rule = _RULES.get(schema.base.key)
    if rule is not None and rule.name == name:
        return rule.sentence
    called = next((place.name for place in schema.unique if place.key == name), "a unique attribute")
    return f"{called} is already in use by another {schema.name}"
