"""Mistakes in reading bodies: lists, null, unknown names, schemas."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from scimsrv.errors import invalid_syntax, invalid_value
from scimsrv.schema import document as document_module
from scimsrv.schema import replacement, validate
from scimsrv.schema.attribute import Attribute
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.validate import Coercer
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import everywhere, replace


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

    def made(original: Any) -> Any:
        def attribute_(self: Any, attribute: Attribute, value: Any, name: str) -> Any:
            if isinstance(value, list) and len(value) > 2:
                raise invalid_value(f"{name} may have two values")
            return original(self, attribute, value, name)

        return attribute_

    replace(Coercer, "attribute", made)


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
    original = replacement.replaced

    def replaced(sent: Any, body: Any, stored: Any, schema: Any, policy: Any, *noted: Any) -> Any:
        kept = {name: stored[name] for name, value in body.items() if value in (None, []) and name in stored}
        return original(sent | kept, body, stored, schema, policy, *noted)

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
            return (
                changed(draft, document=draft.document | {"schemas": body["schemas"]}) if isinstance(body.get("schemas"), list) else draft
            )

        return resource

    replace(Coercer, "resource", made)

    def complete(document: Any, schema: Any, *limits: Any) -> Any:
        made_ = original(document, schema, *limits)
        return made_ | {"schemas": document["schemas"]} if "schemas" in document else made_

    everywhere(original, complete)
