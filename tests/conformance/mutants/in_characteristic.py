"""Mistakes in characteristics: required, mutability, returned, uniqueness, case."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from scimsrv.errors import ScimError, invalid_value
from scimsrv.protocol import planning
from scimsrv.schema import attribute as attribute_module
from scimsrv.schema import document as document_module
from scimsrv.schema import validate
from scimsrv.schema.attribute import Attribute, Mutability, Returned, Uniqueness
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.validate import Coercer
from scimsrv.store import secrets as secrets_module
from scimsrv.store.scope import new_id
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import everywhere, replace


def _attributes(edit: Any) -> None:
    """Change the characteristics that the server goes by; /Schemas shows the right ones."""
    original = attribute_module.parse_attribute

    def parse(definition: Any) -> Attribute:
        found = original(definition)
        return changed(found, **edit(found))

    everywhere(original, parse)


@mutant
def required_is_not_enforced() -> None:
    """Required attributes may be missing."""
    replace(validate, "_must_have", lambda _: lambda attribute: False)


@mutant
def required_may_be_empty() -> None:
    """A required attribute may be empty."""
    original = validate.complete

    def complete(document: Any, schema: Any, *limits: Any) -> Any:
        empty = {name: value for name, value in document.items() if value == ""}
        made = original({name: f"x{value}" if name in empty else value for name, value in document.items()}, schema, *limits)
        return made | empty

    everywhere(original, complete)


@mutant
def required_extensions_may_be_missing() -> None:
    """A required extension may be missing."""
    replace(EffectiveSchema, "required_extensions", lambda _: ())
    EffectiveSchema.required_extensions = property(lambda self: ())  # type: ignore[assignment]


@mutant
def optional_extensions_are_required() -> None:
    """A user without the enterprise extension is refused."""

    def made(original: Any) -> Any:
        def resource(self: Any, body: Any, schema: Any) -> Any:
            if schema.name == "User" and not any("enterprise" in name.lower() for name in body):
                raise invalid_value("the extension is required")
            return original(self, body, schema)

        return resource

    replace(Coercer, "resource", made)


@mutant
def several_primaries() -> None:
    """Several values may be primary."""
    original = validate._check_elements

    def check(attribute: Attribute, elements: Any, name: str) -> None:
        try:
            original(attribute, elements, name)
        except ScimError as error:
            if "primary" not in (error.detail or ""):
                raise

    everywhere(original, check)


@mutant
def several_values_are_refused_without_primary() -> None:
    """Several values need one that is primary."""
    original = validate._check_elements

    def check(attribute: Attribute, elements: Any, name: str) -> None:
        original(attribute, elements, name)
        if attribute.primary_part is not None and len(elements) > 1 and not any(element.get("primary") for element in elements):
            raise invalid_value(f"{name} needs a primary value")

    everywhere(original, check)


@mutant
def read_only_is_written() -> None:
    """Read-only attributes can be written."""
    _attributes(
        lambda found: (
            {"mutability": Mutability.READ_WRITE}
            if found.mutability is Mutability.READ_ONLY and not found.refers and found.name != "meta"
            else {}
        )
    )


@mutant
def read_only_is_refused() -> None:
    """A read-only attribute in a body is an error."""

    def made(original: Any) -> Any:
        def resource(self: Any, body: Any, schema: EffectiveSchema) -> Any:
            for name in body:
                place = schema.resolve(name) if ":" not in name else None
                if place is not None and place.attribute.mutability is Mutability.READ_ONLY:
                    raise invalid_value(f"{name} is readOnly")
            return original(self, body, schema)

        return resource

    replace(Coercer, "resource", made)


@mutant
def clients_choose_ids() -> None:
    """The id in a create is taken."""
    wanted: list[str] = []

    def made(original: Any) -> Any:
        def insert(body: Any, *rest: Any) -> Any:
            wanted[:] = [body["id"]] if isinstance(body.get("id"), str) else []
            return original(body, *rest)

        return insert

    replace(planning, "insert", made)
    original = new_id
    everywhere(original, lambda: wanted.pop() if wanted else original())


@mutant
def ids_are_numbers() -> None:
    """Ids are short numbers that users and groups share, reused after a while."""
    import itertools

    numbers = itertools.count()
    everywhere(new_id, lambda: f"{next(numbers):08d}".upper() + "/x")


@mutant
def immutable_is_written() -> None:
    """Immutable attributes can be changed."""
    _attributes(lambda found: {"mutability": Mutability.READ_WRITE} if found.mutability is Mutability.IMMUTABLE else {})


@mutant
def immutable_is_read_only() -> None:
    """Immutable attributes cannot be written at all."""
    _attributes(
        lambda found: {"mutability": Mutability.READ_ONLY} if found.mutability is Mutability.IMMUTABLE and found.name == "serial" else {}
    )


@mutant
def write_only_is_readable() -> None:
    """The password is stored and returned like any attribute."""
    _attributes(lambda found: {"returned": Returned.DEFAULT} if found.returned is Returned.NEVER else {})


@mutant
def password_is_ignored() -> None:
    """A password is taken and not stored."""

    async def hashed(plain: Any, schema: Any, limits: Any, *more: Any, **named: Any) -> Any:
        return {}

    everywhere(secrets_module.hashed, hashed)


@mutant
def password_of_any_length() -> None:
    """A password may be of any length."""
    original = secrets_module.hashed

    async def hashed(plain: Any, schema: Any, limits: Any, *more: Any, **named: Any) -> Any:
        return await original(plain, schema, changed(limits, password_min=1), *more, **named)

    everywhere(original, hashed)


@mutant
def password_is_repeated_in_the_refusal() -> None:
    """A password that is too weak is repeated in the answer."""
    original = secrets_module.hashed

    async def hashed(plain: Any, schema: Any, limits: Any, *more: Any, **named: Any) -> Any:
        try:
            return await original(plain, schema, limits, *more, **named)
        except ScimError as error:
            raise invalid_value(f"{error.detail}: {plain}") from error

    everywhere(original, hashed)


@mutant
def password_is_not_prepared() -> None:
    """The length of a password depends on its Unicode form."""
    everywhere(secrets_module.prepared, lambda text: text)


@mutant
def password_is_always_weak() -> None:
    """No password is good enough."""

    async def hashed(plain: Any, schema: Any, limits: Any, *more: Any, **named: Any) -> Any:
        if plain:
            raise invalid_value("password is too weak")
        return {}

    everywhere(secrets_module.hashed, hashed)


@mutant
def uniqueness_is_not_enforced() -> None:
    """Unique values may be held twice."""
    _attributes(lambda found: {"uniqueness": Uniqueness.NONE} if found.name != "id" else {})


@mutant
def uniqueness_with_case() -> None:
    """Unique values that differ in case are different ones."""
    original = validate.keys

    def keys(document: Any, place: Any) -> Any:
        found = document_module.values(document_module.get(document, place))
        return [str(value) for value in found] if place.sub is None and isinstance(found, list) else original(document, place)

    everywhere(original, keys)


@mutant
def uniqueness_over_all_types() -> None:
    """externalId and display names are unique."""
    _attributes(lambda found: {"uniqueness": Uniqueness.SERVER} if found.name == "externalId" else {})


@mutant
def emails_are_unique() -> None:
    """Two users cannot have the same address."""

    def edit(found: Attribute) -> Any:
        if found.name not in ("emails", "addresses", "name"):
            return {}
        return {
            "sub_attributes": tuple(
                changed(sub, uniqueness=Uniqueness.SERVER) if sub.name in ("value", "givenName", "formatted") else sub
                for sub in found.sub_attributes
            )
        }

    _attributes(edit)


@mutant
def global_uniqueness_is_not_enforced() -> None:
    """Values that are globally unique may be held twice."""
    _attributes(lambda found: {"uniqueness": Uniqueness.NONE} if found.uniqueness is Uniqueness.GLOBAL else {})


@mutant
def group_names_are_not_unique() -> None:
    """Two groups may have the same displayName, against what the schema says."""
    _attributes(lambda found: {"uniqueness": Uniqueness.NONE} if found.name == "displayName" else {})


@mutant
def everything_is_case_exact() -> None:
    """Every text is case-exact for the server, whatever it publishes."""
    _attributes(lambda found: {"case_exact": True})


@mutant
def nothing_is_case_exact() -> None:
    """No text is case-exact for the server, whatever it publishes."""
    _attributes(lambda found: {"case_exact": False})


@mutant
def external_ids_without_case() -> None:
    """externalId is compared without regard to case."""
    _attributes(lambda found: {"case_exact": False} if found.name == "externalId" else {})


@mutant
def user_names_with_case() -> None:
    """userName is compared with regard to case."""
    _attributes(lambda found: {"case_exact": True} if found.name == "userName" else {})
