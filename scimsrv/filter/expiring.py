"""Filters on a value that passes with time, as the status of an award does: rewritten to what is stored, to say what is served."""

from __future__ import annotations

from datetime import datetime
from typing import Final, assert_never

from scimsrv.filter.bind import (
    Bound,
    BoundAnd,
    BoundCompare,
    BoundConstant,
    BoundElement,
    BoundNot,
    BoundOr,
    BoundPresent,
    conjunction,
    disjunction,
    negation,
)
from scimsrv.schema.effective import EffectiveSchema, Expiring
from scimsrv.schema.semantics import Op, key_of, satisfies, timestamp

_NOTHING: Final = BoundConstant(False)


def at_moment(bound: Bound, schema: EffectiveSchema, at: datetime) -> Bound:
    """The filter on stored values that holds at this moment for the resources for which `bound` holds as they are served then."""
    return bound if schema.expiring is None else _rewritten(bound, schema.expiring, at)


def _rewritten(bound: Bound, expiring: Expiring, at: datetime) -> Bound:
    match bound:
        case BoundAnd(parts):
            return conjunction([_rewritten(part, expiring, at) for part in parts])
        case BoundOr(parts):
            return disjunction([_rewritten(part, expiring, at) for part in parts])
        case BoundNot(inner):
            return negation(_rewritten(inner, expiring, at))
        case BoundCompare(place, op, key) if place.key == expiring.place.key:
            leaf = expiring.place.leaf
            values = [value for value in leaf.canonical_values if satisfies(op, key_of(leaf, value), key)]
            return disjunction([_served_as(value, expiring, at) for value in values]) if values else _NOTHING
        case BoundCompare() | BoundPresent() | BoundElement() | BoundConstant():
            return bound
    assert_never(bound)


def _served_as(value: str, expiring: Expiring, at: datetime) -> Bound:
    """Holds where this is what is served."""
    past = BoundCompare(expiring.until, Op.LT, key_of(expiring.until.leaf, timestamp(at)))
    stored = BoundCompare(expiring.place, Op.EQ, key_of(expiring.place.leaf, expiring.passing if value == expiring.past else value))
    if value == expiring.past:
        return conjunction([stored, past])
    return conjunction([stored, negation(past)]) if value == expiring.passing else stored
