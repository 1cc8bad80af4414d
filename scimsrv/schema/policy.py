"""What a tenant decides where the RFCs leave a choice: a profile and the switches that differ from it.

One table says everything about a switch: its values, what it means and why it is there. The check of a stored policy, the JSON Schema
that clients discover and the documentation are made from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import Any, Final, Literal, get_args, get_type_hints

from scimsrv.limits import Limits
from scimsrv.schema.attribute import fold_name

#: Of switches whose value is a list of names.
NAMES: Final = ("*",)

#: Of switches whose value is a whole number, and of those that lower a limit of the server: a whole number, or None for the server's own.
NUMBER: Final = ("0",)
LIMIT: Final = ("#",)

_MOST: Final = 2**31 - 1

#: Of switches whose value is the name of a claim.
CLAIM: Final = ("?",)

_CLAIM: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,100}")

#: Claims that say nothing certain about who somebody is: whoever writes an address need not have it.
_NO_SUBJECTS: Final = frozenset({"email", "mail", "upn_email", "verified_primary_email"})

PatchBody = Literal["auto", "always", "never"]
LinkTargetDeletion = Literal["remove", "restrict"]
PointerTargetDeletion = Literal["clear", "restrict", "keep"]
Me = Literal["off", "id", "userName", "externalId"]
BadgeCatalogueChange = Literal["grandfather", "recompute"]
BadgeRevocation = Literal["keep", "cascade"]
BadgeRecipientDeletion = Literal["keep", "pseudonymise", "delete"]
DeletionGuard = Literal["off", "forbid", "throttle"]
Reprovision = Literal["off", "userName", "externalId"]
BadgeKeeping = Literal["checked", "proven"]
BadgeIdentity = Literal["hashed", "plain", "none"]

#: What people say about themselves, and nothing that anybody decides by.
DEFAULT_OWN: Final = ("nickName", "profileUrl", "preferredLanguage", "locale", "timezone", "phoneNumbers", "photos", "password")


def switch(default: Any, meaning: str, reason: str, most: int = 0) -> Any:
    """A field of Policy: its value in the profile `standard`, what it does when it is on, and why a tenant may want it so or otherwise;
    for a number, the largest that it may be."""
    return field(default=default, metadata={"meaning": meaning, "reason": reason, "most": most})


def lower(limit: str, meaning: str, reason: str) -> Any:
    """A field of Policy that lowers a limit of the server, by the limit's name in Limits; None leaves it as it is."""
    return field(default=None, metadata={"meaning": meaning, "reason": reason, "limit": limit})


