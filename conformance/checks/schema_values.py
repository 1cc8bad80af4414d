"""Multi-valued attributes and unassigned values: RFC 7643 §2.4 and §2.5."""

from __future__ import annotations

import re

from conformance.checks.schema_support import (
    again,
    contains,
    definitions,
    group_path,
    published,
    quoted,
    schemas,
    selects,
    stored,
    trait,
    user_path,
)
from conformance.client import CORE_USER, ENTERPRISE_USER, Json, Scim, ensure, equal, expect, expect_error
from conformance.registry import requirement

WORK = {"value": "ada@example.com", "type": "work"}
HOME = {"value": "ada@example.net", "type": "home"}


def _primaries(user: Json) -> list[Json]:
    return [item.get("value") for item in user.get("emails") or [] if item.get("primary") is True]


@requirement("7643-2.4-01")
def multi_valued_is_an_array(scim: Scim) -> None:
    """A multi-valued attribute is always shown as an array, also when it holds one value or was sent as one object."""
    ensure(isinstance(stored(scim, emails=[WORK])["emails"], list), "emails with one value is not an array")
    response = scim.post("/Users", scim.user_body(emails=WORK))
    if response.status_code == 201:
        ensure(contains(again(scim, response.json()).get("emails"), [WORK]), "an object sent for emails was not stored as its one value")
    else:
        expect_error(response, 400, "invalidValue", "invalidSyntax")


@requirement("7643-2.4-02")
def standard_sub_attributes(scim: Scim) -> None:
    """Sub-attributes named primary, $ref, type and display have their standard data types wherever a schema uses them."""
    wanted = {"primary": "boolean", "$ref": "reference", "type": "string", "display": "string"}
    for urn, schema in schemas(scim).items():
        for attribute in schema.get("attributes") or []:
            if not trait(attribute, "multiValued"):
                continue
            for sub in attribute.get("subAttributes") or []:
                if sub["name"] in wanted:
                    equal(trait(sub, "type"), wanted[sub["name"]], f"type of {urn}:{attribute['name']}.{sub['name']}")
    ensure(any(name.endswith("emails.primary") for name, _ in definitions(scim)), "emails.primary is not published")


@requirement("7643-2.4-03")
def one_primary_at_most(scim: Scim) -> None:
    """At most one value of an attribute is primary: two in one request are refused, a new one replaces the old."""
    both = [WORK | {"primary": True}, HOME | {"primary": True}]
    expect_error(scim.post("/Users", scim.user_body(emails=both)), 400, "invalidValue")
    user = stored(scim, emails=[WORK | {"primary": True}, HOME])
    expect(scim.patch(user_path(user), {"op": "replace", "path": 'emails[type eq "home"].primary', "value": True}), 200, 204)
    equal(_primaries(again(scim, user)), [HOME["value"]], "primary after the home address was made primary")
    third = {"value": "ada@example.org", "type": "other", "primary": True}
    expect(scim.patch(user_path(user), {"op": "add", "path": "emails", "value": [third]}), 200, 204)
    shown = again(scim, user)
    equal(_primaries(shown), [third["value"]], "primary after a primary address was added")
    equal(len(shown["emails"]), 3, "number of addresses")
    expect_error(scim.put(user_path(user), shown | {"emails": both}), 400, "invalidValue")
    equal(_primaries(again(scim, user)), [third["value"]], "primary after a refused PUT")


@requirement("7643-2.4-05")
def display_follows_its_schema(scim: Scim) -> None:
    """The display of a value can be changed exactly if the published schema says so."""
    mutability = trait(published(scim, CORE_USER, "emails", "display"), "mutability")
    user = stored(scim, emails=[WORK | {"display": "before"}, HOME | {"display": "other"}])
    response = scim.patch(user_path(user), {"op": "replace", "path": 'emails[type eq "work"].display', "value": "after"})
    if mutability == "readWrite":
        expect(response, 200, 204)
    else:
        expect_error(response, 400, "mutability")
    shown = {item["type"]: item.get("display") for item in again(scim, user)["emails"]}
    equal(shown, {"work": "after" if mutability == "readWrite" else "before", "home": "other"}, "display by type")


@requirement("7643-2.4-06")
def version_segment_does_not_distinguish(scim: Scim) -> None:
    """Two URIs of one resource that differ in the API version alone are the same member and the same filter literal."""
    user, other = scim.user(), scim.user()
    group = scim.group(other["id"])
    reference = user["meta"]["location"]
    bare = re.sub(r"/v\d+(?=/Users/)", "", reference)
    spellings = [reference, bare if bare != reference else reference.replace("/Users/", "/v2/Users/")]
    for spelling in spellings:
        member = {"value": user["id"], "$ref": spelling}
        expect(scim.patch(group_path(group), {"op": "add", "path": "members", "value": [member]}), 200, 204)
    members = [item["value"] for item in again(scim, group)["members"]]
    equal(sorted(members), sorted([user["id"], other["id"]]), "members after one user was added under two URIs")
    # decision 65: $ref is compared without regard to the version.
    for spelling in spellings:
        ensure(selects(scim, "/Groups", f"members.$ref eq {quoted(spelling)}", group), f"members.$ref eq {spelling} misses the group")


