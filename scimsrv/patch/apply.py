"""The table of PATCH: what each action does to each kind of target, and its application to a document.

| | Root | Whole | Part | Selected |
|---|---|---|---|---|
| add | each member in turn | append, merge or set | set in every value | merge into the matches, or make one |
| replace | each member in turn | set; merge an object | set in every value | replace the matches |
| remove | | unassign, or the listed values | unassign in every value | remove the matches |

The empty cell is a rule: a remove without path has no target (RFC 7644 §3.5.2.2). What holds for all of them - readOnly, immutable
and required attributes, one primary - is said once: here, in `Work.write` and in `elements`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, assert_never

from scimsrv.errors import ScimError, invalid_value, mutability
from scimsrv.limits import Limits
from scimsrv.patch import elements, extensions, linked, selected
from scimsrv.patch.links import LinkChange, Row, direct_ids
from scimsrv.patch.operation import Action, Operation, Part, Root, Selected, Target, Whole
from scimsrv.patch.work import Storage, Work, listed, no_target, storage
from scimsrv.schema.attribute import Mutability
from scimsrv.schema.coercions import Coercion
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema, is_read_only
from scimsrv.schema.policy import Policy
from scimsrv.schema.semantics import present
from scimsrv.schema.validate import complete, in_operation


@dataclass(frozen=True, slots=True)
class Patched:
    """The outcome: the complete document, the net change of each reference attribute that has one, and new secrets in plaintext
    (None for one that is removed). `links` and `secrets` go by the key of their attribute and are not in the document. `coercions` are
    those that the values needed."""

    document: Document
    links: dict[str, LinkChange]
    secrets: dict[str, str | None]
    coercions: frozenset[Coercion] = frozenset()


def apply(
    operations: Iterable[Operation],
    document: Document,
    schema: EffectiveSchema,
    policy: Policy,
    limits: Limits,
    loaded: Mapping[str, Sequence[Row]] | None = None,
) -> Patched:
    """The document after all operations, in order (RFC 7644 §3.5.2). The input is not changed, so a failure leaves no trace.

    `document` is canonical: schemas, id, externalId and attributes; no meta, references, back-references or secrets. `loaded` has the
    current rows {value, type, display, $ref} of a reference attribute, by its key; it is needed after NeedsLinks was raised.
    Raises ScimError (with the operation's index, unless the resource as a whole is at fault) and NeedsLinks.
    """
    known = {key: {row["value"]: row for row in rows} for key, rows in (loaded or {}).items()}
    work = Work(schema, policy, limits, known, document)
    for operation in operations:
        try:
            perform(work, operation)
        except ScimError as problem:
            raise in_operation(problem, operation.index) from problem
    linked.refuse_changed_immutable(work)
    changes = {key: ledger.change() for key, ledger in work.ledgers.items()}
    links = {key: change for key, change in changes.items() if change != _NO_CHANGE}
    for key, change in links.items():
        if len(change.added) > limits.links:
            raise invalid_value(f"{schema.writable_links[key].attribute.name} may have at most {limits.links} values in one request")
    return Patched(complete(work.document, schema, limits), links, work.secrets, frozenset(work.made))


_NO_CHANGE: Final = LinkChange(cleared=False, added=(), removed=())


def perform(work: Work, operation: Operation) -> None:
    """Applies one operation by the table."""
    handler = HANDLERS.get((operation.action, type(operation.target)))
    if handler is None:
        raise no_target("remove needs a path")
    target, value = _restated(operation.target, operation.value)
    _refuse_protected(target)
    handler(work, target, value)


def _restated(target: Target, value: Any) -> tuple[Target, Any]:
    """`members[value eq "x"].value` given the value x names the reference itself: the same value of an immutable part is no change."""
    if not (isinstance(target, Selected) and target.place.attribute.is_link and target.sub is target.place.attribute.value_part):
        return target, value
    return (replace(target, sub=None), {"value": value}) if direct_ids(target.filter) == (value,) else (target, value)


def _refuse_protected(target: Target) -> None:
    """Raises ScimError mutability for what clients may not write at all (RFC 7644 §3.5.2)."""
    if isinstance(target, Root):
        return
    sub = target.sub if isinstance(target, Part | Selected) else None
    name = target.place.name if sub is None or isinstance(target, Part) else f"{target.place.name}.{sub.name}"
    if _read_only(target):
        raise mutability(f"{name} is readOnly")
    if sub is not None and target.place.attribute.is_link:
        raise mutability(f"{name} is immutable; values are added and removed as a whole")


def _read_only(target: Whole | Part | Selected) -> bool:
    selected_sub = target.sub if isinstance(target, Selected) else None
    return is_read_only(target.place) or (selected_sub is not None and selected_sub.mutability is Mutability.READ_ONLY)


def _members(work: Work, target: Root, value: tuple[Operation, ...]) -> None:
    for member in value:
        if isinstance(member.target, Root) or not _read_only(member.target):
            perform(work, member)
        elif not _repeats(work, member.target, member.value):
            raise mutability(f"{member.target.place.name} is readOnly and has another value")


def _repeats(work: Work, target: Whole | Part | Selected, value: Any) -> bool:
    """Whether a value only says what the resource says already: clients send `id` along."""
    stored = work.get(target.place)
    if isinstance(target, Part) and isinstance(stored, dict):
        stored = stored.get(target.sub.name)
    return not isinstance(target, Selected) and (value == stored if present(stored) else not present(value))


def _add_whole(work: Work, target: Whole, value: Any) -> None:
    place = target.place
    match storage(place.attribute):
        case Storage.LINKS:
            linked.add(work, place, value)
        case Storage.SECRET:
            work.write_secret(place, value)
        case Storage.COMPUTED:
            extensions.declare(work, place, value)
        case Storage.DOCUMENT:
            new = elements.added(work.coercer, place.attribute, work.get(place), value, place.name)
            work.write(place, new, removing=False)
        case other:
            assert_never(other)


def _replace_whole(work: Work, target: Whole, value: Any) -> None:
    place = target.place
    match storage(place.attribute):
        case Storage.LINKS:
            linked.replace(work, place, value)
        case Storage.SECRET:
            work.write_secret(place, value)
        case Storage.COMPUTED:
            extensions.redeclare(work, place, value)
        case Storage.DOCUMENT:
            new = elements.replaced(work.coercer, place.attribute, work.get(place), value, place.name)
            work.write(place, new, removing=False)
        case other:
            assert_never(other)


def _remove_whole(work: Work, target: Whole, value: Any) -> None:
    place, restriction = target.place, listed(value)
    match storage(place.attribute):
        case Storage.LINKS:
            linked.remove(work, place, restriction)
        case Storage.SECRET:
            work.write_secret(place, None, removing=True)
        case Storage.COMPUTED:
            extensions.withdraw(work, place, restriction)
        case Storage.DOCUMENT:
            new = elements.removed(work.coercer, place.attribute, work.get(place), restriction, place.name)
            work.write(place, new, removing=True)
        case other:
            assert_never(other)


def _add_part(work: Work, target: Part, value: Any) -> None:
    selected.change_part(work, target, elements.added, value)


def _replace_part(work: Work, target: Part, value: Any) -> None:
    selected.change_part(work, target, elements.replaced, value)


def _remove_part(work: Work, target: Part, value: Any) -> None:
    selected.change_part(work, target, elements.removed, listed(value))


def _add_selected(work: Work, target: Selected, value: Any) -> None:
    (linked.add_selected if target.place.attribute.is_link else selected.add)(work, target, value)


def _replace_selected(work: Work, target: Selected, value: Any) -> None:
    (linked.replace_selected if target.place.attribute.is_link else selected.replace)(work, target, value)


def _remove_selected(work: Work, target: Selected, value: Any) -> None:
    (linked.remove_selected if target.place.attribute.is_link else selected.remove)(work, target, listed(value))


#: A handler takes a target of its cell's kind; `parse` has decided the kind, so none of them reads a name.
Handler = Callable[[Work, Any, Any], None]

HANDLERS: Final[dict[tuple[Action, type[Target]], Handler]] = {
    (Action.ADD, Root): _members,
    (Action.ADD, Whole): _add_whole,
    (Action.ADD, Part): _add_part,
    (Action.ADD, Selected): _add_selected,
    (Action.REPLACE, Root): _members,
    (Action.REPLACE, Whole): _replace_whole,
    (Action.REPLACE, Part): _replace_part,
    (Action.REPLACE, Selected): _replace_selected,
    (Action.REMOVE, Whole): _remove_whole,
    (Action.REMOVE, Part): _remove_part,
    (Action.REMOVE, Selected): _remove_selected,
}
