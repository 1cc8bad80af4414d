"""Mistakes in defining schemas and resource types, and in what becomes of references."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from scimsrv import auth
from scimsrv.errors import ScimError
from scimsrv.protocol import defining, discovery
from scimsrv.protocol.plan import Defined
from scimsrv.schema import definition, protection, resource_type, validate
from scimsrv.store import definitions, examination, links, referring
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import answer, everywhere, headers, replace


def _planned(**changes: Any) -> None:
    """Change what a request for a change of definitions comes to."""
    replace(defining, "plan", lambda planned: lambda *args: dataclasses.replace(planned(*args), **changes))


def _stored(edit: Callable[[Any, Any], Any]) -> None:
    """Edit every definition that is created or replaced; `edit` gets the body and the present one."""

    def made(original: Any) -> Any:
        def plan(subject: Any, method: str, *args: Any) -> Any:
            planned = original(subject, method, *args)
            change = planned.edit

            def edited(present: Any) -> Any:
                body = change(present)
                return None if body is None else edit(body, present)

            return dataclasses.replace(planned, edit=edited)

        return plan

    replace(defining, "plan", made)


@mutant
def definitions_name_no_attribute() -> None:
    """Refusals of a definition do not say which attribute is at fault."""
    original = definition.checked_schema

    def checked(body: Any) -> Any:
        try:
            return original(body)
        except ScimError as problem:
            raise ScimError(problem.kind, "The definition has a fault") from problem

    everywhere(original, checked)


@mutant
def stored_resources_are_not_examined() -> None:
    """Changes are taken whatever the stored resources are like."""
    replace(examination.Examination, "refuse", lambda _: lambda _self: None)


@mutant
def dry_runs_are_taken() -> None:
    """A change is made although it was only to be judged."""
    _planned(dry_run=False)


@mutant
def dry_runs_say_nothing() -> None:
    """A dry run does not say which resources are in the way."""
    original = definitions.report

    def report(defined: Any) -> Any:
        said = original(defined)
        return said | {"changes": [{name: value for name, value in one.items() if name != "ids"} for one in said["changes"]]}

    everywhere(original, report)


@mutant
def definitions_ignore_if_match() -> None:
    """A change of a definition is made whatever version If-Match names."""
    _planned(if_match=None)


@mutant
def reserved_endpoints_are_free() -> None:
    """A resource type may take an endpoint that has a meaning of its own."""
    everywhere(resource_type.RESERVED_ENDPOINTS, frozenset())


@mutant
def schemas_of_types_need_not_exist() -> None:
    """A resource type may name extensions that are not there."""
    original = resource_type.spelled

    def spelled(kind: Any, schemas: Any) -> Any:
        known = [one for one in kind["schemaExtensions"] if one["schema"].lower() in schemas]
        return original(kind | {"schemaExtensions": known}, schemas)

    everywhere(original, spelled)


@mutant
def standard_schemas_are_not_protected() -> None:
    """The schemas of the RFC can be contradicted."""
    everywhere(protection.check_protected, lambda _urn, _given: None)


@mutant
def anybody_may_define() -> None:
    """Every token may change schemas and resource types."""
    original = auth.Principal.may
    replace(auth.Principal, "may", lambda _: lambda self, right: right is auth.Right.DEFINE or original(self, right))


@mutant
def new_attributes_are_dropped() -> None:
    """Attributes that a definition gains are left out."""

    def edit(body: Any, present: Any) -> Any:
        if present is None or "attributes" not in present:
            return body
        known = {one["name"] for one in present["attributes"]}
        return dict(body) | {"attributes": [one for one in body["attributes"] if one.get("name") in known]}

    _stored(edit)


@mutant
def attributes_cannot_be_taken_away() -> None:
    """Attributes that a definition loses stay."""

    def edit(body: Any, present: Any) -> Any:
        if present is None or not isinstance(body.get("attributes"), list):
            return body
        named = {one.get("name") for one in body["attributes"]}
        return dict(body) | {"attributes": [*body["attributes"], *(one for one in present["attributes"] if one["name"] not in named)]}

    _stored(edit)


@mutant
def user_extensions_cannot_be_added() -> None:
    """The extensions of a resource type stay as they are."""

    def edit(body: Any, present: Any) -> Any:
        return (
            body if present is None or "schemaExtensions" not in present else dict(body) | {"schemaExtensions": present["schemaExtensions"]}
        )

    _stored(edit)


@mutant
def new_types_are_not_listed() -> None:
    """Resource types are served and not discovered in the list."""
    original = discovery.resource_types

    def listed(*args: Any) -> Any:
        known = original(*args)
        first = [one for one in known["Resources"] if one["name"] in ("User", "Group")]
        return known | {"Resources": first, "totalResults": len(first)}

    everywhere(original, listed)


@mutant
def definitions_lack_a_location() -> None:
    """The answer to a new definition has no Location."""
    answer(lambda outcome, reply: headers(reply, Location=None) if isinstance(outcome, Defined) else reply)


@mutant
def annotated_references_need_not_exist() -> None:
    """References of which more is said may name anything."""
    everywhere(links.change_of, lambda _place, _before, _document: None)


@mutant
def elements_stay_when_what_they_name_goes() -> None:
    """Deleting what is referred to leaves the elements of which more is said."""

    async def forget(scope: Any, conn: Any, id_: str, held: Any, left: Any) -> None:
        return None

    everywhere(referring.forget, forget)


@mutant
def canonical_values_are_never_enforced() -> None:
    """Values other than the canonical ones are taken although the definition enforces them."""
    everywhere(validate.is_canonical, lambda *_: True)