@dataclass(frozen=True, slots=True)
class Policy:
    """One switch per field; the defaults are the profile `standard`, which serves the RFC, Entra ID and Okta at the same time."""

    patch: bool = switch(
        True,
        "PATCH is served.",
        "Optional by RFC 7644 §3.5.2. Off, PATCH is answered 501 and not advertised, so that a client replaces whole resources by PUT.",
    )
    root_query: bool = switch(
        True,
        "The tenant's base URL answers queries over all resource types.",
        "RFC 7644 §3.4.2.1 leaves it to the server. No common client uses it; off, it is answered 501, which keeps a token from "
        "looking through all types with one request.",
    )
    patch_replace_upsert: bool = switch(
        False,
        "A PATCH replace on a value path that matches nothing creates the element.",
        "RFC 7644 §3.5.2.3 demands noTarget; Entra ID sends replace for values that a user did not have yet.",
    )
    put_keeps_omitted_active: bool = switch(
        True,
        "A PUT without `active` keeps the stored value.",
        "RFC 7644 §3.5.1 permits it, and a forgetful client re-activates nobody.",
    )
    put_keeps_omitted_members: bool = switch(
        False,
        "A PUT without a reference attribute such as `members` keeps its values.",
        "RFC 7644 §3.5.1 lets what is omitted be cleared; some clients send groups without their members.",
    )
    strict_attributes: bool = switch(
        False,
        "Unknown attributes in bodies and in path-less PATCH values are errors.",
        "RFC 7644 §3.1 lets them be ignored, and most clients send some; an error finds a wrong mapping sooner.",
    )
    strict_schemas: bool = switch(
        False,
        "`schemas` must be sent and may name known URNs only.",
        "RFC 7643 §3 demands it of clients; several leave it out or name schemas that they do not use.",
    )
    strict_operations: bool = switch(
        False,
        "A PATCH without operations is an error.",
        "RFC 7644 §3.5.2 demands the array and says nothing of an empty one; without the switch it changes nothing.",
    )
    strict_uris: bool = switch(
        False,
        "References to the outside (profileUrl, photos) must be URIs.",
        "RFC 7643 §2.3.7 says so; Microsoft's validator sends other text and expects success.",
    )
    parse_json_strings: bool = switch(
        False,
        "Strings that hold JSON objects are parsed in complex values.",
        "Entra ID sends complex role assignments as the text of JSON objects.",
    )
    unique_group_names: bool = switch(
        True,
        "Two groups of one tenant may not share a displayName.",
        "Entra ID and Okta match groups by it; RFC 7643 §4.2 does not make it unique.",
    )
    unique_external_ids: bool = switch(
        False,
        "Two resources of one type may not share an externalId.",
        "RFC 7643 §3.1 leaves it to the client; one client per tenant can be kept from creating somebody twice.",
    )
    empty_string_clears: bool = switch(
        False,
        "An empty string unassigns the attribute.",
        "RFC 7643 §2.5 knows null and empty arrays only; clients that cannot send null send empty text.",
    )
    require_if_match: bool = switch(
        False,
        "PUT, PATCH and DELETE need If-Match.",
        "RFC 6585 §3 keeps clients from overwriting each other; neither Entra ID nor Okta sends the header.",
    )
    require_pointer_targets: bool = switch(
        False,
        "manager and the like must name an existing resource.",
        "RFC 7643 §4.3 does not; clients that create a user before the manager would fail.",
    )
    schema_api: bool = switch(
        True,
        "Tokens with the scope tenant:admin may define schemas and resource types at /Schemas and /ResourceTypes.",
        "RFC 7643 §7 lets a server keep its schemas from being modified; off, they are for reading whoever asks.",
    )
    bulk: bool = switch(
        True,
        "/Bulk is served.",
        "Optional by RFC 7644 §3.7. Off, it is answered 501 and not advertised, for tenants whose clients write one by one.",
    )
    bulk_atomic: bool = switch(
        False,
        "A bulk request is applied as a whole or not at all.",
        "RFC 7644 §3.7 applies each operation by itself; whoever imports would rather have everything or nothing.",
    )
    me: Me = switch(  # noqa: RUF009 - an alias of words, as immutable as a bool
        "off",
        "Which attribute of a user has the subject of a token that asks for /Me; `off`: /Me is not served.",
        "RFC 7644 §3.11 leaves the mapping to the server; services, which provision, have no resource of their own.",
    )
    me_claim: str = switch(
        "sub",
        "The claim of a JWT that is the subject of the user for whom it asks at /Me; never one of e-mail addresses.",
        "Identity providers put what a directory knows a user by into different claims: Entra ID into `oid`, most into `sub`.",
    )
    basic: bool = switch(
        False,
        "Clients may show their id and secret with each request, by HTTP Basic (RFC 7617).",
        "RFC 7644 §2 would rather have it avoided, as the secret travels each time; some clients can do nothing else.",
    )
    me_attributes: tuple[str, ...] = switch(
        DEFAULT_OWN,
        "The attributes that users may change about themselves at /Me.",
        "What decides about people, such as roles and `active`, is not theirs to change; what they know best may be.",
    )
    me_deletion: bool = switch(
        False,
        "Users may delete themselves at /Me.",
        "RFC 7644 §3.11 knows DELETE; an account usually goes by way of whoever provisioned it.",
    )
    patch_body: PatchBody = switch(  # noqa: RUF009 - an alias of words, as immutable as a bool
        "auto",
        "Body of a successful PATCH: always, never (204), or auto (204 for what shows more than 100 references).",
        "RFC 7644 §3.5.2 allows both; some clients refuse 204, and big groups are costly to return.",
    )
    link_target_deletion: LinkTargetDeletion = switch(  # noqa: RUF009
        "remove",
        "What deleting a resource does to the values of attributes such as `members` that name it: remove them, or restrict (409).",
        "RFC 7644 §3.6 leaves it to the server. Clients expect a deleted user to leave every group; restrict keeps what is in use.",
    )
    restore_days: int = switch(
        30,
        "For how many days a deleted resource can be brought back by an administrator; 0: it is gone at once.",
        "RFC 7644 §3.6 asks that it be 404 from then on, which it is. People are deleted by mistake, and their groups with them.",
        most=365,
    )
    reprovision: Reprovision = switch(  # noqa: RUF009 - an alias of words, as immutable as a bool
        "off",
        "By which attribute a POST brings a deleted resource back, with its id and memberships; `off`: a POST creates another one.",
        "Whoever is hired again, or comes back into scope, is the same person to the applications that know the id.",
    )
    deletion_guard: DeletionGuard = switch(  # noqa: RUF009 - an alias of words, as immutable as a bool
        "off",
        "What answers deletions and deactivations once there are too many: forbid (403) or throttle (429), until an administrator "
        "releases them; `off`: nothing does.",
        "A wrong filter in an identity provider deletes everybody in an hour; Entra ID has such a guard of its own.",
    )
    deletion_guard_count: int = switch(
        500,
        "How many resources of a type may be deleted or deactivated within the guard's time.",
        "What is usual depends on the tenant's size.",
        most=1_000_000,
    )
    deletion_guard_percent: int = switch(
        20,
        "How many percent of a type's resources may be; 10 resources always may.",
        "A small tenant is gone long before a number that suits a large one.",
        most=100,
    )
    deletion_guard_minutes: int = switch(
        10,
        "The guard's time, in minutes.",
        "A cycle of an identity provider deletes within minutes what it no longer has.",
        most=1_440,
    )
    audit_days: int = switch(
        0,
        "For how many days the audit trail is kept; 0: for ever.",
        "Who must not keep personal data for longer, lets the trail end; what is left stays verifiable.",
        most=36_500,
    )
    activity_rows: int = switch(
        1_000,
        "How many entries the log of recent requests keeps of those that changed something or were refused, and as many of the others; "
        "0: there is no log.",
        "What was done lately is what an administrator asks for; who asks for last week's, or has a busy tenant, keeps more.",
        most=100_000,
    )
    activity_days: int = switch(
        7,
        "For how many days the log of recent requests keeps an entry at most; 0: until newer ones take its place.",
        "The log is for looking after a connection; what has to be kept is in the audit trail.",
        most=90,
    )
    pointer_target_deletion: PointerTargetDeletion = switch(  # noqa: RUF009
        "clear",
        "What deleting a resource does to attributes such as `manager` that name it: clear them, keep them, or restrict (409).",
        "RFC 7644 §3.6 leaves it to the server. A manager who is gone helps nobody; some keep the id for their records.",
    )
    badges: bool = switch(
        False,
        "The tenant has the resource types of badges, and users have the extension that shows their awards.",
        "Badges are resources like others, which a tenant without them does not want to see; off again only while none are left.",
    )
    badge_catalogue_change: BadgeCatalogueChange = switch(  # noqa: RUF009
        "grandfather",
        "What a change of the catalogue does to automatic awards that no longer follow from it: grandfather keeps, recompute revokes them.",
        "What somebody has earned stays earned when a skill gets another mini badge, unless the award is to say that all are held. Who "
        "has become entitled is awarded in both cases.",
    )
    badge_revocation: BadgeRevocation = switch(  # noqa: RUF009
        "keep",
        "What revoking an award does to the automatic awards that followed from it: keep, or cascade, which revokes them as well.",
        "Whether a skill outlasts the mini badge that completed it is for the tenant to say; what is revoked stays so.",
    )
    badge_recipient_deletion: BadgeRecipientDeletion = switch(  # noqa: RUF009
        "keep",
        "What becomes of a deleted user's awards and requests: keep them with what the user was called, pseudonymise or delete them.",
        "Records of what was awarded outlive accounts, and laws may demand that a person does not; delete revokes the awards first.",
    )
    badge_identity: BadgeIdentity = switch(  # noqa: RUF009
        "hashed",
        "How a credential says whom it is about, by e-mail address or else user name: hashed with a salt, plain, or none.",
        "Credentials are shown to strangers; who knows the address can check that it is meant, and nobody else learns it.",
    )
    badge_evidence: bool = switch(
        True,
        "Evidence and results are part of the credentials that are issued from now on.",
        "They are in every copy of a badge for everybody who gets it, and may be confidential.",
    )
    open_badges_api: bool = switch(
        False,
        "Users' credentials can be read and kept by the Open Badges API, with tokens that stand for a user.",
        "It lets applications store credentials of other issuers here, which not every tenant wants.",
    )
    badge_self_approval: bool = switch(
        False,
        "Whoever may decide requests for badges may approve their own, where the token says whom it stands for.",
        "A badge says that somebody else has looked; where one person runs everything, that person may have to.",
    )
    badge_keeping: BadgeKeeping = switch(  # noqa: RUF009
        "checked",
        "Which credentials of others users may keep: checked, all but those that are found to be wrong, or proven ones only.",
        "What other issuers sign can often not be verified without asking them, and nothing is fetched; it is marked as what it is.",
    )
    max_body: int | None = lower(
        "body_bytes", "Largest request body in bytes, where that is less than the server's `max_body`.", "Who sends small resources only."
    )
    max_search_body: int | None = lower(
        "search_body_bytes", "Largest body of a search in bytes, where that is less than the server's.", "Filters of people are short."
    )
    max_operations: int | None = lower(
        "bulk_operations", "Most operations in a bulk request, where that is less than the server's.", "Keeps imports in smaller pieces."
    )
    max_page: int | None = lower(
        "page", "Most resources in a page, where that is less than the server's `max_page`.", "Keeps a token from reading all at once."
    )
    max_patch_operations: int | None = lower(
        "patch_operations", "Most operations in a PATCH, where that is less than 1,000.", "Identity providers send a few at a time."
    )
    max_values: int | None = lower(
        "values", "Most values of an attribute, where that is less than 50.", "A person has few addresses; a broken client sends many."
    )
    max_references: int | None = lower(
        "links", "Most members in a request, where that is less than 100,000.", "Changes of big groups then come in smaller pieces."
    )
    max_requests: int | None = lower(
        "requests", "Most requests at the same time, where that is less than the server's.", "Leaves more of the server to other tenants."
    )
    max_searches: int | None = lower(
        "searches", "Most searches at the same time, where that is less than the server's.", "Searches cost the most."
    )
    token_rate: int | None = lower(
        "token_rate", "Requests per second of one token, where that is less than the server's.", "A client that goes wild is slowed down."
    )
    tenant_rate: int | None = lower(
        "tenant_rate", "Requests per second of all tokens together, where that is less than the server's.", "As a contract may say."
    )


