"""What a tenant decides where the RFCs leave a choice: a profile and the switches that differ from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, Final, Literal, get_args

PatchBody = Literal["auto", "always", "never"]
Me = Literal["off", "id", "userName", "externalId"]

#: What people say about themselves, and nothing that anybody decides by.
_OWN: Final = ("nickName", "profileUrl", "preferredLanguage", "locale", "timezone", "phoneNumbers", "photos", "password")


@dataclass(frozen=True, slots=True)
class Policy:
    """One switch per field; the defaults are the profile `standard`, which serves the RFC, Entra ID and Okta at the same time."""

    #: A PATCH replace on a value path that matches nothing creates the element (RFC 7644 §3.5.2.3 demands noTarget).
    patch_replace_upsert: bool = False
    #: A PUT without `active` keeps the stored value, so that a forgetful client re-activates nobody (RFC 7644 §3.5.1 permits it).
    put_keeps_omitted_active: bool = True
    #: A PUT without a reference attribute such as `members` keeps its values.
    put_keeps_omitted_members: bool = False
    #: Unknown attributes in bodies and in path-less PATCH values are errors (RFC 7644 §3.1 lets them be ignored).
    strict_attributes: bool = False
    #: `schemas` must be sent and may name known URNs only (RFC 7643 §3).
    strict_schemas: bool = False
    #: A PATCH without operations is an error.
    strict_operations: bool = False
    #: References to the outside (profileUrl, photos) must be URIs (RFC 7643 §2.3.7).
    strict_uris: bool = False
    #: Strings that hold JSON objects are parsed in complex values (Entra ID's complex role assignments).
    parse_json_strings: bool = False
    #: Two groups of one tenant may not share a displayName.
    unique_group_names: bool = True
    #: Two resources of one type may not share an externalId.
    unique_external_ids: bool = False
    #: An empty string unassigns the attribute.
    empty_string_clears: bool = False
    #: PUT, PATCH and DELETE need If-Match (RFC 6585 §3).
    require_if_match: bool = False
    #: manager and the like must name an existing resource.
    require_pointer_targets: bool = False
    #: /Bulk is served (RFC 7644 §3.7).
    bulk: bool = True
    #: A bulk request is applied as a whole or not at all; RFC 7644 §3.7 applies each operation by itself.
    bulk_atomic: bool = False
    #: Which attribute of a user has the subject of a token that asks for /Me; off: /Me is not served (RFC 7644 §3.11).
    me: Me = "off"
    #: The attributes that users may change about themselves at /Me.
    me_attributes: tuple[str, ...] = _OWN
    #: Users may delete themselves at /Me.
    me_deletion: bool = False
    #: Body of a successful PATCH: always, never (204), or auto (204 for what shows more than 100 references).
    patch_body: PatchBody = "auto"


PROFILES: Final[dict[str, Policy]] = {
    "standard": Policy(),
    "entra": Policy(patch_replace_upsert=True, parse_json_strings=True),
    "okta": Policy(),
    "strict": Policy(strict_attributes=True, strict_schemas=True, strict_operations=True, strict_uris=True, unique_group_names=False),
}


#: The switches that take a list of names.
LISTS: Final = frozenset({"me_attributes"})

#: The switches that take one of several words.
_WORDS: Final[dict[str, tuple[str, ...]]] = {"patch_body": get_args(PatchBody), "me": get_args(Me)}


def parse_policy(document: Mapping[str, Any]) -> Policy:
    """The policy that a stored document {"profile": name, switch: value, …} stands for. Raises ValueError naming the key."""
    rest = dict(document)
    profile = rest.pop("profile", "standard")
    if profile not in PROFILES:
        raise ValueError(f"profile must be one of {', '.join(PROFILES)}")
    known = {field.name for field in fields(Policy)}
    for name, value in rest.items():
        if name not in known:
            close = get_close_matches(name, known, 1)
            raise ValueError(f"{name} is no policy switch" + (f"; did you mean {close[0]}?" if close else ""))
        if name in _WORDS:
            if value not in _WORDS[name]:
                raise ValueError(f"{name} must be one of {', '.join(_WORDS[name])}")
        elif name in LISTS:
            if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
                raise ValueError(f"{name} must be a list of names")
            rest[name] = tuple(value)
        elif not isinstance(value, bool):
            raise ValueError(f"{name} must be true or false")
    return replace(PROFILES[profile], **rest)
