"""Badges as a tenant's resource types: what they are called, and how definitions gain and lose them with the policy switch `badges`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from scimsrv.errors import Kind, ScimError
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.definitions import Definition, Definitions, is_of_badges, load_badges

#: What the URNs of all badge schemas begin with, and that of the extension of users.
URN: Final = "urn:scimsrv:scim:schemas:badges:1.0:"
USER_EXTENSION: Final = "urn:scimsrv:scim:schemas:extension:badges:1.0:User"

ISSUER: Final = "BadgeIssuer"
PROGRAM: Final = "BadgeProgram"
SKILL: Final = "BadgeSkill"
ACHIEVEMENT: Final = "Achievement"
AWARD: Final = "Award"
REQUEST: Final = "BadgeRequest"

#: The resource types of badges.
TYPES: Final = (ISSUER, PROGRAM, SKILL, ACHIEVEMENT, AWARD, REQUEST)

#: Those of which a catalogue consists; what follows is decided by them.
CATALOGUE: Final = (PROGRAM, SKILL, ACHIEVEMENT)

#: Resource type, attribute and substring mark of the indexes that they begin with.
INDEXES: Final = ((AWARD, "awardedAt", False), (AWARD, "meta.lastModified", False), (REQUEST, "submittedAt", False))


def with_badges(schemas: Mapping[str, Definition], types: Mapping[str, Definition]) -> tuple[dict[str, Definition], dict[str, Definition]]:
    """A tenant's schemas and resource types, by folded URN and name, with those of badges. What is there already stays as it is, but
    must not be another's. Raises ScimError 409 naming what is in the way."""
    shipped = load_badges()
    if "user" not in types:
        raise ScimError(Kind.CONFLICT, "Badges need the resource type User")
    endpoints = {fold_name(type_["endpoint"]): type_["name"] for type_ in types.values()}
    for type_ in shipped.resource_types:
        name, held = type_["name"], types.get(fold_name(type_["name"]))
        if (held or type_)["schema"] != type_["schema"]:
            raise ScimError(Kind.CONFLICT, f"The tenant has a resource type {name} of its own, which is a name of badges")
        if endpoints.get(fold_name(type_["endpoint"]), name) != name:
            raise ScimError(Kind.CONFLICT, f"The tenant has a resource type at {type_['endpoint']}, which is an endpoint of badges")
    user = types["user"]
    extensions = [*user.get("schemaExtensions", ())]
    if fold_name(USER_EXTENSION) not in {fold_name(one["schema"]) for one in extensions}:
        extensions.append({"schema": USER_EXTENSION, "required": False})
    return (
        {fold_name(urn): schema for urn, schema in shipped.schemas.items()} | dict(schemas),
        {fold_name(type_["name"]): type_ for type_ in shipped.resource_types} | {**types, "user": user | {"schemaExtensions": extensions}},
    )


def with_shipped_badges(whole: Definitions) -> Definitions:
    """The definitions that a tenant begins with, and those of badges. Raises ValueError where they cannot be."""
    try:
        schemas, types = with_badges(whole.schemas, {fold_name(type_["name"]): type_ for type_ in whole.resource_types})
    except ScimError as problem:
        raise ValueError(f"badges: {problem.sentence}") from problem
    return Definitions({schema["id"]: schema for schema in schemas.values()}, tuple(types.values()), whole.common)


def without_badges(
    schemas: Mapping[str, Definition], types: Mapping[str, Definition]
) -> tuple[dict[str, Definition], dict[str, Definition]]:
    """The definitions without those of badges: what a tenant has that turned them off."""
    names = {fold_name(name) for name in TYPES}
    left = {key: _without_extension(type_) for key, type_ in types.items() if key not in names}
    return {key: schema for key, schema in schemas.items() if not is_of_badges(key)}, left


def _without_extension(type_: Definition) -> dict[str, Any]:
    extensions = [one for one in type_.get("schemaExtensions", ()) if fold_name(one["schema"]) != fold_name(USER_EXTENSION)]
    return type_ if len(extensions) == len(type_.get("schemaExtensions", ())) else type_ | {"schemaExtensions": extensions}