PROFILES: Final[dict[str, Policy]] = {
    "standard": Policy(),
    "entra": Policy(patch_replace_upsert=True, parse_json_strings=True),
    "okta": Policy(),
    "strict": Policy(strict_attributes=True, strict_schemas=True, strict_operations=True, strict_uris=True, unique_group_names=False),
}


def parse_policy(document: Mapping[str, Any]) -> Policy:
    """The policy that a stored document {"profile": name, switch: value, …} stands for. Raises ValueError naming the key."""
    rest = dict(document)
    profile = rest.pop("profile", "standard")
    if not isinstance(profile, str) or profile not in PROFILES:
        raise ValueError(f"profile must be one of {', '.join(PROFILES)}")
    known = {one.name for one in fields(Policy)}
    for name, value in rest.items():
        if name not in known:
            close = get_close_matches(name, known, 1)
            raise ValueError(f"{name} is no policy switch" + (f"; did you mean {close[0]}?" if close else ""))
        kind = _words()[name]
        if kind is NAMES:
            if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
                raise ValueError(f"{name} must be a list of names")
            rest[name] = tuple(value)
        elif kind is NUMBER:
            most = next(one.metadata["most"] for one in fields(Policy) if one.name == name)
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
                raise ValueError(f"{name} must be a whole number from 0 to {most}")
        elif kind is CLAIM:
            if not isinstance(value, str) or _CLAIM.fullmatch(value) is None or value.lower() in _NO_SUBJECTS:
                raise ValueError(f"{name} must be the name of a claim, and none of an e-mail address")
        elif kind is LIMIT:
            if not (value is None or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST)):
                raise ValueError(f"{name} must be a whole number from 1, or null")
        elif kind is None:
            if not isinstance(value, bool):
                raise ValueError(f"{name} must be true or false")
        elif value not in kind:
            raise ValueError(f"{name} must be one of {', '.join(kind)}")
    return replace(PROFILES[profile], **rest)