@requirement("7643-2.4-07")
def returned_values_are_canonical(scim: Scim) -> None:
    """A value that equals a canonical one but for its case is shown canonical or as sent, and filters find it either way."""
    user = scim.user(emails=[WORK | {"type": "WORK"}, HOME])
    shown = [item.get("type") for item in again(scim, user)["emails"]]
    ensure(shown in (["work", "home"], ["WORK", "home"]), f"types sent as WORK and home are shown as {shown}")
    for spelling in ("work", "WORK", "Work"):
        filter_ = f'emails[type eq "{spelling}" and value eq "{WORK["value"]}"]'
        ensure(selects(scim, "/Users", filter_, user), f"{filter_} misses the user")
    ensure(not selects(scim, "/Users", f'emails[type eq "home" and value eq "{WORK["value"]}"]', user), "the types are mixed up")


@requirement("7643-2.4-08")
def one_value_under_two_types(scim: Scim) -> None:
    """The same value may be held once for each of several types."""
    twice = [WORK, WORK | {"type": "home"}]
    user = stored(scim, emails=twice)
    expect(scim.patch(user_path(user), {"op": "remove", "path": 'emails[type eq "home"]'}), 200, 204)
    ensure(contains(again(scim, user).get("emails"), [WORK]), "removing one of the types did not leave the other")


@requirement("7643-2.4-09")
def no_pair_twice(scim: Scim) -> None:
    """The same pair of type and value is never shown twice."""
    response = scim.post("/Users", scim.user_body(emails=[WORK, WORK]))
    if response.status_code == 201:
        ensure(contains(again(scim, response.json()).get("emails"), [WORK]), "a pair sent twice is not stored once")
    else:
        expect_error(response, 400, "invalidValue", "invalidSyntax")
    user = stored(scim, emails=[WORK, HOME])
    expect(scim.patch(user_path(user), {"op": "add", "path": "emails", "value": [WORK]}), 200, 204)
    ensure(contains(again(scim, user).get("emails"), [WORK, HOME]), "adding a pair that is there changed the list")


@requirement("7643-2.5-01")
def null_and_empty_are_unassigned(scim: Scim) -> None:
    """An attribute that is absent, null or an empty array is in one and the same state: without a value."""
    user = stored(scim, title="Engineer", nickName="Ada", emails=[WORK])
    body = {"schemas": [CORE_USER], "userName": user["userName"], "title": None, "emails": []}
    expect(scim.put(user_path(user), body), 200)
    shown = again(scim, user)
    for name in ("title", "nickName", "emails"):
        ensure(shown.get(name) in (None, []), f"{name} is shown as {shown.get(name)!r}")
        ensure(not selects(scim, "/Users", f"{name} pr", user), f"{name} pr matches")
        ensure(selects(scim, "/Users", f"not ({name} pr)", user), f"not ({name} pr) does not match")
    created = again(scim, scim.create("/Users", scim.user_body() | {"title": None, "emails": [], "name": None, "displayName": "Ada"}))
    equal(created.get("displayName"), "Ada", "displayName beside nulls")
    for name in ("title", "emails", "name"):
        ensure(not selects(scim, "/Users", f"{name} pr", created), f"{name} pr matches after a create with no value")


@requirement("7643-2.5-02")
def null_and_empty_unassign(scim: Scim) -> None:
    """Writing null or an empty array takes the value away and touches nothing else."""
    user = stored(scim, nickName="Ada", title="Engineer", roles=[{"value": "admin"}], emails=[WORK])
    expect(scim.patch(user_path(user), {"op": "replace", "path": "nickName", "value": None}), 200, 204)
    shown = again(scim, user)
    ensure("nickName" not in shown, f"nickName is still {shown.get('nickName')!r}")
    equal(shown.get("title"), "Engineer", "title")
    expect(scim.patch(user_path(user), {"op": "replace", "path": "emails", "value": []}), 200, 204)
    ensure(not again(scim, user).get("emails"), "emails survive a replace with an empty array")
    expect(scim.put(user_path(user), again(scim, user) | {"roles": []}), 200)
    shown = again(scim, user)
    ensure(not shown.get("roles"), f"roles are still {shown.get('roles')!r}")
    equal(shown.get("title"), "Engineer", "title after the PUT")


@requirement("7643-2.5-03")
def unassigned_is_left_out(scim: Scim) -> None:
    """What has no value is left out of the JSON, so that no answer carries null."""
    user = scim.create("/Users", scim.user_body(name={"givenName": "Ada"}) | {"title": None, ENTERPRISE_USER: {"department": None}})
    group = scim.group()
    for resource in (user, again(scim, user), again(scim, group), scim.read("/Schemas"), scim.read("/ResourceTypes")):
        ensure(not _holds_null(resource), f"a null in {str(resource)[:200]}")
    listed = scim.find("/Users", f"id eq {quoted(user['id'])}")
    equal(listed["totalResults"], 1, "users found by id")
    ensure(not _holds_null(listed), "a null in a list")


def _holds_null(value: Json) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_null, value.values()))
    return any(map(_holds_null, value)) if isinstance(value, list) else value is None
