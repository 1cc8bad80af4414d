"""What can be wrong with a tenant's rows, as one table, and the count of what is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, LiteralString, NamedTuple

#: Differences of a kind that are named; of the others it is said how many there are.
NAMED: Final = 20


class _Row(NamedTuple):
    """The name in results, the sentence, and whether it follows from something that is there, so that it can be made anew."""

    called: str
    sentence: str
    derived: bool


class Kind(Enum):
    """A kind of difference. docs/operations.md has a line for each."""

    DEFINITIONS = _Row("definitions", "the tenant's policy, schemas and resource types cannot be read", False)
    TYPE = _Row("type", "the resource is of a type that the tenant does not have", False)
    DOCUMENT = _Row("document", "the document cannot be read, or is another resource's", False)
    MISSING = _Row("missing", "the audit trail says that the resource is there, and it is not", False)
    HISTORY = _Row("history", "the newest change in the audit trail left another version than the resource has", False)
    SEARCH = _Row("search", "the search document, or the name that others show, does not follow from the document", True)
    UNIQUE_MISSING = _Row("unique-missing", "a value that must be unique is claimed by nobody, or by another resource", True)
    UNIQUE_STRAY = _Row("unique-stray", "a value is claimed by a resource that does not have it, or is not there", True)
    INDEX_MISSING = _Row("index-missing", "an index lacks a value of a resource", True)
    INDEX_STRAY = _Row("index-stray", "an index has a value that no resource has there", True)
    REFERENCE_MISSING = _Row("reference-missing", "a reference in a document has no row, so that it is not seen from the other side", True)
    REFERENCE_STRAY = _Row("reference-stray", "a reference is not in the document, or one of its ends is not there", True)
    NESTED = _Row("nested", "there are references to what has references itself, and reads do not look for them", True)
    COUNT = _Row("count", "the number of a type's resources is wrong", True)
    SECRET = _Row("secret", "there is a secret of no resource", True)
    AWARD = _Row("award", "the row by which an award is looked up does not follow from its document, or has none", True)
    STATUS = _Row("status", "the published list does not say of an award that it is revoked, or has lost its place", True)
    CREDENTIAL = _Row("credential", "a credential was issued for an award that is not there", False)
    TOMBSTONE = _Row("tombstone", "a deleted resource is not found by the name that it had", True)
    AUDIT = _Row("audit", "the audit chain is broken: `scimsrv audit verify` says where", False)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something wrong: the id of a resource, or the name of a type where it is about none; the attribute or index, "" for none. Never a
    value. `fix` are the statement that puts it right and its parameters behind the tenant."""

    kind: Kind
    id: str
    of: str = ""
    fix: tuple[LiteralString, tuple[Any, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """Which resource or type it is about, and which attribute or index."""

    id: str
    of: str


@dataclass
class Found:
    """How many differences of a kind there are, and some of them."""

    number: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass
class Tally:
    """Differences counted by kind, in the order of the table."""

    kinds: dict[Kind, Found] = field(default_factory=dict)

    def add(self, differences: Iterable[Difference]) -> None:
        """Count some more."""
        for one in differences:
            found = self.kinds.setdefault(one.kind, Found())
            found.number += 1
            if len(found.examples) < NAMED:
                found.examples.append(Example(one.id, one.of))

    @property
    def total(self) -> int:
        """How many there are of all kinds."""
        return sum(found.number for found in self.kinds.values())

    def documents(self) -> list[dict[str, Any]]:
        """As JSON shows it."""
        return [
            {
                "kind": kind.value.called,
                "what": kind.value.sentence,
                "derived": kind.value.derived,
                "number": self.kinds[kind].number,
                "examples": [{"id": one.id, "of": one.of} for one in self.kinds[kind].examples],
            }
            for kind in Kind
            if kind in self.kinds
        ]
