"""JSON from strangers, read only where every reader would see the same in it (RFC 8259 §4, RFC 7493)."""

from __future__ import annotations

from typing import Any, Final

from scimsrv.errors import ScimError
from scimsrv.limits import Limits
from scimsrv.protocol.body import read_object

#: What a foreign credential may have; its size is bounded by who reads it.
_LIMITS: Final = Limits(json_depth=24, json_keys=500, json_containers=5_000, json_values=20_000)


#: What a token or a proof adds to a credential, of each of these.
_ADDED: Final = 50


class UnreadableError(ValueError):
    """A foreign document cannot be read; the message says why."""


def read_json(body: bytes) -> dict[str, Any]:
    """The object in a foreign document. Raises UnreadableError for what is not JSON, is ambiguous (a name twice), or too large."""
    try:
        return read_object(body, _LIMITS)
    except ScimError as problem:
        raise UnreadableError(problem.sentence) from problem


def is_readable(text: str) -> bool:
    """Whether a document that is made here, which has no name twice, has few enough parts to be read once it is signed. Quick, since it is
    asked of everything that is issued."""
    containers, values = text.count("{") + text.count("["), text.count(",")
    return containers + _ADDED <= _LIMITS.json_containers and values + _ADDED <= _LIMITS.json_values
