"""Every way a request can fail, as one exception over one table of kinds (RFC 7644 §3.12, RFC 9865 §2.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class Row(NamedTuple):
    """HTTP status, scimType (None where RFC 7644 and RFC 9865 have no word for it) and the sentence used when no detail is given."""

    status: int
    scim_type: str | None
    sentence: str


class Kind(Enum):
    """The kinds of failure. docs/errors.md is compared with this table by a test."""

    INVALID_FILTER = Row(400, "invalidFilter", "The filter cannot be read, or does not fit the schema.")
    TOO_MANY = Row(400, "tooMany", "The query costs more than the server allows.")
    UNIQUENESS = Row(409, "uniqueness", "Another resource already holds this value.")
    MUTABILITY = Row(400, "mutability", "The attribute may not be changed.")
    INVALID_SYNTAX = Row(400, "invalidSyntax", "The request body cannot be read, or is not a message of the expected kind.")
    INVALID_PATH = Row(400, "invalidPath", "The path cannot be read, or names no attribute of the schema.")
    NO_TARGET = Row(400, "noTarget", "The operation has no target, or its target does not exist.")
    INVALID_VALUE = Row(400, "invalidValue", "A value is missing, or does not fit the attribute.")
    INVALID_CURSOR = Row(400, "invalidCursor", "The cursor is none of this query's; begin again with an empty one.")
    EXPIRED_CURSOR = Row(400, "expiredCursor", "The cursor has expired; begin again with an empty one.")
    INVALID_COUNT = Row(400, "invalidCount", "The count is not an integer, or not that of the first page.")
    INVALID_VERSION = Row(400, "invalidVers", "This version of the protocol is not served.")
    BAD_REQUEST = Row(400, None, "The request is malformed.")
    UNAUTHORIZED = Row(401, None, "A valid bearer token is needed.")
    FORBIDDEN = Row(403, None, "The credential does not permit this.")
    NOT_FOUND = Row(404, None, "Resource not found.")
    METHOD_NOT_ALLOWED = Row(405, None, "The method is not allowed at this endpoint.")
    NOT_ACCEPTABLE = Row(406, None, "Only application/scim+json and application/json can be answered.")
    REQUEST_TIMEOUT = Row(408, None, "The request did not arrive in time.")
    CONFLICT = Row(409, None, "The request does not fit the state of the tenant.")
    PRECONDITION_FAILED = Row(412, None, "The resource has another version than If-Match demands.")
    PAYLOAD_TOO_LARGE = Row(413, None, "The request body is larger than the server allows.")
    URI_TOO_LONG = Row(414, None, "The request target is longer than the server allows.")
    UNSUPPORTED_MEDIA = Row(415, None, "The body must be application/scim+json or application/json, without content encoding.")
    UNPROCESSABLE = Row(422, None, "The Idempotency-Key belongs to another request.")
    PRECONDITION_REQUIRED = Row(428, None, "The tenant's policy demands If-Match here.")
    TOO_MANY_REQUESTS = Row(429, None, "There are too many requests; try again in a while.")
    HEADERS_TOO_LARGE = Row(431, None, "The request headers are larger than the server allows.")
    INTERNAL = Row(500, None, "The server failed; the request id finds the cause in its log.")
    NOT_IMPLEMENTED = Row(501, None, "This feature is switched off.")
    UNAVAILABLE = Row(503, None, "The server cannot answer now; try again shortly.")


@dataclass
class ScimError(Exception):
    """A request's failure. `detail` is a safe sentence that names attribute and rule; `headers` go into the answer. `about` is the id of
    the resource that stands in the way, which the operator is told and the client is not."""

    kind: Kind
    detail: str | None = None
    operation: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    about: str | None = None

    @property
    def sentence(self) -> str:
        """The detail sent to the client, prefixed with the operation's number where there is one (counted from 1)."""
        text = self.detail or self.kind.value.sentence
        return text if self.operation is None else f"Operation {self.operation + 1}: {text}"

    def __str__(self) -> str:
        return f"{self.kind.name}: {self.sentence}"


class OverError(ScimError):
    """401 for a credential that was good once: to show it again is no attempt to guess one."""


def invalid_value(detail: str) -> ScimError:
    """400 invalidValue with a detail."""
    return ScimError(Kind.INVALID_VALUE, detail)


def mutability(detail: str) -> ScimError:
    """400 mutability with a detail."""
    return ScimError(Kind.MUTABILITY, detail)


def invalid_syntax(detail: str) -> ScimError:
    """400 invalidSyntax with a detail."""
    return ScimError(Kind.INVALID_SYNTAX, detail)
