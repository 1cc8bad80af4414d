"""Failures of the admin API as problem documents (RFC 9457), with the status as their type: `about:blank` (§4.2.1)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from pydantic import ValidationError

from scimsrv.admin.models import Problem
from scimsrv.errors import Kind, ScimError
from scimsrv.store.badge_keys import BadgeKeyError, BadgeKeyMissing
from scimsrv.store.credentials import CredentialError, CredentialLimit, CredentialMissing
from scimsrv.store.indexes import AttributeIndexConflict, AttributeIndexError, AttributeIndexMissing
from scimsrv.store.policy import PolicyChanged, PolicyConflict, PolicyError
from scimsrv.store.tenants import TenantError, TenantMissing, TenantTaken

PROBLEM_JSON: Final = "application/problem+json"

#: The status of what a verb refuses: the first class that fits.
STATUS: Final[tuple[tuple[type[Exception], int], ...]] = (
    (TenantMissing, 404),
    (CredentialMissing, 404),
    (AttributeIndexMissing, 404),
    (TenantTaken, 409),
    (CredentialLimit, 409),
    (AttributeIndexConflict, 409),
    (PolicyConflict, 409),
    (PolicyChanged, 412),
    (BadgeKeyMissing, 404),
    (BadgeKeyError, 400),
    (TenantError, 400),
    (CredentialError, 400),
    (AttributeIndexError, 400),
    (PolicyError, 400),
    (ValidationError, 400),
)

_TOO_MANY_FAULTS: Final = 5


class Refusal(Exception):  # noqa: N818 - an answer, not a fault of ours
    """A request that the admin API does not take; `detail` says why, `headers` go into the answer."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}


def refusal_of(problem: Exception) -> Refusal | None:
    """The refusal that an exception stands for; None for a fault of ours."""
    if isinstance(problem, Refusal):
        return problem
    if isinstance(problem, ScimError):
        return Refusal(problem.kind.value.status, problem.sentence, problem.headers)
    for kind, status in STATUS:
        if isinstance(problem, kind):
            return Refusal(status, _faults(problem) if isinstance(problem, ValidationError) else str(problem))
    return None


def problem_document(status: int, detail: str, request: str) -> bytes:
    """The body of a refusal."""
    shown = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, request=request)
    return shown.model_dump_json(exclude_none=True).encode()


def guard_refusal(kind: Kind, detail: str, request: str) -> tuple[bytes, bytes]:
    """Media type and body of what is refused below the application."""
    return PROBLEM_JSON.encode(), problem_document(kind.value.status, detail, request)


def _faults(problem: ValidationError) -> str:
    """What is wrong with each member, by its path; never what was sent."""
    found = problem.errors(include_url=False, include_input=False, include_context=False)
    lines = [f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg'].removeprefix('Value error, ')}" for one in found[:_TOO_MANY_FAULTS]]
    return "; ".join(lines) + ("; …" if len(found) > _TOO_MANY_FAULTS else "")
