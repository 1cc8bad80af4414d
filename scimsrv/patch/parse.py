"""From the raw Operations array to bound operations: every name meets the schema here, so that handlers look at no text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from scimsrv.errors import Kind, ScimError, invalid_syntax, invalid_value
from scimsrv.filter.bind import bind_element
from scimsrv.filter.parse import parse_path
from scimsrv.filter.tree import Compare, Filter, Or
from scimsrv.limits import Limits
from scimsrv.patch.operation import NO_VALUE, Action, Operation, Part, Root, Selected, Target, Whole, comparisons
from scimsrv.schema.attribute import Returned, Type, fold_name
from scimsrv.schema.coercions import Coercion
from scimsrv.schema.effective import EffectiveSchema, Resolved, Schema
from scimsrv.schema.policy import Policy
from scimsrv.schema.semantics import Op
from scimsrv.schema.validate import SAYS_NOTHING, SCHEMAS, in_operation, shorten

#: Comparisons in the filters of all paths of a request: each is made with every value of the attribute that it selects from.
MAX_COMPARISONS: Final = 1_000

_ACTIONS: Final = {action.value: action for action in Action}


def parse_operations(
    raw: Any, schema: EffectiveSchema, policy: Policy, limits: Limits, made: set[Coercion] | None = None
) -> tuple[Operation, ...]:
    """The operations that a PatchOp's `Operations` array (standard spelling, see `dialects`) means for resources of this type. `made`
    collects what had to be done to read them.

    Raises ScimError, with the operation's index where it concerns one: tooMany for too many operations or comparisons;
    invalidSyntax for a wrong structure or an unknown `op`; invalidPath for a path that cannot be read or names nothing;
    invalidFilter for a filter in it that does not fit the schema; invalidValue where the value is missing or cannot be taken
    apart (RFC 7644 §3.5.2, Table 9).
    """
    if not isinstance(raw, list):
        raise invalid_syntax("Operations must be an array")
    if not raw and policy.strict_operations:
        raise invalid_syntax("Operations must have at least one operation")
    if len(raw) > limits.patch_operations:
        raise ScimError(Kind.TOO_MANY, f"A request may have at most {limits.patch_operations} operations")
    found = []
    parser = _Parser(schema, policy, set() if made is None else made)
    for index, operation in enumerate(raw):
        parser.index = index
        try:
            found.append(parser.operation(operation))
        except ScimError as problem:
            raise in_operation(problem, index) from problem
    return tuple(found)


@dataclass(slots=True)
class _Parser:
    """Parses one request's operations in turn; `index` is that of the present one, `comparisons` counts those of all filters."""

    schema: EffectiveSchema
    policy: Policy
    made: set[Coercion]
    index: int = 0
    comparisons: int = 0

    def operation(self, raw: Any) -> Operation:
        if not isinstance(raw, dict):
            raise invalid_syntax("An operation must be an object")
        members = {fold_name(name): value for name, value in raw.items()}
        if len(members) != len(raw):
            raise invalid_syntax("An operation may name each of its members only once")
        word, path = members.get("op"), members.get("path")
        action = _ACTIONS.get(word) if isinstance(word, str) else None
        if action is None:
            raise invalid_syntax("op must be add, remove or replace")
        if path is not None and not isinstance(path, str):
            raise ScimError(Kind.INVALID_PATH, "path must be a string")
        value = members.get("value", NO_VALUE)
        if value is NO_VALUE and action is not Action.REMOVE:
            raise invalid_value(f"{action.value} needs a value")
        if path is None:
            return self._root(action, None, value)
        named = self.schema.schema(path.strip())
        if named is not None:
            return self._on_schema(action, named, value)
        return self._at(action, self.target(path), value)

    def _make(self, action: Action, target: Target, value: Any) -> Operation:
        return Operation(action, target, value, self.index)

    def _root(self, action: Action, within: Schema | None, value: Any) -> Operation:
        if action is Action.REMOVE:
            return self._make(action, Root(), ())
        if not isinstance(value, dict):
            raise invalid_value("Without the path of an attribute the value must be an object of attributes")
        return self._make(action, Root(), tuple(self._members(action, within, value)))

    def _members(self, action: Action, within: Schema | None, value: dict[str, Any]) -> Iterator[Operation]:
        """An operation for each member of a value without path: keys are attribute paths, qualified or not."""
        for key, given in value.items():
            if fold_name(key) in SAYS_NOTHING and within in (None, self.schema.base):
                continue
            named = self.schema.schema(key) if within is None else None
            if named is not None:
                yield self._on_schema(action, named, given)
                continue
            try:
                target = self.target(f"{within.urn}:{key}" if within else key)
            except ScimError as problem:
                if problem.kind is Kind.TOO_MANY:
                    raise
                if self.policy.strict_attributes:
                    raise invalid_syntax(f"{self.schema.name} has no attribute {shorten(key)}") from None
                self.made.add(Coercion.UNKNOWN_IGNORED)
                continue
            if within is None and ("." in key or ":" in key):
                self.made.add(Coercion.DOTTED_KEY)
            yield self._at(action, target, given)

    def _on_schema(self, action: Action, named: Schema, value: Any) -> Operation:
        """The operation on everything that a schema has: `path` or key is its URN alone."""
        if action is Action.REMOVE or (value is None and named is not self.schema.base):
            return self._make(Action.REMOVE, Whole(self._schemas()), [named.urn])
        return self._root(action, named, value)

    def _schemas(self) -> Resolved:
        place = self.schema.resolve(SCHEMAS)
        assert place is not None, "every resource type has the attribute schemas"
        return place

    def _at(self, action: Action, target: Target, value: Any) -> Operation:
        if not (isinstance(target, Selected) and target.place.attribute.key == SCHEMAS):
            return self._make(action, target, value)
        urns = _texts(target.tree)
        if action is not Action.REMOVE or urns is None:
            raise ScimError(Kind.INVALID_PATH, 'schemas can be selected from to remove an extension, by [value eq "<its URN>"]')
        return self._make(action, Whole(target.place), urns)

    def target(self, path: str) -> Target:
        """The target that an attribute path or value path means. Raises ScimError invalidPath or invalidFilter."""
        tree = parse_path(path)
        place = self.schema.resolve(tree.name.text)
        if place is None:
            raise ScimError(Kind.INVALID_PATH, f"{self.schema.name} has no attribute {shorten(tree.name.text)}")
        if tree.filter is None:
            return Whole(place) if place.sub is None else Part(place)
        attribute = place.attribute
        if place.sub is not None or attribute.returned is Returned.NEVER:
            raise ScimError(Kind.INVALID_PATH, f"{place.name} has no values that could be selected")
        if attribute.type is not Type.COMPLEX and not attribute.multi_valued:
            raise ScimError(Kind.INVALID_PATH, f"{place.name} is a single simple value; nothing can be selected in it")
        sub = None
        if tree.sub is not None:
            sub = attribute.sub(tree.sub.text)
            if sub is None:
                raise ScimError(Kind.INVALID_PATH, f"{place.name} has no sub-attribute {shorten(tree.sub.text)}")
        self.comparisons += comparisons(tree.filter)
        if self.comparisons > MAX_COMPARISONS:
            raise ScimError(Kind.TOO_MANY, f"The filters of a request may have at most {MAX_COMPARISONS} comparisons")
        return Selected(place, bind_element(tree.filter, place, path, Kind.INVALID_FILTER), tree.filter, sub)


def _texts(tree: Filter) -> list[str] | None:
    """The texts of `value eq "…"` or of such terms joined by `or`; None for any other filter."""
    found: list[str] = []
    for term in tree.parts if isinstance(tree, Or) else (tree,):
        if not (isinstance(term, Compare) and term.op is Op.EQ and fold_name(term.name.text) == "value"):
            return None
        if not isinstance(term.literal, str):
            return None
        found.append(term.literal)
    return found
