"""A tenant's schemas and resource types, parsed once per revision and shared by every request of the tenant."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Final

import orjson

from scimsrv.limits import Limits
from scimsrv.schema.attribute import Attribute, fold_name, parse_attribute
from scimsrv.schema.effective import EffectiveSchema, Resolved, Schema, parse_schema
from scimsrv.schema.forms import Rekeying, with_forms
from scimsrv.schema.indexing import Index, indexable
from scimsrv.schema.policy import Policy, lowered

Definition = dict[str, Any]

#: A stored index: its number, resource type, attribute, whether pieces of the text are looked for, and its state.
StoredIndex = tuple[int, str, str, bool, str]

#: A type whose resources are being brought up to a change of its definitions, and the keys of the places that became unique.
Rework = tuple[str, Sequence[str]]

_CORE_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"

_LIMITS: Final = ("limits",)


@dataclass(frozen=True, eq=False)
class Catalog:
    """What one tenant serves. `schemas` and `resource_types` are the documents that discovery shows, by folded URN and name."""

    policy: Policy
    schemas: Mapping[str, Definition]
    resource_types: Mapping[str, Definition]
    by_endpoint: Mapping[str, EffectiveSchema]
    by_name: Mapping[str, EffectiveSchema]
    #: The indexes that writers keep up to date, by resource type.
    indexes: Mapping[str, tuple[Index, ...]] = field(default_factory=dict)
    #: Forms of attributes in search documents by folded URN and path, where they are not 1; and the changes of forms under way.
    forms: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    rekeyings: tuple[Rekeying, ...] = ()
    #: Versions of the schemas and resource types, by their key in `schemas` and `resource_types`; 1 where nothing is said.
    schema_versions: Mapping[str, int] = field(default_factory=dict)
    type_versions: Mapping[str, int] = field(default_factory=dict)
    #: The edition of the tenant's policy, schemas and resource types; None where nobody keeps count.
    edition: int | None = None
    #: Texts that are made once per catalogue by those who need them.
    statements: dict[tuple[Any, ...], Any] = field(default_factory=dict, repr=False)

    def limited(self, limits: Limits) -> Limits:
        """The limits of the tenant: the server's, where its policy has no lower ones."""
        of: Limits | None
        made: Limits
        of, made = self.statements.get(_LIMITS, (None, limits))
        if of is not limits:
            made = lowered(limits, self.policy)
            self.statements[_LIMITS] = (limits, made)
        return made

    def at(self, endpoint: str) -> EffectiveSchema | None:
        """The resource type served at this path segment (`Users`), compared exactly, or None."""
        return self.by_endpoint.get(endpoint)

    def types(self) -> Iterable[EffectiveSchema]:
        """Every resource type."""
        return self.by_name.values()

    def indexes_of(self, schema: EffectiveSchema) -> tuple[Index, ...]:
        """The indexes of a resource type's attributes, those included that are still being built."""
        return self.indexes.get(schema.name, ())

    def index(self, schema: EffectiveSchema, place: Resolved) -> Index | None:
        """The index of this place that queries may rely on, or None."""
        return self._ready.get((schema.name, place.key))

    @cached_property
    def _ready(self) -> dict[tuple[str, str], Index]:
        return {(name, index.place.key): index for name, held in self.indexes.items() for index in held if index.ready}

    @cached_property
    def of_modified(self) -> dict[str, int]:
        """The number of each resource type's index of meta.lastModified, where it has one."""
        return {name: index.number for name, held in self.indexes.items() for index in held if index.of_modified}

    def epoch(self, schemas: Iterable[EffectiveSchema]) -> str:
        """A digest of the policy and of the definitions of these resource types: what a query over them rests on besides the resources.
        Indexes and descriptions, which change no answer, are not part of it, and nor is what other types are made of."""
        types = [*schemas]
        key = ("epoch", *(type_.name for type_ in types))
        if key not in self.statements:
            parts = [asdict(self.policy), [self._essence(type_) for type_ in types]]
            self.statements[key] = hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()
        found: str = self.statements[key]
        return found

    def _essence(self, type_: EffectiveSchema) -> list[Any]:
        urns = [type_.base.key, *(extension.key for extension, _ in type_.extensions)]
        behind = [self.links_behind(type_, place) for place in type_.backlinks]
        definitions = [self.resource_types[fold_name(type_.name)], *(self.schemas[urn]["attributes"] for urn in urns)]
        return [_without_remarks(definitions), behind]

    def is_building(self, schema: EffectiveSchema) -> bool:
        """Whether rows of the type's resources are being changed in the background: writers then lock the resource before they look."""
        return schema.unsettled or not all(index.ready for index in self.indexes_of(schema))

    def linking(self, links: Iterable[str]) -> list[EffectiveSchema]:
        """The resource types that have a link with one of these keys."""
        keys = set(links)
        return [type_ for type_ in self.types() if type_.seen_from_behind.keys() & keys]

    def shown(self, backlink: Resolved, keys: Iterable[str]) -> list[str]:
        """The names of the resource types that a backlink with these links behind it shows. Others may have links of the same names."""
        return [type_.name for type_ in self.linking(keys) if type_.name in backlink.attribute.resource_types]

    def links_behind(self, schema: EffectiveSchema, backlink: Resolved) -> tuple[str, ...]:
        """Keys of the link attributes whose rows a backlink shows from the other side: for User.groups, Group's members."""
        keys = {
            link.key
            for name in backlink.attribute.resource_types
            if (source := self.by_name.get(name)) is not None
            for link in source.seen_from_behind.values()
            if schema.name in link.attribute.resource_types
        }
        return tuple(sorted(keys))


