"""What is wrong with a chain: seal by seal, naming each row that is not what was sealed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson

from scimsrv.audit.chain import SIZE, START, Row, Seal, digest, is_authentic, link, record

#: The operations that take from a chain what it had: the beginning by the tenant's policy, and the values of a resource.
TRUNCATE: Final = "truncate"
ERASE: Final = "erase"


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding: the row's number and its position in the chain, None where it is about a seal or about no position, and what is wrong."""

    seq: int | None
    position: int | None
    what: str


@dataclass(slots=True)
class Verifier:
    """Goes along a tenant's chain. What erasures and truncations say of it comes later in it, so that some is judged at the end."""

    tenant: int
    keys: Sequence[bytes]
    problems: list[Problem] = field(default_factory=list)
    rows: int = 0
    erased: int = 0
    first: Seal | None = None
    last: Seal | None = None
    _without: list[tuple[int, int, str]] = field(default_factory=list)
    _erasures: dict[str, int] = field(default_factory=dict)
    _anchors: set[tuple[int, int, str]] = field(default_factory=set)

    def add(self, sealed: Seal, held: Mapping[int, Row]) -> None:
        """The next seal, with the rows that there are of those that it names."""
        self._join(sealed)
        whole = len(sealed.digests) == len(sealed.hashes) == SIZE * len(sealed.seqs) > 0
        if not whole or not is_authentic(self.tenant, sealed, self.keys):
            self.find(None, sealed.position, f"seal {sealed.number} was not made, as it is, by a server with this secret key")
        if whole:
            self._rows(sealed, held)
        self.first = self.first or sealed
        self.last = sealed

    def finish(self) -> None:
        """Judge what only the whole chain can tell."""
        first = self.first
        if first is not None and first.number > 1 and (first.number - 1, first.position - 1, first.previous.hex()) not in self._anchors:
            self.find(None, first.position, "what was before is missing, and nothing in the chain says that it was truncated here")
        for seq, position, id_ in self._without:
            if self._erasures.get(id_, 0) > position:
                self.erased += 1
            else:
                self.find(seq, position, "its values are missing, and nothing in the chain says that they were erased")
        self.problems.sort(key=lambda problem: (problem.position is None, problem.position or 0))

    def _join(self, sealed: Seal) -> None:
        last = self.last
        if last is None:
            if sealed.number == 1 and (sealed.position != 1 or sealed.previous != START):
                self.find(None, sealed.position, "the chain does not begin at its beginning")
        elif sealed.number != last.number + 1:
            between = f"{last.number + 1} to {sealed.number - 1}" if sealed.number > last.number + 2 else str(last.number + 1)
            self.find(None, last.last, f"seal {between} is missing")
        elif sealed.previous != last.head or sealed.position != last.last + 1:
            self.find(None, sealed.position, f"seal {sealed.number} does not continue the one before it")

    def _rows(self, sealed: Seal, held: Mapping[int, Row]) -> None:
        previous = sealed.previous
        for number, seq in enumerate(sealed.seqs):
            position, place = sealed.position + number, slice(number * SIZE, (number + 1) * SIZE)
            row, kept, hash_ = held.get(seq), sealed.digests[place], sealed.hashes[place]
            self.rows += 1
            if row is None:
                self.find(seq, position, "it is missing")
            elif link(previous, record(self.tenant, position, row, kept)) != hash_:
                self.find(seq, position, "it is not what was sealed")
            elif digest(row) != kept:
                if row.content is None and row.salt is None:
                    self._without.append((seq, position, row.id))
                else:
                    self.find(seq, position, "its values are not those that were sealed")
            else:
                self._note(row, position)
            previous = hash_

    def _note(self, row: Row, position: int) -> None:
        if row.operation == ERASE:
            self._erasures[row.id] = position
        elif row.operation == TRUNCATE and row.diff is not None:
            self._anchors.update(_anchor(row.diff))

    def find(self, seq: int | None, position: int | None, what: str) -> None:
        """Add a finding."""
        self.problems.append(Problem(seq, position, what))


def anchor(sealed: Seal) -> str:
    """What the row of a truncation says: the last seal that went, where it ended, and its hash."""
    return orjson.dumps({"seal": sealed.number, "position": sealed.last, "hash": sealed.head.hex()}).decode()


def _anchor(diff: str) -> Iterator[tuple[int, int, str]]:
    said = orjson.loads(diff)
    if isinstance(said, dict) and said.keys() >= {"seal", "position", "hash"}:
        yield said["seal"], said["position"], said["hash"]
