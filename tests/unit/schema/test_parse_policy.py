"""A tenant's stored policy: profiles, switches that differ from them, and what cannot be one."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from scimsrv.limits import DEFAULT
from scimsrv.schema.policy import CLAIMS, LISTS, NUMBERS, PROFILES, Policy, choices, lowered, parse_policy

_SWITCHES = [field.name for field in fields(Policy) if field.name not in choices().keys() | LISTS | CLAIMS | NUMBERS]


def test_nothing_is_the_standard_profile() -> None:
    """An empty policy is that of the profile `standard`, whose switches are the defaults."""
    assert parse_policy({}) == parse_policy({"profile": "standard"}) == Policy()


@pytest.mark.parametrize(
    ("profile", "switches"),
    [
        ("standard", {}),
        ("okta", {}),
        ("entra", {"patch_replace_upsert": True, "parse_json_strings": True}),
        (
            "strict",
            dict.fromkeys(("strict_attributes", "strict_schemas", "strict_operations", "strict_uris"), True)
            | {"unique_group_names": False},
        ),
    ],
)
def test_profiles(profile: str, switches: dict[str, bool]) -> None:
    """Each profile is the standard one with these switches turned, and there are no other profiles."""
    assert set(PROFILES) == {"standard", "entra", "okta", "strict"}
    assert parse_policy({"profile": profile}) == replace(Policy(), **switches)  # type: ignore[arg-type]


@pytest.mark.parametrize("profile", list(PROFILES))
@pytest.mark.parametrize("switch", _SWITCHES)
@pytest.mark.parametrize("position", [True, False])
def test_a_switch_overrides_its_profile(profile: str, switch: str, position: bool) -> None:
    """Every switch can be set to either position on top of every profile and changes nothing else."""
    found = parse_policy({"profile": profile, switch: position})
    assert getattr(found, switch) is position
    assert replace(found, **{switch: getattr(PROFILES[profile], switch)}) == PROFILES[profile]


@pytest.mark.parametrize(("switch", "position"), [(switch, position) for switch, words in choices().items() for position in words])
def test_a_choice_of_words(switch: str, position: str) -> None:
    """A switch with more than two positions takes each of its words."""
    assert getattr(parse_policy({switch: position}), switch) == position


def test_the_claim_of_users() -> None:
    """me_claim takes the name of any claim but those of e-mail addresses, which whoever writes them need not have."""
    for claim in ("oid", "preferred_username", "https://example.com/employee", "urn:x:y"):
        assert parse_policy({"me_claim": claim}).me_claim == claim
    for wrong in ("", "email", "Mail", "a b", "x" * 101, 1, True, None, ["sub"]):
        with pytest.raises(ValueError, match="me_claim must be the name of a claim"):
            parse_policy({"me_claim": wrong})


def test_what_users_may_change() -> None:
    """me_attributes takes any list of names, the empty one too."""
    assert parse_policy({"me_attributes": ["title", "urn:x:y"]}).me_attributes == ("title", "urn:x:y")
    assert parse_policy({"me_attributes": []}).me_attributes == ()


@pytest.mark.parametrize("switch", [field.name for field in fields(Policy) if field.name in NUMBERS and "limit" not in field.metadata])
def test_numbers(switch: str) -> None:
    """A switch with a number takes 0 and what is written beside it as the most, and nothing beyond."""
    most = next(field.metadata["most"] for field in fields(Policy) if field.name == switch)
    assert [getattr(parse_policy({switch: number}), switch) for number in (0, 1, most)] == [0, 1, most]
    for number in (-1, most + 1, 1.5, True, "7", None):
        with pytest.raises(ValueError, match=f"{switch} must be a whole number from 0 to {most}"):
            parse_policy({switch: number})


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"profile": "azure"}, "profile must be one of standard, entra, okta, strict"),
        ({"profile": None}, "profile must be one of"),
        ({"strict_atributes": True}, "strict_atributes is no policy switch; did you mean strict_attributes"),
        ({"strictAttributes": True}, "strictAttributes is no policy switch"),
        ({"zzz": True}, r"zzz is no policy switch$"),
        ({"strict_uris": "true"}, "strict_uris must be true or false"),
        ({"strict_uris": 1}, "strict_uris must be true or false"),
        ({"strict_uris": None}, "strict_uris must be true or false"),
        ({"patch_body": "sometimes"}, "patch_body must be one of auto, always, never"),
        ({"patch_body": True}, "patch_body must be one of"),
        ({"link_target_deletion": "keep"}, "link_target_deletion must be one of remove, restrict"),
        ({"pointer_target_deletion": ["clear"]}, "pointer_target_deletion must be one of clear, restrict, keep"),
        ({"me": True}, "me must be one of off, id, userName, externalId"),
        ({"me_attributes": "title"}, "me_attributes must be a list of names"),
        ({"max_page": 0}, "max_page must be a whole number from 1"),
        ({"max_page": True}, "max_page must be a whole number"),
        ({"max_page": "5"}, "max_page must be a whole number"),
        ({"max_page": 5.5}, "max_page must be a whole number"),
        ({"max_page": 2**31}, "max_page must be a whole number"),
        ({"me_attributes": [1]}, "me_attributes must be a list of names"),
    ],
)
def test_refused(document: dict[str, Any], says: str) -> None:
    """An unknown profile, an unknown switch (with the nearest known one) and a value of the wrong type name the key at fault."""
    with pytest.raises(ValueError, match=says):
        parse_policy(document)


@pytest.mark.parametrize("switch", [field.name for field in fields(Policy) if "limit" in field.metadata])
def test_limits_are_only_lowered(switch: str) -> None:
    """A tenant's own limit holds where it is lower than the server's, which nobody gets past; without one the server's holds."""
    limit = next(field.metadata["limit"] for field in fields(Policy) if field.name == switch)
    server = getattr(DEFAULT, limit)
    for value, holds in ((1, 1), (server - 1, server - 1), (server + 1, server), (None, server)):
        made = lowered(DEFAULT, parse_policy({switch: None if value is None else int(value)}))
        assert getattr(made, limit) == holds
        kept = {limit, "default_page", "token_burst", "tenant_burst"}
        assert all(getattr(made, one.name) == getattr(DEFAULT, one.name) for one in fields(DEFAULT) if one.name not in kept)


def test_what_follows_from_a_lower_limit() -> None:
    """A burst shrinks with its rate, and a page that nobody asked a size for is no larger than one may be."""
    made = lowered(DEFAULT, parse_policy({"token_rate": 10, "tenant_rate": 100, "max_page": 7}))
    assert (made.token_burst, made.tenant_burst, made.default_page) == (20, 200, 7)
