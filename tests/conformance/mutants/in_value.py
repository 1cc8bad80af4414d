"""Mistakes in what is taken as a value: types, shapes, what is required, unique, or may be written."""

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from scimsrv.errors import ScimError, invalid_syntax, invalid_value
from scimsrv.protocol import planning
from scimsrv.schema import attribute as attribute_module
from scimsrv.schema import document as document_module
from scimsrv.schema import replacement, semantics, validate
from scimsrv.schema.attribute import Attribute, Mutability, Returned, Type, Uniqueness
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.policy import Policy
from scimsrv.schema.validate import Coercer
from scimsrv.store import secrets as secrets_module
from scimsrv.store import write as write_module
from tests.conformance.mutants.registry import mutant, variant
from tests.conformance.mutants.tools import everywhere, replace, rule


def _attributes(edit: Any) -> None:
    """Change the characteristics that the server goes by; /Schemas shows the right ones."""
    original = attribute_module.parse_attribute

    def parse(definition: Any) -> Attribute:
        found = original(definition)
        return changed(found, **edit(found))

    everywhere(original, parse)


def _typed(type_: Type, name: str, mistake: str, coerce: Any) -> None:
    @variant(name, mistake)
    def apply() -> None:
        rule(type_, coerce=coerce)


_typed(Type.STRING, "strings_of_any_type", "Numbers and booleans are taken as strings.", lambda value: value if isinstance(value, str) else str(value))
_typed(Type.BOOLEAN, "booleans_of_any_type", "Anything is taken as a boolean.", bool)
_typed(Type.INTEGER, "integers_of_any_type", "Text and fractions are taken as integers.", lambda value: int(float(value)))
_typed(Type.DECIMAL, "decimals_of_any_type", "Text is taken as decimal.", lambda value: float(value))
_typed(Type.DATETIME, "dates_of_any_form", "Any text is taken as dateTime.", lambda value: "2026-01-01T00:00:00Z" if isinstance(value, str) else value)
_typed(Type.BINARY, "binary_of_any_form", "Any text is taken as base64.", lambda value: value)
_typed(Type.REFERENCE, "references_of_any_type", "Numbers are taken as references.", str)


