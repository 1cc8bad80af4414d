"""Starting points for a tenant: a policy, and the schemas and resource types that it begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from scimsrv.schema.attribute import fold_name
from scimsrv.schema.definitions import Definition, Definitions, load_definitions, refers_only_to
from scimsrv.schema.indexing import STANDARD


@dataclass(frozen=True, slots=True)
class Preset:
    """`policy` is a policy document; `without` names the resource types that a tenant of this kind does not have."""

    meaning: str
    policy: Mapping[str, Any]
    without: frozenset[str] = frozenset()

    @property
    def definitions(self) -> Definitions:
        """The schemas and resource types of a new tenant, consistent without the types that are left out."""
        return _without(load_definitions(), self.without)

    @property
    def indexes(self) -> tuple[tuple[str, str, bool], ...]:
        """Resource type, attribute and substring mark of each index of a new tenant."""
        return tuple(one for one in STANDARD if one[0] not in self.without)


PRESETS: Final[dict[str, Preset]] = {
    "standard": Preset("Users and groups for Entra ID, Okta and clients that keep to the RFCs, at the same time.", {"profile": "standard"}),
    "entra": Preset("Users and groups for Entra ID, with the spellings that only it has.", {"profile": "entra"}),
    "okta": Preset("Users and groups for Okta.", {"profile": "okta"}),
    "user-only": Preset(
        "Users without groups: no resource type Group, and no attribute `groups` of users.", {"profile": "standard"}, frozenset({"Group"})
    ),
    "strict": Preset("Users and groups with every leniency off, for conformance runs.", {"profile": "strict"}),
}


def _without(whole: Definitions, names: frozenset[str]) -> Definitions:
    """The definitions without these resource types: their schemas go where no other type has them, and attributes that could refer to
    nothing else any more go with them, so that discovery names nothing that does not exist."""
    if not names:
        return whole
    gone = [type_ for type_ in whole.resource_types if type_["name"] in names]
    left = tuple(type_ for type_ in whole.resource_types if type_["name"] not in names)
    unused = _used_by(gone) - _used_by(left)
    schemas = {urn: _pruned(schema, names) for urn, schema in whole.schemas.items() if fold_name(urn) not in unused}
    return Definitions(schemas, left, whole.common)


def _used_by(types: Any) -> set[str]:
    extensions = {fold_name(extension["schema"]) for type_ in types for extension in type_.get("schemaExtensions", ())}
    return extensions | {fold_name(type_["schema"]) for type_ in types}


def _pruned(schema: Definition, names: frozenset[str]) -> Definition:
    return schema | {"attributes": [attribute for attribute in schema["attributes"] if not refers_only_to(attribute, names)]}