def _without_remarks(definition: Any) -> Any:
    """A part of a definition without what changes no answer."""
    if isinstance(definition, list):
        return [_without_remarks(one) for one in definition]
    if not isinstance(definition, dict):
        return definition
    return {name: _without_remarks(value) for name, value in definition.items() if name not in _REMARKS}


#: Members of definitions that change no answer to a query.
_REMARKS: Final = frozenset({"description", "indexed", "meta"})


def build_catalog(
    schemas: Iterable[Definition],
    resource_types: Iterable[Definition],
    common: Iterable[Definition],
    policy: Policy,
    indexes: Iterable[StoredIndex] = (),
    *,
    reworks: Iterable[Rework] = (),
    forms: Mapping[str, Mapping[str, int]] | None = None,
    rekeyings: Sequence[Rekeying] = (),
    schema_versions: Mapping[str, int] | None = None,
    type_versions: Mapping[str, int] | None = None,
) -> Catalog:
    """The catalog of a tenant from its stored Schema and ResourceType documents (RFC 7643 §6, §7), its policy, its indexes and the
    changes that are still being carried out.

    Raises KeyError when a resource type names a schema that is not there.
    """
    definitions = {fold_name(definition["id"]): _by_policy(definition, policy) for definition in schemas}
    formed = forms or {}
    parsed = {urn: with_forms(parse_schema(definition), formed.get(urn, {}), rekeyings) for urn, definition in definitions.items()}
    shared = tuple(_common(definition, policy) for definition in common)
    types = {}
    documents = {}
    claiming = {name: frozenset(places) for name, places in reworks}
    for definition in resource_types:
        effective = _effective(definition, parsed, shared, claiming.get(definition["name"]))
        types[effective.name] = effective
        documents[fold_name(effective.name)] = definition
    return Catalog(
        policy=policy,
        schemas=definitions,
        resource_types=documents,
        by_endpoint={effective.endpoint.strip("/"): effective for effective in types.values()},
        by_name=types,
        indexes=_indexes(indexes, types),
        forms=formed,
        rekeyings=tuple(rekeyings),
        schema_versions=schema_versions or {},
        type_versions=type_versions or {},
    )


def _indexes(stored: Iterable[StoredIndex], types: Mapping[str, EffectiveSchema]) -> dict[str, tuple[Index, ...]]:
    """Indexes of what the types do not have (any more) are left out."""
    found: dict[str, tuple[Index, ...]] = {}
    for number, name, attribute, substring, state in stored:
        with suppress(KeyError, ValueError):
            place = indexable(types[name], attribute)
            found[name] = (*found.get(name, ()), Index(number, place, state == "ready", substring))
    return found


def _effective(
    definition: Definition, parsed: Mapping[str, Schema], common: tuple[Attribute, ...], claiming: frozenset[str] | None
) -> EffectiveSchema:
    return EffectiveSchema(
        name=definition["name"],
        endpoint=definition["endpoint"],
        common=common,
        base=parsed[fold_name(definition["schema"])],
        extensions=tuple(
            (parsed[fold_name(extension["schema"])], extension.get("required", False))
            for extension in definition.get("schemaExtensions", ())
        ),
        unsettled=claiming is not None,
        claiming=claiming or frozenset(),
    )


def _by_policy(definition: Definition, policy: Policy) -> Definition:
    """The definition with what the policy decides: a group's displayName is unique or not (what is served is what is enforced)."""
    if fold_name(definition["id"]) != fold_name(_CORE_GROUP):
        return definition
    uniqueness = "server" if policy.unique_group_names else "none"
    attributes = [
        attribute | {"uniqueness": uniqueness} if attribute["name"] == "displayName" else attribute
        for attribute in definition["attributes"]
    ]
    return definition | {"attributes": attributes}


def _common(definition: Definition, policy: Policy) -> Attribute:
    if definition["name"] == "externalId" and policy.unique_external_ids:
        definition = definition | {"uniqueness": "server"}
    return parse_attribute(definition)
