"""A change of one of a tenant's definitions, decided against all others: what it is, what it means for which types, and how it reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from functools import cached_property
from typing import Any

from scimsrv.errors import Kind, ScimError, mutability
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.badging import with_badges, without_badges
from scimsrv.schema.catalog import Catalog, Definition, build_catalog
from scimsrv.schema.definition import checked_schema
from scimsrv.schema.definitions import load_definitions
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.evolution import Change, Effect, Refers, SetAside, Unused, compare
from scimsrv.schema.policy import DEFAULT_OWN, parse_policy
from scimsrv.schema.protection import check_protected, check_protected_type
from scimsrv.schema.resource_type import check_references, checked_resource_type, spelled


class Subject(Enum):
    """What can be defined, by the name of its own resource type; a policy decides on definitions too."""

    SCHEMA = "Schema"
    RESOURCE_TYPE = "ResourceType"
    POLICY = "Policy"


@dataclass(frozen=True)
class Work:
    """What is left to be done with the resources of a type: places (by key) whose values became unique, those that are unique no more,
    and those whose values are set aside."""

    claims: tuple[str, ...]
    releases: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True)
class Redefinition:
    """A definition before and after; None for one that is created or deleted. `changes` has the differences for each resource type
    that was there before and uses it."""

    subject: Subject
    name: str
    old: Definition | None
    new: Definition | None
    before: Catalog
    after: Catalog
    changes: Mapping[str, tuple[Change, ...]]
    #: The last version of a definition of this name that is gone, so that no version of one that is made again means two things.
    former: int = 0

    @property
    def version(self) -> int:
        """The version of the definition as it is; where there is none, that of the last one, or 0."""
        versions = self.before.schema_versions if self.subject is Subject.SCHEMA else self.before.type_versions
        return self.former if self.old is None else versions.get(fold_name(self.name), 1)

    @cached_property
    def diff(self) -> dict[str, list[Any]]:
        """What differs, by path: [before, after], null where there is nothing."""
        one, other = _flat(_in_full(self.subject, self.old)), _flat(self.new or {})
        return {path: [one.get(path), other.get(path)] for path in sorted({*one, *other}) if one.get(path) != other.get(path)}

    @property
    def demands(self) -> bool:
        """Whether stored resources have to bear the change: a resource type goes, or there is something to look at in each."""
        gone = self.before.by_name.keys() - self.after.by_name.keys()
        return bool(gone) or any(self.work(name) is not None for name in self.changes)

    def work(self, type_name: str) -> Work | None:
        """What the change leaves to be done for a type that was there before; None when it does not concern stored resources."""
        old, new = self.before.by_name[type_name], self.after.by_name.get(type_name)
        if new is None:
            return None
        changes = self.changes.get(type_name, ())
        was, becomes = {place.key for place in old.unique}, {place.key for place in new.unique}
        claims = tuple(sorted(key for key in becomes - was if old.resolve(key) is not None))
        removed = tuple(check.place.key for change in changes for check in change.checks if isinstance(check, SetAside))
        releases = tuple(sorted(was - becomes))
        concerned = claims or releases or any(not isinstance(check, Refers) for change in changes for check in change.checks)
        return Work(claims, releases, removed) if concerned else None


def redefine(catalog: Catalog, subject: Subject, name: str | None, body: Mapping[str, Any] | None) -> Redefinition:
    """The change that a body makes of the definition called `name` (None: it is new); without a body it is deleted.

    Raises ScimError for every fault of the body, for what the standard or other definitions do not permit, 404 and 409.
    """
    held = catalog.schemas if subject is Subject.SCHEMA else catalog.resource_types
    old = None if name is None else held.get(fold_name(name))
    if name is not None and old is None:
        raise ScimError(Kind.NOT_FOUND, f"There is no {'schema' if subject is Subject.SCHEMA else 'resource type'} {name[:64]!r}")
    schemas, types = dict(catalog.schemas), dict(catalog.resource_types)
    if subject is Subject.SCHEMA:
        new = None if body is None else _schema(catalog, old, checked_schema(body))
        called: str = (new or old or {})["id"]
        check_protected(called, new, catalog.by_name)
        _put(schemas, fold_name(called), new)
        check_references(schemas, types.values())
    else:
        new = None if body is None else _resource_type(catalog, old, checked_resource_type(body))
        called = (new or old or {})["name"]
        check_protected_type(old, new)
        _put(types, fold_name(called), new)
        check_references(schemas, types.values())
    after = build_catalog(
        *(schemas.values(), types.values(), load_definitions().common, catalog.policy),
        forms=catalog.forms,
        rekeyings=catalog.rekeyings,
    )
    changes = {
        type_.name: tuple(_changes(type_, after.by_name.get(type_.name)))
        for type_ in catalog.types()
        if _concerns(subject, fold_name(called), type_)
    }
    return Redefinition(subject, called, old, new, catalog, after, changes)


def repolicy(catalog: Catalog, old: Definition, new: Definition) -> Redefinition:
    """The change that another policy document makes of the tenant's types. Raises ValueError that names what is wrong with it, and
    ScimError 409 where the tenant's definitions do not permit it."""
    policy = parse_policy(new)
    schemas, types = dict(catalog.schemas), dict(catalog.resource_types)
    if policy.badges != catalog.policy.badges:
        schemas, types = (with_badges if policy.badges else without_badges)(schemas, types)
        check_references(schemas, types.values())
    after = build_catalog(
        *(schemas.values(), types.values(), load_definitions().common, policy),
        forms=catalog.forms,
        rekeyings=catalog.rekeyings,
    )
    check_own_attributes(after, old.get("me_attributes", ()))
    changes = {type_.name: tuple(_changes(type_, after.by_name.get(type_.name))) for type_ in catalog.types()}
    return Redefinition(Subject.POLICY, "policy", old, new, catalog, after, changes)


