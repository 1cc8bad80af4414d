"""RDF Dataset Canonicalization (RDFC-1.0): one text for each set of statements, however its blank nodes are called.

A dataset can be built so that finding its canonical form takes longer than anybody waits; the work is counted, and given up in time.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from itertools import permutations
from typing import Final, NamedTuple

#: Orders of blank nodes that are tried; a credential with parts that look alike needs some dozens.
_MOST_WORK: Final = 4_000

#: Statements of a dataset.
_MOST_QUADS: Final = 20_000


class TooComplexError(ValueError):
    """Finding the canonical form would take too much work."""


class Quad(NamedTuple):
    """A statement: each part in N-Quads, a blank node as `_:name`, the default graph as an empty text."""

    subject: str
    predicate: str
    object: str
    graph: str


_ESCAPES: Final = {
    **{code: f"\\u{code:04X}" for code in (*range(0x20), 0x7F)},
    **dict(zip(b'\b\t\n\f\r"\\', ("\\b", "\\t", "\\n", "\\f", "\\r", '\\"', "\\\\"), strict=True)),
}


def iri(value: str) -> str:
    """An IRI in canonical N-Quads."""
    return f"<{value}>"


def literal(value: str, datatype: str | None = None, language: str | None = None) -> str:
    """A literal in canonical N-Quads (RDFC-1.0 §A)."""
    text = f'"{value.translate(_ESCAPES)}"'
    if language is not None:
        return f"{text}@{language}"
    if datatype is None or datatype == "http://www.w3.org/2001/XMLSchema#string":
        return text
    return f"{text}^^{iri(datatype)}"


def canonical(quads: Iterable[Quad]) -> str:
    """The canonical N-Quads of a dataset. Raises TooComplexError."""
    return _Canonicalization(frozenset(quads)).text()


class _Issuer:
    """Gives names to blank nodes in the order in which it is asked."""

    def __init__(self, prefix: str, issued: dict[str, str] | None = None) -> None:
        self.prefix = prefix
        self.issued = issued or {}

    def copy(self) -> _Issuer:
        return _Issuer(self.prefix, dict(self.issued))

    def issue(self, node: str) -> str:
        name = self.issued.get(node)
        if name is None:
            name = self.issued[node] = f"_:{self.prefix}{len(self.issued)}"
        return name


def _is_blank(term: str) -> bool:
    return term.startswith("_:")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _line(quad: Quad, name: dict[str, str] | defaultdict[str, str]) -> str:
    subject = name[quad.subject] if _is_blank(quad.subject) else quad.subject
    object_ = name[quad.object] if _is_blank(quad.object) else quad.object
    graph = name[quad.graph] if _is_blank(quad.graph) else quad.graph
    return f"{subject} {quad.predicate} {object_} {graph} .\n" if graph else f"{subject} {quad.predicate} {object_} .\n"


class _Canonicalization:
    """The state of the algorithm (RDFC-1.0 §4.2): statements by blank node, and the names given so far."""

    def __init__(self, quads: frozenset[Quad]) -> None:
        if len(quads) > _MOST_QUADS:
            raise TooComplexError(f"the document makes more than {_MOST_QUADS} statements")
        self._quads = quads
        self._of: dict[str, list[Quad]] = defaultdict(list)
        for quad in quads:
            for node in {quad.subject, quad.object, quad.graph}:
                if _is_blank(node):
                    self._of[node].append(quad)
        self._first = {node: self._first_degree(node) for node in self._of}
        self._canonical = _Issuer("c14n")
        self._work = 0

    def text(self) -> str:
        """The whole algorithm (§4.4.3)."""
        alike: dict[str, list[str]] = defaultdict(list)
        for node, digest in self._first.items():
            alike[digest].append(node)
        rest = []
        for digest in sorted(alike):
            if len(alike[digest]) == 1:
                self._canonical.issue(alike[digest][0])
            else:
                rest.append(alike[digest])
        for nodes in rest:
            found = []
            for node in nodes:
                if node not in self._canonical.issued:
                    issuer = _Issuer("b")
                    issuer.issue(node)
                    found.append(self._n_degree(node, issuer))
            for _, issuer in sorted(found, key=lambda one: one[0]):
                for node in issuer.issued:
                    self._canonical.issue(node)
        return "".join(sorted(_line(quad, self._canonical.issued) for quad in self._quads))

    def _first_degree(self, node: str) -> str:
        """§4.6: what the node's statements say when every other blank node looks the same."""
        names = defaultdict(lambda: "_:z", {node: "_:a"})
        return _hash("".join(sorted(_line(quad, names) for quad in self._of[node])))

    def _related(self, related: str, quad: Quad, issuer: _Issuer, position: str) -> str:
        """§4.7: a neighbour, by its place in the statement."""
        name = self._canonical.issued.get(related) or issuer.issued.get(related) or self._first[related]
        return _hash(position + ("" if position == "g" else quad.predicate) + name)

    def _n_degree(self, node: str, issuer: _Issuer) -> tuple[str, _Issuer]:
        """§4.8: the node by all that can be reached from it, in the least of the orders in which that can be told."""
        neighbours: dict[str, list[str]] = defaultdict(list)
        for quad in self._of[node]:
            for position, other in (("s", quad.subject), ("o", quad.object), ("g", quad.graph)):
                if _is_blank(other) and other != node:
                    neighbours[self._related(other, quad, issuer, position)].append(other)
        data = ""
        for digest in sorted(neighbours):
            data += digest
            chosen: tuple[str, _Issuer] | None = None
            for order in permutations(neighbours[digest]):
                self._work += 1
                if self._work > _MOST_WORK:
                    raise TooComplexError("the document's parts are too much alike: finding its canonical form takes too long")
                found = self._path(order, issuer.copy(), chosen[0] if chosen else None)
                if found is not None and (chosen is None or found[0] < chosen[0]):
                    chosen = found
            if chosen is not None:
                data += chosen[0]
                issuer = chosen[1]
        return _hash(data), issuer

    def _path(self, order: Iterable[str], issuer: _Issuer, least: str | None) -> tuple[str, _Issuer] | None:
        """The path through the neighbours in one order, or None as soon as it cannot be the least."""
        path, deeper = "", []
        for other in order:
            if other in self._canonical.issued:
                path += self._canonical.issued[other]
            else:
                if other not in issuer.issued:
                    deeper.append(other)
                path += issuer.issue(other)
            if least is not None and len(path) >= len(least) and path > least:
                return None
        for other in deeper:
            digest, reached = self._n_degree(other, issuer)
            path += f"{issuer.issue(other)}<{digest}>"
            issuer = reached
            if least is not None and len(path) >= len(least) and path > least:
                return None
        return path, issuer
