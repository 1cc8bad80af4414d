"""Mistakes in If-Match."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from scimsrv.errors import Kind, ScimError
from scimsrv.protocol import planning, request
from scimsrv.protocol.plan import IfMatch
from scimsrv.store import remove, write
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import everywhere, replace

# -- preconditions ---------------------------------------------------------------------------------------------------------


@mutant
def if_match_is_ignored() -> None:
    """If-Match changes nothing."""
    everywhere(request.if_match, lambda header: None)


@mutant
def if_match_is_ignored_by_delete() -> None:
    """DELETE does not look at If-Match."""
    original = remove.remove

    async def without(scope: Any, plan: Any) -> None:
        await original(scope, changed(plan, if_match=None))

    everywhere(original, without)


@mutant
def if_match_is_ignored_by_patch() -> None:
    """PATCH does not look at If-Match."""
    replace(planning, "modify", lambda original: lambda *args: changed(original(*args), if_match=None))


@mutant
def if_match_is_ignored_by_put() -> None:
    """PUT does not look at If-Match."""
    replace(planning, "overwrite", lambda original: lambda *args: changed(original(*args), if_match=None))


@mutant
def if_match_takes_one_tag() -> None:
    """Of a list in If-Match only the first tag counts."""
    original = request.if_match
    everywhere(original, lambda header: original(header.split(",")[0] if header else header))


@mutant
def if_match_knows_no_star() -> None:
    """`*` in If-Match matches nothing."""
    original = request.if_match

    def if_match(header: Any) -> Any:
        return IfMatch(any=False) if header is not None and header.strip() == "*" else original(header)

    everywhere(original, if_match)


@mutant
def if_match_never_matches() -> None:
    """No If-Match is fulfilled."""
    replace(IfMatch, "permits", lambda _: lambda self, version: False)


@mutant
def if_match_takes_older_versions() -> None:
    """If-Match is fulfilled by an older version."""
    replace(IfMatch, "permits", lambda _: lambda self, version: self.any or any(known <= version for known in self.versions))


@mutant
def if_match_on_nothing_is_412() -> None:
    """A write with If-Match on what does not exist is answered with 412."""
    original = write.change

    async def change(scope: Any, schema: Any, id_: str, if_match: Any, *rest: Any, **more: Any) -> Any:
        try:
            return await original(scope, schema, id_, if_match, *rest, **more)
        except ScimError as error:
            if error.kind is not Kind.NOT_FOUND or if_match is None:
                raise
            raise ScimError(Kind.PRECONDITION_FAILED) from error

    everywhere(original, change)


@mutant
def if_match_must_be_weak() -> None:
    """A strong tag in If-Match matches nothing."""
    original = request.if_match
    everywhere(original, lambda header: IfMatch(any=False) if header is not None and header.startswith('"') else original(header))


@mutant
def if_match_is_needed() -> None:
    """A write without If-Match is refused."""
    original = request.if_match

    def if_match(header: Any) -> Any:
        if header is None:
            raise ScimError(Kind.PRECONDITION_REQUIRED)
        return original(header)

    everywhere(original, if_match)