def check_own_attributes(catalog: Catalog, before: Collection[str] = ()) -> None:
    """Raises ValueError when the catalogue's policy names in `me_attributes` what users do not have. Those named `before` are not
    looked at: an attribute may have been removed since."""
    user = catalog.by_name.get("User")
    if user is None:
        return
    known = {fold_name(attribute.name if urn is None else f"{urn}:{attribute.name}") for urn, attribute in user.top_level()}
    for name in catalog.policy.me_attributes:
        if name not in before and name not in DEFAULT_OWN and fold_name(name) not in known:
            close = get_close_matches(name, known, 1)
            raise ValueError(f"me_attributes: users have no attribute {name!r}" + (f"; did you mean {close[0]}?" if close else ""))


def _put(held: dict[str, Definition], key: str, new: Definition | None) -> None:
    if new is None:
        held.pop(key, None)
    else:
        held[key] = new


def _schema(catalog: Catalog, old: Definition | None, new: Definition) -> Definition:
    key = fold_name(new["id"])
    if old is None:
        if key in catalog.schemas:
            raise ScimError(Kind.UNIQUENESS, f"id: there is a schema {catalog.schemas[key]['id']}")
        return new
    if key != fold_name(old["id"]):
        raise mutability(f"id is {old['id']} and cannot change")
    new = new | {"id": old["id"]}
    names = {fold_name(attribute["name"]): attribute for attribute in old["attributes"]}
    for attribute in new["attributes"]:
        before = names.get(fold_name(attribute["name"]))
        if before is not None and before["name"] != attribute["name"]:
            raise mutability(f"{before['name']}: names are compared without case, and the spelling of one cannot change")
    if key == _GROUP and _uniqueness(new) != ("server" if catalog.policy.unique_group_names else "none"):
        raise mutability("displayName: its uniqueness is decided by the policy switch unique_group_names")
    return new


_GROUP = "urn:ietf:params:scim:schemas:core:2.0:group"


def _uniqueness(group: Definition) -> str:
    found: str = next((one.get("uniqueness", "none") for one in group["attributes"] if one["name"] == "displayName"), "none")
    return found


def _resource_type(catalog: Catalog, old: Definition | None, new: Definition) -> Definition:
    if old is None:
        if fold_name(new["name"]) in catalog.resource_types:
            raise ScimError(Kind.UNIQUENESS, f"name: there is a resource type {catalog.resource_types[fold_name(new['name'])]['name']}")
    elif new["name"] != old["name"]:
        raise mutability(f"name is {old['name']} and cannot change")
    return spelled(new, catalog.schemas)


def _concerns(subject: Subject, key: str, type_: EffectiveSchema) -> bool:
    if subject is Subject.RESOURCE_TYPE:
        return fold_name(type_.name) == key
    return type_.schema(key) is not None


def _changes(old: EffectiveSchema, new: EffectiveSchema | None) -> list[Change]:
    if new is None:
        rule = "has resources, so that it cannot be deleted"
        return [Change(old.name, "name", old.name, None, Effect.BREAKING, (Unused(),), rule)]
    return compare(old, new)


def _in_full(subject: Subject, old: Definition | None) -> Definition:
    """A stored definition as it would be stored now, so that only what means something differs."""
    if old is None or subject is not Subject.SCHEMA:
        return old or {}
    try:
        return checked_schema(old)
    except ScimError:  # of the protocol's own schemas, which have more than a tenant's can
        return old


def _flat(definition: Definition) -> dict[str, Any]:
    """The members of a definition by path: `attributes.badge.required`, `schemaExtensions.urn:….required`."""
    found: dict[str, Any] = {}

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for name, part in value.items():
                walk(part, f"{path}.{name}" if path else name)
        elif isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            for one in value:
                walk(one, f"{path}.{one.get('name', one.get('schema'))}")
        elif value != []:
            found[path] = value

    walk({name: value for name, value in definition.items() if name not in ("schemas", "id", "meta")}, "")
    return found