@mutant
def booleans_as_text_are_refused() -> None:
    """"True" is no boolean."""

    def coerce(value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError("must be true or false")
        return value

    rule(Type.BOOLEAN, coerce=coerce)


@mutant
def text_true_is_false() -> None:
    """"True" as text is false."""
    rule(Type.BOOLEAN, coerce=lambda value: value is True)


@mutant
def binary_is_normalised() -> None:
    """Base64 is stored without its padding."""
    original = semantics.SEMANTICS[Type.BINARY].coerce
    rule(Type.BINARY, coerce=lambda value: original(value).rstrip("="))


@mutant
def binary_needs_padding() -> None:
    """Base64 without padding, or in the alphabet for URLs, is refused."""
    original = semantics.SEMANTICS[Type.BINARY].coerce

    def coerce(value: Any) -> str:
        text: str = original(value)
        if len(text) % 4 or "-" in text or "_" in text:
            raise ValueError("must be padded base64")
        return text

    rule(Type.BINARY, coerce=coerce)


@mutant
def dates_in_utc_only() -> None:
    """A dateTime with an offset is refused."""
    original = semantics.SEMANTICS[Type.DATETIME].coerce

    def coerce(value: Any) -> str:
        text: str = original(value)
        if not text.endswith("Z"):
            raise ValueError("must be in UTC")
        return text

    rule(Type.DATETIME, coerce=coerce)


@mutant
def texts_are_trimmed() -> None:
    """White space around a text is dropped."""
    rule(Type.STRING, coerce=lambda value: semantics._coerce_text(value).strip())


@mutant
def texts_are_ascii() -> None:
    """Characters outside of ASCII become question marks."""
    rule(Type.STRING, coerce=lambda value: semantics._coerce_text(value).encode("ascii", "replace").decode())


@mutant
def texts_are_normalised() -> None:
    """Texts are stored in compatibility form, not as sent."""
    import unicodedata

    rule(Type.STRING, coerce=lambda value: unicodedata.normalize("NFKC", semantics._coerce_text(value)))


@mutant
def texts_are_stored_in_lower_case() -> None:
    """Texts are stored in lower case."""
    rule(Type.STRING, coerce=lambda value: semantics._coerce_text(value).lower())


@mutant
def texts_are_short() -> None:
    """Texts are cut at 20 characters."""
    rule(Type.STRING, coerce=lambda value: semantics._coerce_text(value)[:20])


@mutant
def references_are_rewritten() -> None:
    """References are stored in lower case."""
    rule(Type.REFERENCE, coerce=lambda value: semantics._coerce_text(value).lower())


@mutant
def references_must_be_absolute() -> None:
    """References that are no absolute URI are refused, those between resources too."""

    def coerce(value: Any) -> str:
        if "://" not in semantics._coerce_text(value):
            raise ValueError("must be a URI")
        return str(value)

    rule(Type.REFERENCE, coerce=coerce)


@mutant
def canonical_values_are_enforced() -> None:
    """A value that is not among the canonical ones is refused."""

    def made(original: Any) -> Any:
        def single(self: Any, attribute: Attribute, value: Any, name: str) -> Any:
            if attribute.canonical_values and isinstance(value, str) and value not in attribute.canonical_values:
                raise invalid_value(f"{name} must be one of the canonical values")
            return original(self, attribute, value, name)

        return single

    replace(Coercer, "single", made)


@mutant
def single_values_for_lists() -> None:
    """One value is taken where a list is needed."""

    def made(original: Any) -> Any:
        def attribute_(self: Any, attribute: Attribute, value: Any, name: str) -> Any:
            if attribute.multi_valued and value is not None and not isinstance(value, list):
                value = [value]
            return original(self, attribute, value, name)

        return attribute_

    replace(Coercer, "attribute", made)


@mutant
def lists_for_single_values() -> None:
    """A list is taken where a single value is needed."""

    def made(original: Any) -> Any:
        def attribute_(self: Any, attribute: Attribute, value: Any, name: str) -> Any:
            if not attribute.multi_valued and isinstance(value, list) and value:
                value = value[0]
            return original(self, attribute, value, name)

        return attribute_

    replace(Coercer, "attribute", made)


@mutant
def objects_of_any_type() -> None:
    """What is no object is ignored where an object is needed."""

    def made(original: Any) -> Any:
        def complex_(self: Any, attribute: Attribute, value: Any, name: str) -> Any:
            return original(self, attribute, value, name) if isinstance(value, dict) else None

        return complex_

    replace(Coercer, "_complex", made)


@mutant
def lists_of_two_values() -> None:
    """A list may have two values."""
    original = planning.Coercer

    class Short(original):  # type: ignore[misc,valid-type]
        def attribute(self, attribute: Attribute, value: Any, name: str) -> Any:
            if isinstance(value, list) and len(value) > 2:
                raise invalid_value(f"{name} may have two values")
            return super().attribute(attribute, value, name)

    everywhere(original, Short)


@mutant
def repeated_values_are_kept() -> None:
    """A value that is given twice is stored twice."""
    everywhere(validate.distinct, lambda elements: elements)


@mutant
def same_value_once_for_all_types() -> None:
    """A value is stored once, even under two types."""

    def distinct(elements: Any) -> Any:
        kept: dict[Any, Any] = {}
        for element in elements:
            kept.setdefault(element.get("value", str(element)) if isinstance(element, dict) else element, element)
        return list(kept.values())

    everywhere(validate.distinct, distinct)


@mutant
def nulls_are_stored() -> None:
    """null is stored as a value."""
    original = document_module._with

    def _with(holder: Any, name: str, value: Any) -> Any:
        return {**holder, name: None} if value is None and ":" not in name else original(holder, name, value)

    everywhere(original, _with)


@mutant
def nulls_are_refused() -> None:
    """null is no value."""

    def made(original: Any) -> Any:
        def attribute_(self: Any, attribute: Attribute, value: Any, name: str) -> Any:
            if value is None:
                raise invalid_value(f"{name} must not be null")
            return original(self, attribute, value, name)

        return attribute_

    replace(Coercer, "attribute", made)


@mutant
def nulls_are_ignored_in_put() -> None:
    """A null in a PUT keeps the stored value."""

    def made(original: Any) -> Any:
        def overwrite(body: Any, *rest: Any) -> Any:
            return original(body, *rest)

        return overwrite

    replace(planning, "overwrite", made)
    original = replacement.replaced

    def replaced(sent: Any, body: Any, stored: Any, schema: Any, policy: Any) -> Any:
        kept = {name: stored[name] for name, value in body.items() if value in (None, []) and name in stored}
        return original(sent | kept, body, stored, schema, policy)

    everywhere(original, replaced)


@mutant
def unknown_attributes_are_stored() -> None:
    """What the schema does not define is stored and shown."""

    def made(original: Any) -> Any:
        def resource(self: Any, body: Any, schema: EffectiveSchema) -> Any:
            draft = original(self, body, schema)
            unknown = {name: value for name, value in body.items() if ":" not in name and "." not in name and schema.resolve(name) is None}
            return changed(draft, document=draft.document | unknown)

        return resource

    replace(Coercer, "resource", made)


@mutant
def unknown_attributes_are_refused() -> None:
    """What the schema does not define is an error."""
    original = Policy

    class Strict(original):  # type: ignore[misc,valid-type]
        strict_attributes = True

    def made(function: Any) -> Any:
        def resource(self: Any, body: Any, schema: EffectiveSchema) -> Any:
            for name in body:
                if ":" not in name and schema.resolve(name) is None:
                    raise invalid_syntax(f"unknown attribute {name}")
            return function(self, body, schema)

        return resource

    replace(Coercer, "resource", made)


@mutant
def unknown_extensions_are_stored() -> None:
    """An extension that the type does not have is stored and shown."""

    def made(original: Any) -> Any:
        def resource(self: Any, body: Any, schema: EffectiveSchema) -> Any:
            draft = original(self, body, schema)
            unknown = {name: value for name, value in body.items() if name.startswith("urn:") and schema.schema(name) is None}
            return changed(draft, document=draft.document | unknown)

        return resource

    replace(Coercer, "resource", made)


@mutant
def names_in_bodies_with_case() -> None:
    """Names of attributes in bodies count with their case."""

    def made(original: Any) -> Any:
        def resource(self: Any, body: Any, schema: EffectiveSchema) -> Any:
            known = {name for _, attribute in schema.top_level() for name in (attribute.name,)} | {"schemas"}
            return original(self, {name: value for name, value in body.items() if name in known or ":" in name}, schema)

        return resource

    replace(Coercer, "resource", made)


@mutant
def urns_in_bodies_with_case() -> None:
    """URNs of extensions in bodies count with their case."""

    def made(original: Any) -> Any:
        def resource(self: Any, body: Any, schema: EffectiveSchema) -> Any:
            known = {extension.urn for extension, _ in schema.extensions}
            return original(self, {name: value for name, value in body.items() if ":" not in name or name in known}, schema)

        return resource

    replace(Coercer, "resource", made)


@mutant
def schemas_must_be_sent() -> None:
    """A body without schemas is refused."""

    def made(original: Any) -> Any:
        def declared(self: Any, body: Any, schema: Any) -> None:
            if "schemas" not in {name.lower() for name in body}:
                raise invalid_syntax("schemas is required")
            original(self, body, schema)

        return declared

    replace(Coercer, "_declared", made)


@mutant
def schemas_of_any_form() -> None:
    """schemas in a body may be anything."""
    replace(Coercer, "_declared", lambda _: lambda self, body, schema: None)


@mutant
def schemas_must_name_extensions() -> None:
    """An extension's data is ignored unless schemas names it."""

    def made(original: Any) -> Any:
        def resource(self: Any, body: Any, schema: Any) -> Any:
            named = [str(urn).lower() for urn in body.get("schemas") or ()]
            return original(self, {name: value for name, value in body.items() if ":" not in name or name.lower() in named}, schema)

        return resource

    replace(Coercer, "resource", made)


@mutant
def extensions_are_not_stored() -> None:
    """An extension's data is ignored."""

    def made(original: Any) -> Any:
        def resource(self: Any, body: Any, schema: Any) -> Any:
            return original(self, {name: value for name, value in body.items() if ":" not in name}, schema)

        return resource

    replace(Coercer, "resource", made)


@mutant
def schemas_as_sent() -> None:
    """schemas is stored as the client sent it."""
    original = validate.complete

    def made(function: Any) -> Any:
        def resource(self: Any, body: Any, schema: Any) -> Any:
            draft = function(self, body, schema)
            return changed(draft, document=draft.document | {"schemas": body["schemas"]}) if isinstance(body.get("schemas"), list) else draft

        return resource

    replace(Coercer, "resource", made)

    def complete(document: Any, schema: Any, *limits: Any) -> Any:
        made_ = original(document, schema, *limits)
        return made_ | {"schemas": document["schemas"]} if "schemas" in document else made_

    everywhere(original, complete)


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
        lambda found: {"mutability": Mutability.READ_WRITE}
        if found.mutability is Mutability.READ_ONLY and not found.refers and found.name != "meta"
        else {}
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
    original = write_module.new_id
    everywhere(original, lambda: wanted.pop() if wanted else original())


@mutant
def ids_are_numbers() -> None:
    """Ids are short numbers that users and groups share, reused after a while."""
    import itertools

    numbers = itertools.count()
    everywhere(write_module.new_id, lambda: f"{next(numbers):08d}".upper() + "/x")


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

    async def hashed(plain: Any, schema: Any, limits: Any) -> Any:
        return {}

    everywhere(secrets_module.hashed, hashed)


@mutant
def password_of_any_length() -> None:
    """A password may be of any length."""
    original = secrets_module.hashed

    async def hashed(plain: Any, schema: Any, limits: Any) -> Any:
        return await original(plain, schema, changed(limits, password_min=1))

    everywhere(original, hashed)


@mutant
def password_is_repeated_in_the_refusal() -> None:
    """A password that is too weak is repeated in the answer."""
    original = secrets_module.hashed

    async def hashed(plain: Any, schema: Any, limits: Any) -> Any:
        try:
            return await original(plain, schema, limits)
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

    async def hashed(plain: Any, schema: Any, limits: Any) -> Any:
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
        return {"sub_attributes": tuple(changed(sub, uniqueness=Uniqueness.SERVER) if sub.name in ("value", "givenName", "formatted") else sub for sub in found.sub_attributes)}

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


def _loses(name: str) -> None:
    @variant(f"{name.lower()}_is_lost", f"The value of {name} is not stored.")
    def apply() -> None:
        def made(original: Any) -> Any:
            def resource(self: Any, body: Any, schema: Any) -> Any:
                def kept(held: Any) -> Any:
                    return {key: value for key, value in held.items() if key.lower() != name.lower()}

                body = {key: kept(value) if ":" in key and isinstance(value, dict) else value for key, value in kept(body).items()}
                return original(self, body, schema)

            return resource

        replace(Coercer, "resource", made)


for _name in (
    "externalId", "name", "displayName", "nickName", "profileUrl", "title", "userType", "preferredLanguage", "locale", "timezone",
    "active", "emails", "phoneNumbers", "ims", "photos", "addresses", "entitlements", "roles", "x509Certificates", "employeeNumber",
    "costCenter", "organization", "division", "department", "manager", "members",
):  # fmt: skip
    _loses(_name)


@mutant
def element_types_are_lost() -> None:
    """The type of a value is not stored."""
    replace(Coercer, "_complex", lambda original: lambda self, attribute, value, name: _without(original(self, attribute, value, name), "type"))


@mutant
def element_displays_are_lost() -> None:
    """The display of a value is not stored."""
    replace(
        Coercer, "_complex", lambda original: lambda self, attribute, value, name: _without(original(self, attribute, value, name), "display")
    )


@mutant
def primary_is_lost() -> None:
    """That a value is primary is not stored."""
    replace(
        Coercer, "_complex", lambda original: lambda self, attribute, value, name: _without(original(self, attribute, value, name), "primary")
    )


def _without(element: Any, part: str) -> Any:
    return element and {name: value for name, value in element.items() if name != part}


@mutant
def active_defaults_to_nothing() -> None:
    """A new user has no active."""
    replacement.DEFAULTS.clear()


@mutant
def active_is_always_true() -> None:
    """A user cannot be created or made inactive."""
    original = validate.complete

    def complete(document: Any, schema: Any, *limits: Any) -> Any:
        made = original(document, schema, *limits)
        return made | {"active": True} if "active" in made else made

    everywhere(original, complete)


@mutant
def active_defaults_to_false() -> None:
    """A new user is inactive unless the client says otherwise."""
    replacement.DEFAULTS["urn:ietf:params:scim:schemas:core:2.0:user"] = {"active": False}


@mutant
def default_only_shown() -> None:
    """The default of active is shown and not stored."""
    from tests.conformance.mutants.tools import shown

    replacement.DEFAULTS.clear()
    shown(lambda document: {"active": True} | document if "userName" in document else None)


@mutant
def inactive_users_are_hidden() -> None:
    """Inactive users are not listed."""
    from scimsrv.store import search

    replace(
        search,
        "_target",
        lambda original: lambda scope, target, args: f"({original(scope, target, args)} AND coalesce(r.search ->> 'active', '') <> 'false')",
    )


@mutant
def inactive_users_are_gone() -> None:
    """An inactive user cannot be read."""
    from scimsrv.store import read as read_module

    original = read_module.read

    async def read(scope: Any, plan: Any) -> Any:
        found = await original(scope, plan)
        if b'"active":false' in found.stored.document.encode():
            raise read_module.not_found(plan.schema, plan.id)
        return found

    everywhere(original, read)