def policy_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a policy document. `x-profiles` has a switch's value in each profile, `x-reason` why it exists."""
    properties: dict[str, Any] = {
        "profile": {"enum": list(PROFILES), "default": "standard", "description": "What the switches are that are not named."}
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Policy",
        "description": "A tenant's policy: a profile and the switches that differ from it.",
        "type": "object",
        "properties": properties | {one.name: _switch_schema(one) for one in fields(Policy)},
        "additionalProperties": False,
    }


def _switch_schema(one: Field[Any]) -> dict[str, Any]:
    words = _words()[one.name]
    form: dict[str, Any] = {"type": "boolean"} if words is None else {"enum": list(words)}
    if words is CLAIM:
        form = {"type": "string", "pattern": f"^{_CLAIM.pattern}$"}
    if words is NAMES:
        form = {"type": "array", "items": {"type": "string"}}
    if words is NUMBER:
        form = {"type": "integer", "minimum": 0, "maximum": one.metadata["most"]}
    if words is LIMIT:
        form = {"type": ["integer", "null"], "minimum": 1, "maximum": _MOST}
    return {
        **form,
        "default": _listed(one.default),
        "description": one.metadata["meaning"],
        "x-reason": one.metadata["reason"],
        "x-profiles": {name: _listed(getattr(policy, one.name)) for name, policy in PROFILES.items()},
    }


