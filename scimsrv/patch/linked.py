"""The handlers' part for reference attributes such as members: operations become entries of a ledger, rows are seldom needed."""

from __future__ import annotations

from typing import Any

from scimsrv.errors import ScimError, invalid_value, mutability
from scimsrv.filter.bind import BoundConstant
from scimsrv.patch.elements import from_filter
from scimsrv.patch.links import Ledger, direct_ids, selected_ids
from scimsrv.patch.operation import Selected, comparisons
from scimsrv.patch.work import Work, no_target
from scimsrv.schema.attribute import Mutability, fold_name
from scimsrv.schema.coercions import Coercion
from scimsrv.schema.document import values
from scimsrv.schema.effective import Resolved


def add(work: Work, place: Resolved, value: Any) -> None:
    """Adds the references that the value names."""
    work.ledger(place).add(_ids(work, place, value))


def replace(work: Work, place: Resolved, value: Any) -> None:
    """Makes the references that the value names the only ones; null and [] leave none."""
    ids = _ids(work, place, value)
    if not ids and place.attribute.required:
        raise invalid_value(f"{place.name} is required")
    work.ledger(place).replace(ids)


def remove(work: Work, place: Resolved, value: Any) -> None:
    """Removes the references that the value names; all of them when it is None, for then the client named none."""
    if value is not None:
        work.made.add(Coercion.REMOVED_BY_VALUE)
        work.ledger(place).remove(_ids(work, place, value))
    elif place.attribute.required:
        work.refuse_unassigned(place.name, removing=True)
    else:
        work.ledger(place).clear()


def add_selected(work: Work, target: Selected, value: Any) -> None:
    """`members[value eq "x"]`: x is a member afterwards. What describes a reference is the server's, so nothing else can be added
    to one that matches; where none matches one is made, if the filter says what of (see `from_filter`)."""
    place, ledger, direct = target.place, work.ledger(target.place), direct_ids(target.filter)
    if value is None:
        return
    given = _named(work, place, value)
    if direct is not None and len(direct) == 1:
        if given not in (None, direct):
            raise _immutable(place)
        ledger.add(direct)
        return
    held = _selected(work, target)
    if held:
        if given is not None and set(given) != set(held):
            raise _immutable(place)
    elif given and from_filter(work.coercer, place.attribute, target.tree, place.name) is not None:
        ledger.add(given)
    else:
        raise no_target(f"No value of {place.name} matches the filter")


def replace_selected(work: Work, target: Selected, value: Any) -> None:
    """The references that match give way to those that the value names (RFC 7644 §3.5.2.3: noTarget when there are none)."""
    place, ledger = target.place, work.ledger(target.place)
    given = () if value is None else _named(work, place, value)
    held = _selected(work, target)
    if not held:
        if not work.policy.patch_replace_upsert:
            raise no_target(f"No value of {place.name} matches the filter")
        work.made.add(Coercion.UPSERT_ON_REPLACE)
        add_selected(work, target, value)
    elif given is not None:
        ledger.remove(held)
        ledger.add(given)


def remove_selected(work: Work, target: Selected, value: Any) -> None:
    """Removes the references that match; none need to (RFC 7644 §3.5.2.2)."""
    ledger, direct = work.ledger(target.place), direct_ids(target.filter)
    ledger.remove(_selected(work, target) if direct is None else direct)


def refuse_changed_immutable(work: Work) -> None:
    """Raises ScimError mutability when the request changes immutable references that are set, NeedsLinks to know whether they are."""
    for place in work.schema.links:
        ledger = work.ledgers.get(place.key)
        if ledger is not None and place.attribute.mutability is Mutability.IMMUTABLE:
            before = selected_ids(Ledger(), place, BoundConstant(True), work.loaded)
            if before and set(ledger.change().applied(before)) != set(before):
                raise _immutable(place)


def _selected(work: Work, target: Selected) -> tuple[str, ...]:
    """The ids of the references that match."""
    if direct_ids(target.filter) is None:
        work.scan(len(work.loaded.get(target.place.key, ())) * comparisons(target.tree))
    return selected_ids(work.ledger(target.place), target.place, target.filter, work.loaded)


def _ids(work: Work, place: Resolved, value: Any) -> tuple[str, ...]:
    elements = values(work.coercer.attribute(place.attribute, value, place.name))
    return tuple(element["value"] for element in elements)


def _named(work: Work, place: Resolved, value: Any) -> tuple[str, ...] | None:
    """The ids that the value names; None when it is an object that leaves the id open."""
    if isinstance(value, dict) and "value" not in map(fold_name, value):
        return None
    return _ids(work, place, value)


def _immutable(place: Resolved) -> ScimError:
    return mutability(f"The parts of a value of {place.name} are immutable")
