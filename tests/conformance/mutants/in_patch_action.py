"""Mistakes in PATCH: actions, all or nothing, how operations are spelled."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from scimsrv.errors import ScimError
from scimsrv.patch import apply as apply_module
from scimsrv.patch import dialects, parse
from scimsrv.patch.operation import Action, Selected, Whole
from scimsrv.patch.work import Work
from tests.conformance.mutants.registry import mutant, variant
from tests.conformance.mutants.tools import everywhere, instead

HANDLERS = apply_module.HANDLERS


def _as(action: Action, kind: Any, other: tuple[Action, Any]) -> None:
    @variant(
        f"{action.value}_{kind.__name__.lower()}_does_{other[0].value}",
        f"{action.value} on {kind.__name__} does what {other[0].value} does.",
    )
    def apply() -> None:
        HANDLERS[(action, kind)] = HANDLERS[other]


_as(Action.ADD, Whole, (Action.REPLACE, Whole))
_as(Action.REPLACE, Whole, (Action.ADD, Whole))
_as(Action.ADD, Selected, (Action.REPLACE, Selected))
_as(Action.REPLACE, Selected, (Action.ADD, Selected))


def _idle(action: Action, kind: Any) -> None:
    @variant(f"{action.value}_{kind.__name__.lower()}_does_nothing", f"{action.value} on {kind.__name__} changes nothing.")
    def apply() -> None:
        HANDLERS[(action, kind)] = lambda work, target, value: None


for _action, _kind in HANDLERS:
    _idle(_action, _kind)


@mutant
def patch_stores_nothing() -> None:
    """PATCH is answered with 200 and changes nothing."""
    everywhere(apply_module.perform, lambda work, operation: None)


@mutant
def patch_stops_at_the_first_operation() -> None:
    """Of several operations only the first is applied."""
    original = apply_module.apply
    everywhere(original, lambda operations, *rest: original(operations[:1], *rest))


@mutant
def patch_is_not_atomic() -> None:
    """The operations before one that fails are kept."""
    original = apply_module.apply

    def apply(operations: Any, document: Any, schema: Any, policy: Any, limits: Any, *loaded: Any) -> Any:
        good = len(operations)
        while True:
            try:
                return original(operations[:good], document, schema, policy, limits, *loaded)
            except ScimError:
                if good < 2:
                    raise
                good -= 1

    everywhere(original, apply)


@mutant
def patch_commits_and_fails() -> None:
    """The operations before one that fails are kept, and the answer is the error."""
    from scimsrv.store import execute

    original = execute._modify

    async def modify(scope: Any, plan: Any) -> Any:
        try:
            return await original(scope, plan)
        except ScimError:
            for count in range(len(plan.operations) - 1, 0, -1):
                try:
                    await original(scope, changed(plan, operations=plan.operations[:count]))
                    break
                except ScimError:
                    continue
            raise

    everywhere(original, modify)


@mutant
def patch_ignores_errors() -> None:
    """An operation that cannot be applied is skipped."""
    original = apply_module.perform

    def perform(work: Work, operation: Any) -> None:
        try:
            original(work, operation)
        except ScimError:
            return

    everywhere(original, perform)


@mutant
def patch_skips_unreadable_operations() -> None:
    """An operation that cannot be read is skipped."""
    original = parse.parse_operations

    def parsed(raw: Any, *rest: Any) -> Any:
        found: list[Any] = []
        for operation in raw if isinstance(raw, list) else []:
            try:
                found += original([operation], *rest)
            except ScimError:
                continue
        return tuple(found)

    everywhere(original, parsed)


@mutant
def patch_in_reverse() -> None:
    """Operations are applied last first."""
    original = apply_module.apply
    everywhere(original, lambda operations, *rest: original(tuple(reversed(operations)), *rest))


@mutant
def patch_needs_operations() -> None:
    """A PATCH without operations is refused."""
    original = parse.parse_operations

    def strict(raw: Any, schema: Any, policy: Any, limits: Any, *noted: Any) -> Any:
        return original(raw, schema, changed(policy, strict_operations=True), limits, *noted)

    everywhere(original, strict)


@mutant
def patch_of_five_operations() -> None:
    """A PATCH may have one operation."""
    original = parse.parse_operations

    def strict(raw: Any, schema: Any, policy: Any, limits: Any, *noted: Any) -> Any:
        return original(raw, schema, policy, changed(limits, patch_operations=1), *noted)

    everywhere(original, strict)


@mutant
def capital_ops_are_refused() -> None:
    """The name of an operation must be in lower case."""
    instead(dialects, "DIALECTS", dialects.DIALECTS[1:])


@mutant
def bare_comparisons_are_refused() -> None:
    """A path without brackets is refused as the path of an unknown attribute."""
    instead(dialects, "DIALECTS", (dialects.DIALECTS[0], *dialects.DIALECTS[2:]))


@mutant
def other_ops_are_ignored() -> None:
    """An unknown op is ignored."""
    original = dialects.standard

    def standard(raw: Any, policy: Any, *noted: Any) -> Any:
        found = original(raw, policy, *noted)
        if not isinstance(found, list):
            return found
        return [one for one in found if not isinstance(one, dict) or str(one.get("op", "add")).lower() in ("add", "remove", "replace")]

    everywhere(original, standard)


@mutant
def missing_op_is_replace() -> None:
    """An operation without op is a replace."""
    original = dialects.standard

    def standard(raw: Any, policy: Any, *noted: Any) -> Any:
        found = original(raw, policy, *noted)
        if not isinstance(found, list):
            return found
        return [one if not isinstance(one, dict) or any(name.lower() == "op" for name in one) else {"op": "replace"} | one for one in found]

    everywhere(original, standard)


@mutant
def missing_value_is_null() -> None:
    """An operation without a value assigns null."""
    original = dialects.standard

    def standard(raw: Any, policy: Any, *noted: Any) -> Any:
        found = original(raw, policy, *noted)
        if not isinstance(found, list):
            return found
        return [
            one
            if not isinstance(one, dict) or "value" in one or one.get("op") == "remove"
            else one | {"value": None if "path" in one else {}}
            for one in found
        ]

    everywhere(original, standard)


@mutant
def members_of_operations_with_case() -> None:
    """The names of an operation's members count with their case."""
    original = dialects.standard

    def standard(raw: Any, policy: Any, *noted: Any) -> Any:
        found = original(raw, policy, *noted)
        if not isinstance(found, list):
            return found
        return [
            {name: value for name, value in one.items() if name in ("op", "path", "value")} if isinstance(one, dict) else one
            for one in found
        ]

    everywhere(original, standard)
