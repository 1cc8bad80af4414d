"""Values that are lost, and active."""

from __future__ import annotations

from typing import Any

from scimsrv.schema import replacement, validate
from scimsrv.schema.validate import Coercer
from tests.conformance.mutants.registry import mutant, variant
from tests.conformance.mutants.tools import everywhere, replace


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
    replace(
        Coercer, "_complex", lambda original: lambda self, attribute, value, name: _without(original(self, attribute, value, name), "type")
    )


@mutant
def element_displays_are_lost() -> None:
    """The display of a value is not stored."""
    replace(
        Coercer,
        "_complex",
        lambda original: lambda self, attribute, value, name: _without(original(self, attribute, value, name), "display"),
    )


@mutant
def primary_is_lost() -> None:
    """That a value is primary is not stored."""
    replace(
        Coercer,
        "_complex",
        lambda original: lambda self, attribute, value, name: _without(original(self, attribute, value, name), "primary"),
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
        lambda original: (
            lambda scope, target, args: f"({original(scope, target, args)} AND coalesce(r.search ->> 'active', '') <> 'false')"
        ),
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
