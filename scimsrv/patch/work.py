"""The state that the operations of one request act on, and the rules that hold for every write to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from scimsrv.errors import Kind, ScimError, invalid_value, mutability
from scimsrv.limits import Limits
from scimsrv.patch.elements import same
from scimsrv.patch.links import Ledger, Loaded
from scimsrv.patch.operation import NO_VALUE
from scimsrv.schema import document as doc
from scimsrv.schema.attribute import Attribute, Mutability, Returned
from scimsrv.schema.coercions import Coercion
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.policy import Policy
from scimsrv.schema.validate import SCHEMAS, Coercer

#: Comparisons with rows of references that one request may cause.
MAX_SCANNED: Final = 500_000


class Storage(Enum):
    """Where an attribute's value is kept."""

    DOCUMENT = auto()
    LINKS = auto()
    SECRET = auto()
    COMPUTED = auto()


def storage(attribute: Attribute) -> Storage:
    """Where the value of this writable attribute is kept; `schemas` is computed from the extensions that have data."""
    if attribute.is_link:
        return Storage.LINKS
    if attribute.returned is Returned.NEVER:
        return Storage.SECRET
    return Storage.COMPUTED if attribute.key == SCHEMAS else Storage.DOCUMENT


@dataclass(slots=True)
class Work:
    """A request under way. `document` is replaced, never changed; `ledgers` and `secrets` go by the key of their attribute; `made`
    collects what had to be done to the client's values to make them fit."""

    schema: EffectiveSchema
    policy: Policy
    limits: Limits
    loaded: Loaded
    document: Document
    ledgers: dict[str, Ledger] = field(default_factory=dict)
    secrets: dict[str, str | None] = field(default_factory=dict)
    made: set[Coercion] = field(default_factory=set)
    scanned: int = 0

    @property
    def coercer(self) -> Coercer:
        """Coerces values with the tolerance that PATCH has."""
        return Coercer(self.policy, self.limits, lenient=True, made=self.made)

    def get(self, place: Resolved) -> Any:
        """The value of the place's attribute in the document, None when it has none."""
        return doc.get(self.document, place)

    def ledger(self, place: Resolved) -> Ledger:
        """The accumulated change of the reference attribute."""
        return self.ledgers.setdefault(place.key, Ledger())

    def scan(self, comparisons: int) -> None:
        """Counts comparisons with rows of references. Raises ScimError tooMany when a request causes too many."""
        self.scanned += comparisons
        if self.scanned > MAX_SCANNED:
            raise ScimError(Kind.TOO_MANY, "The filters of this request cost too much for references that are so many")

    def write(self, place: Resolved, value: Any, *, removing: bool) -> None:
        """Puts a coerced value (None or [] to unassign) into the document.

        Raises ScimError mutability for another value of an immutable attribute and for the removal of a required one, invalidValue
        for null as value of a required one and for more values than the server keeps (RFC 7644 §3.5.2, §3.5.2.2).
        """
        attribute, old = place.attribute, self.get(place)
        unassigned = value is None or value == []
        if old is None and unassigned:
            return
        if unassigned and attribute.required:
            self.refuse_unassigned(place.name, removing=removing)
        if attribute.mutability is Mutability.IMMUTABLE and old is not None:
            if unassigned or not same(attribute, old, value):
                raise mutability(f"{place.name} is immutable and has a value")
            return
        if attribute.multi_valued and not unassigned and len(value) > max(self.limits.values, len(doc.values(old))):
            raise invalid_value(f"{place.name} may have at most {self.limits.values} values")
        self.document = doc.put(self.document, place, value)

    def write_secret(self, place: Resolved, given: Any, *, removing: bool = False) -> None:
        """Notes the new plaintext of a never-returned attribute, None to forget it. Whether there is one is not known here."""
        coerced = None if removing else self.coercer.attribute(place.attribute, given, place.name)
        if coerced is None and place.attribute.required:
            self.refuse_unassigned(place.name, removing=removing)
        self.secrets[place.key] = coerced

    @staticmethod
    def refuse_unassigned(name: str, *, removing: bool) -> None:
        """Raises what the end of a required attribute means: mutability for a remove, invalidValue for null as its value."""
        if removing:
            raise mutability(f"{name} is required and cannot be removed")
        raise invalid_value(f"{name} is required")


def listed(value: Any) -> Any:
    """The `value` of a remove operation: None where it does not restrict what is removed."""
    return None if value is NO_VALUE else value


def no_target(detail: str) -> ScimError:
    """400 noTarget with a detail."""
    return ScimError(Kind.NO_TARGET, detail)
