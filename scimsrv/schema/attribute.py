"""An attribute and its characteristics (RFC 7643 §2.2 and §7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Final


class Type(Enum):
    """Data type of an attribute (RFC 7643 §2.3)."""

    STRING = "string"
    BOOLEAN = "boolean"
    DECIMAL = "decimal"
    INTEGER = "integer"
    DATETIME = "dateTime"
    BINARY = "binary"
    REFERENCE = "reference"
    COMPLEX = "complex"

    #: There is one object of each, and values are looked up by type all the time: an Enum's own hash is a call of Python code.
    __hash__ = object.__hash__


class Mutability(Enum):
    """Who may write an attribute, and when (RFC 7643 §7)."""

    READ_WRITE = "readWrite"
    READ_ONLY = "readOnly"
    IMMUTABLE = "immutable"
    WRITE_ONLY = "writeOnly"


class Returned(Enum):
    """When an attribute is part of an answer (RFC 7643 §7)."""

    ALWAYS = "always"
    NEVER = "never"
    DEFAULT = "default"
    REQUEST = "request"


class Uniqueness(Enum):
    """How unique a value must be (RFC 7643 §7)."""

    NONE = "none"
    SERVER = "server"
    GLOBAL = "global"


#: Sub-attributes that the server fills in for an attribute whose values are rows of the reference table.
_REFERENCE_PARTS: Final = frozenset({"value", "$ref", "type", "display"})


def fold_name(name: str) -> str:
    """The form in which attribute names and URNs are compared: they are case-insensitive (RFC 7643 §2.1, RFC 7644 §3.10)."""
    return name.lower()


@dataclass(frozen=True, eq=False)
class Attribute:
    """One attribute definition. `eq` is identity: two attributes of one name in two schemas are two attributes."""

    name: str
    type: Type = Type.STRING
    multi_valued: bool = False
    required: bool = False
    case_exact: bool = False
    mutability: Mutability = Mutability.READ_WRITE
    returned: Returned = Returned.DEFAULT
    uniqueness: Uniqueness = Uniqueness.NONE
    canonical_values: tuple[str, ...] = ()
    reference_types: tuple[str, ...] = ()
    sub_attributes: tuple[Attribute, ...] = ()
    #: Other values than the canonical ones are refused.
    enforced: bool = False
    #: Whether filters on it are to be fast: None no, False yes, True for pieces of its text as well.
    index: bool | None = None
    #: Under which of its forms in search documents filters find it: a change of what compares as equal begins another one.
    form: int = 1
    #: The same attribute as another form has it, which is written too while readers pass from one to the other.
    twin: Attribute | None = None

    @cached_property
    def search_key(self) -> str:
        """The name of its member in search documents."""
        return self.key if self.form == 1 else f"{self.key}${self.form}"

    @cached_property
    def key(self) -> str:
        """The folded name: its key in search documents and look-ups."""
        return fold_name(self.name)

    @cached_property
    def _subs(self) -> dict[str, Attribute]:
        return {sub.key: sub for sub in self.sub_attributes}

    @cached_property
    def _spelled(self) -> dict[str, Attribute]:
        return {sub.name: sub for sub in self.sub_attributes}

    def sub(self, name: str) -> Attribute | None:
        """The sub-attribute of this name in any case, or None."""
        return self._spelled.get(name) or self._subs.get(fold_name(name))

    @cached_property
    def parts(self) -> frozenset[str]:
        """The folded names of the sub-attributes."""
        return frozenset(self._subs)

    @cached_property
    def is_free_text(self) -> bool:
        """Whether a value may be any text."""
        return not self.enforced and (self.type is Type.STRING or (self.type is Type.REFERENCE and not self.refers_outside))

    @cached_property
    def refers_outside(self) -> bool:
        """Whether the values are URIs of anything (RFC 7643 §7, referenceTypes)."""
        return self.type is Type.REFERENCE and not {"uri", "external"}.isdisjoint(self.reference_types)

    @cached_property
    def required_parts(self) -> tuple[Attribute, ...]:
        """The sub-attributes that clients have to give with each value."""
        return tuple(sub for sub in self.sub_attributes if sub.required and sub.mutability is not Mutability.READ_ONLY)

    @property
    def has_rules_for_elements(self) -> bool:
        """Whether there is something that each value, or all of them together, must have for the resource to be stored."""
        return self.type is Type.COMPLEX and (self.is_annotated or bool(self.required_parts) or self.primary_part is not None)

    @cached_property
    def value_part(self) -> Attribute | None:
        """The sub-attribute `value`, which stands for a complex attribute in comparisons (RFC 7643 §2.4), or None."""
        return self.sub("value")

    @cached_property
    def primary_part(self) -> Attribute | None:
        """The boolean sub-attribute `primary` of a multi-valued attribute, or None."""
        primary = self.sub("primary")
        return primary if self.multi_valued and primary is not None and primary.type is Type.BOOLEAN else None

    @cached_property
    def resource_types(self) -> tuple[str, ...]:
        """Names of the SCIM resource types that `$ref` may name; empty when it refers to nothing of this server (RFC 7643 §7)."""
        ref = self.sub("$ref")
        if ref is None or self.value_part is None:
            return ()
        return tuple(name for name in ref.reference_types if name not in ("uri", "external"))

    @cached_property
    def refers(self) -> bool:
        """Whether the values are references kept as rows: multi-valued, complex, `value` and `$ref` naming resource types, and
        nothing else that would have to be stored with them."""
        return self.multi_valued and bool(self.resource_types) and self._subs.keys() <= _REFERENCE_PARTS

    @cached_property
    def is_link(self) -> bool:
        """Whether rows of the reference table hold the values: a `refers` attribute that clients write, such as members."""
        return self.refers and self.mutability is not Mutability.READ_ONLY

    @cached_property
    def is_annotated(self) -> bool:
        """Whether clients write several references with more to each than the server can tell, such as a role: the values are part of
        the document, and rows of the reference table say beside it what they refer to."""
        return self.multi_valued and bool(self.resource_types) and not self.refers and self.mutability is not Mutability.READ_ONLY

    @cached_property
    def server_parts(self) -> frozenset[str]:
        """The names of sub-attributes of a reference within a document that the server fills in, whatever clients send there."""
        if not self.resource_types or self.refers:
            return frozenset()
        told = {"$ref", "type"} if self.multi_valued else {"$ref"}
        return frozenset(sub.name for sub in self.sub_attributes if sub.key in told)

    @cached_property
    def is_backlink(self) -> bool:
        """Whether the values are derived from other resources' links: a readOnly `refers` attribute, such as User.groups."""
        return self.refers and self.mutability is Mutability.READ_ONLY


def parse_attribute(definition: Mapping[str, Any]) -> Attribute:
    """The attribute that a definition in a Schema resource describes (RFC 7643 §7); missing characteristics take its defaults.

    References and binary values are case-exact unless the definition says otherwise (RFC 7643 §2.3.6, §2.3.7).
    """
    type_ = Type(definition.get("type", "string"))
    return Attribute(
        name=definition["name"],
        type=type_,
        multi_valued=definition.get("multiValued", False),
        required=definition.get("required", False),
        case_exact=definition.get("caseExact", type_ in (Type.REFERENCE, Type.BINARY)),
        mutability=Mutability(definition.get("mutability", "readWrite")),
        returned=Returned(definition.get("returned", "default")),
        uniqueness=Uniqueness(definition.get("uniqueness", "none")),
        canonical_values=tuple(definition.get("canonicalValues", ())),
        reference_types=tuple(definition.get("referenceTypes", ())),
        sub_attributes=tuple(map(parse_attribute, definition.get("subAttributes", ()))),
        enforced=definition.get("canonicalValuesEnforced", False),
        index=None if not definition.get("indexed") else definition["indexed"] == "substring",
    )
