"""Mistakes in what is shown of references, and of passwords: members, groups, manager."""

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from scimsrv.schema import project
from scimsrv.store import source as source_module
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import everywhere, replace, shown


def _without_element_part(part: str) -> Any:
    def edit(document: Any) -> None:
        for name in ("members", "groups"):
            for element in document.get(name, ()):
                element.pop(part, None)

    return edit


@mutant
def references_lack_ref() -> None:
    """Members and groups have no $ref."""
    shown(_without_element_part("$ref"))


@mutant
def references_lack_type() -> None:
    """Members and groups have no type."""
    shown(_without_element_part("type"))


@mutant
def references_lack_display() -> None:
    """Members and groups have no display."""
    shown(_without_element_part("display"))


@mutant
def references_lead_elsewhere() -> None:
    """The $ref of a member or group leads to another endpoint."""

    def edit(document: Any) -> None:
        for name in ("members", "groups"):
            for element in document.get(name, ()):
                element["$ref"] = element.get("$ref", "").replace("/Users/", "/People/").replace("/Groups/", "/Teams/")

    shown(edit)


@mutant
def member_type_is_user() -> None:
    """Every member is said to be a User."""

    def edit(document: Any) -> None:
        for element in document.get("members", ()):
            element["type"] = "User"

    shown(edit)


@mutant
def manager_lacks_ref() -> None:
    """A manager has no $ref."""

    def edit(document: Any) -> None:
        for name, value in document.items():
            if ":" in name and "manager" in value:
                value["manager"].pop("$ref", None)

    shown(edit)


@mutant
def manager_display_name_is_made_up() -> None:
    """A manager's displayName is the id."""

    def edit(document: Any) -> None:
        for name, value in document.items():
            if ":" in name and "manager" in value:
                value["manager"]["displayName"] = value["manager"].get("value")

    shown(edit)


@mutant
def groups_are_never_shown() -> None:
    """Users have no groups."""
    shown(lambda document: {name: value for name, value in document.items() if name != "groups"})


@mutant
def groups_are_direct_only() -> None:
    """Users' groups lack those that hold their groups."""
    first, _, _ = source_module.UPWARDS.partition(" UNION ")
    text = first + ") SELECT up.source, 'direct' AS type FROM up)"
    everywhere(source_module.UPWARDS, text.removesuffix(")") + " GROUP BY up.source)")


@mutant
def groups_are_all_direct() -> None:
    """All of a user's groups are said to be direct."""

    def edit(document: Any) -> None:
        for element in document.get("groups", ()):
            element["type"] = "direct"

    shown(edit)


@mutant
def groups_vanish_with_projection() -> None:
    """Asking for groups alone shows none."""
    original = project.view
    everywhere(
        original,
        lambda projection, schema, *sent: (
            changed(original(projection, schema, *sent), backlinks=())
            if projection.only is not None
            else original(projection, schema, *sent)
        ),
    )


@mutant
def password_is_shown() -> None:
    """Users show a password."""
    shown(lambda document: document | {"password": "x"} if "userName" in document else None)


@mutant
def password_hash_is_shown() -> None:
    """A user's passwords are kept in the document, and shown."""
    from scimsrv.schema.validate import Coercer

    def made(original: Any) -> Any:
        def resource(self: Any, body: Any, schema: Any) -> Any:
            draft = original(self, body, schema)
            return changed(draft, document=draft.document | {"password": draft.secrets["password"]}) if draft.secrets else draft

        return resource

    replace(Coercer, "resource", made)
