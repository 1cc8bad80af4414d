"""What the server makes of requests that do not say exactly what the RFCs have them say, by name: recorded with the change it led to."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum


class Coercion(Enum):
    """Each value says what the server did; the name in lower case is what is stored. docs/policy.md is compared with this table."""

    LOWER_CASE_OP = "`Add`, `Replace` and `Remove` were read as `add`, `replace` and `remove` (Entra ID)."
    BARE_COMPARISON = 'A path `schemas eq "…"` was read as `schemas[value eq "…"]` (erratum 7122).'
    ROLES_AS_JSON_TEXT = "The text of a JSON object was read as a role (Entra ID; switch `parse_json_strings`)."
    DOTTED_KEY = "A member `name.givenName` or `urn:…:User:department` of a value without path was read as that attribute (Entra ID, Okta)."
    UNKNOWN_IGNORED = "An attribute that the schema does not have was ignored (switch `strict_attributes`)."
    BOOLEAN_AS_TEXT = 'Text such as `"True"` was read as true or false (Entra ID).'
    SINGLE_FOR_LIST = "One value was read as a list of one."
    LIST_FOR_SINGLE = "A list of one value, or of none, was read as that value (Entra ID)."
    TEXT_FOR_COMPLEX = "Bare text was read as the `value` of a complex attribute (Entra ID's manager)."
    EMPTY_CLEARS = "An empty string unassigned an attribute (Entra ID's manager; elsewhere switch `empty_string_clears`)."
    REMOVED_BY_VALUE = "A remove with a list of values removed those values only (Entra ID, JumpCloud)."
    UPSERT_ON_REPLACE = "A replace whose value path matched nothing created the element (switch `patch_replace_upsert`)."
    KEPT_OMITTED_ACTIVE = "A PUT without `active` kept a value other than the default (switch `put_keeps_omitted_active`)."
    KEPT_OMITTED_MEMBERS = "A PUT without a reference attribute kept its values (switch `put_keeps_omitted_members`)."


def stored_names(made: Iterable[Coercion]) -> list[str] | None:
    """The names as a change keeps them, in order; None when there are none."""
    return sorted(one.name.lower() for one in made) or None