def _listed(value: Any) -> Any:
    """A switch's value as JSON has it."""
    return list(value) if isinstance(value, tuple) else value


def choices() -> dict[str, tuple[str, ...]]:
    """The words of each switch that takes one of several."""
    return {name: words for name, words in _words().items() if words is not None and words not in (NAMES, NUMBER, LIMIT, CLAIM)}


@cache
def _words() -> dict[str, tuple[str, ...] | None]:
    """The values of each switch that takes one of several words, NAMES for a list, NUMBER and LIMIT for a number, CLAIM for a claim; None
    for those that are on or off."""
    hints = get_type_hints(Policy)
    kinds: dict[Any, tuple[str, ...] | None] = {bool: None, int: NUMBER, tuple[str, ...]: NAMES, int | None: LIMIT, str: CLAIM}
    return {one.name: kinds[hints[one.name]] if hints[one.name] in kinds else get_args(hints[one.name]) for one in fields(Policy)}


#: The switches that take the name of a claim.
CLAIMS: Final = frozenset(name for name, words in _words().items() if words is CLAIM)

#: The switches that take a list of names.
LISTS: Final = frozenset(name for name, words in _words().items() if words is NAMES)

#: The switches that take a number.
NUMBERS: Final = frozenset(name for name, words in _words().items() if words in (NUMBER, LIMIT))


def own_attributes(policy: Policy) -> frozenset[str]:
    """The keys of what users may change about themselves."""
    return frozenset(map(fold_name, policy.me_attributes))


@lru_cache(maxsize=1_000)
def lowered(limits: Limits, policy: Policy) -> Limits:
    """The limits of a tenant with this policy: the server's, or the tenant's own where those are lower. A burst shrinks with its rate."""
    own = {one.metadata["limit"]: getattr(policy, one.name) for one in fields(Policy) if "limit" in one.metadata}
    found = {name: min(value, getattr(limits, name)) for name, value in own.items() if value is not None}
    if not found:
        return limits
    made = replace(limits, **found)
    return replace(
        made,
        default_page=min(made.default_page, made.page),
        token_burst=max(1.0, limits.token_burst * made.token_rate / limits.token_rate),
        tenant_burst=max(1.0, limits.tenant_burst * made.tenant_rate / limits.tenant_rate),
    )
