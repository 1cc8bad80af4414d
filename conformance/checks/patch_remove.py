"""PATCH remove, RFC 7644 §3.5.2.2."""

from __future__ import annotations

import json

from conformance.checks.patch_general import apply, belongs, changed, mail, person, pick, place, refused, same, team, unassigned, values
from conformance.client import ENTERPRISE_USER, Scim, ensure, equal
from conformance.registry import requirement


@requirement("7644-3.5.2.2-01")
def path_is_demanded(scim: Scim) -> None:
    """remove without a path is refused as noTarget and removes nothing."""
    user = person(scim, title="A", emails=[{"value": mail()}])
    group = team(scim, user)
    for operation in ({"op": "remove"}, {"op": "remove", "value": {"title": "A"}}, {"op": "remove", "path": None}):
        refused(scim, place(user), operation, types=("noTarget",))
    members = {"op": "remove", "value": {"members": [{"value": user["id"]}]}}
    refused(scim, place(group, "/Groups"), members, types=("noTarget",))


@requirement("7644-3.5.2.2-02")
def single_value_goes(scim: Scim) -> None:
    """remove of a single-valued attribute or sub-attribute leaves it without a value, for reads and for filters."""
    extension = {"department": "Engines", "costCenter": "C1"}
    user = person(scim, title="A", nickName="Ada", name={"givenName": "Ada", "familyName": "Byron"}, **{ENTERPRISE_USER: extension})
    after = apply(
        scim,
        place(user),
        {"op": "remove", "path": "title"},
        {"op": "remove", "path": "name.givenName"},
        {"op": "remove", "path": f"{ENTERPRISE_USER}:department"},
    )
    unassigned(after, "title")
    equal(after["name"], {"familyName": "Byron"}, "name")
    equal(after[ENTERPRISE_USER], {"costCenter": "C1"}, "enterprise extension")
    equal(after.get("nickName"), "Ada", "nickName, which was not named")
    for attribute in ("title", "name.givenName", f"{ENTERPRISE_USER}:department"):
        equal(scim.matches("/Users", f'id eq "{user["id"]}" and {attribute} pr', [user]), set(), f"users that have {attribute}")
    unassigned(apply(scim, place(user), {"op": "remove", "path": "name"}), "name")


@requirement("7644-3.5.2.2-03")
def all_values_go(scim: Scim) -> None:
    """remove of a multi-valued attribute without a filter takes all its values."""
    address = mail()
    ada, ben = person(scim, title="A", emails=[{"value": address, "type": "work"}, {"value": mail(), "type": "home"}]), scim.user()
    group = team(scim, ada, ben)
    after = apply(scim, place(group, "/Groups"), {"op": "remove", "path": "members"})
    unassigned(after, "members")
    equal(after["displayName"], group["displayName"], "displayName")
    for user in (ada, ben):
        belongs(scim, user)
    after = apply(scim, place(ada), {"op": "remove", "path": "emails"})
    unassigned(after, "emails")
    equal(after.get("title"), "A", "title")
    equal(scim.matches("/Users", f'emails.value eq "{address}"', [ada]), set(), "users found by the former address")


@requirement("7644-3.5.2.2-04")
def chosen_values_go(scim: Scim) -> None:
    """remove with a filter on value takes the values that match; when none is left the attribute has no value."""
    ada, ben = person(scim), scim.user()
    group = team(scim, ada, ben)
    path = place(group, "/Groups")
    after = apply(scim, path, {"op": "remove", "path": f"members[value eq {json.dumps(ada['id'])}]"})
    equal(values(after, "members"), [ben["id"]], "members")
    belongs(scim, ada)
    belongs(scim, ben, group)
    after = apply(scim, path, {"op": "remove", "path": f"members[value eq {json.dumps(ben['id'])}]"})
    unassigned(after, "members")
    equal(scim.matches("/Groups", f'id eq "{group["id"]}" and members pr', [group]), set(), "groups with members")


@requirement("7644-3.5.2.2-05")
def matching_records_go(scim: Scim) -> None:
    """remove with a filter on sub-attributes takes exactly the elements for which all of it holds."""
    emails = [
        {"value": mail("example.com"), "type": "work"},
        {"value": mail("example.org"), "type": "work"},
        {"value": mail("example.com"), "type": "home"},
        {"value": mail("example.com"), "type": "work"},
    ]
    user = person(scim, emails=emails)
    after = apply(scim, place(user), {"op": "remove", "path": 'emails[type eq "work" and value ew "example.com"]'})
    equal(values(after, "emails"), sorted([emails[1]["value"], emails[2]["value"]]), "emails")
    equal(scim.matches("/Users", f'emails.value eq "{emails[0]["value"]}"', [user]), set(), "users found by a removed address")
    after = apply(scim, place(user), {"op": "remove", "path": f'emails[type eq "home" or value eq "{emails[1]["value"]}"]'})
    unassigned(after, "emails")


@requirement("7644-3.5.2.2-06")
def sub_attribute_of_matching_records_goes(scim: Scim) -> None:
    """remove of a sub-attribute behind a filter takes only it, and only from the elements that match."""
    addresses = [
        {"type": "work", "region": "IDF", "locality": "Paris"},
        {"type": "work", "region": "ARA", "locality": "Lyon"},
        {"type": "home", "region": "BE", "locality": "Bern"},
    ]
    user = person(scim, addresses=addresses)
    after = apply(scim, place(user), {"op": "remove", "path": 'addresses[type eq "work"].region'})
    equal(len(after["addresses"]), 3, "number of addresses")
    for locality in ("Paris", "Lyon"):
        (item,) = pick(after, "addresses", type="work", locality=locality)
        unassigned(item, "region")
    ensure(pick(after, "addresses", **addresses[2]), f"the other address changed: {after['addresses']!r}")


@requirement("7644-3.5.2.2-07")
def empty_elements_go(scim: Scim) -> None:
    """An element that has lost its last sub-attribute is not kept as an empty object."""
    home = mail()
    user = person(scim, emails=[{"value": mail(), "type": "work"}, {"value": home, "type": "home"}])
    after = apply(
        scim,
        place(user),
        {"op": "remove", "path": 'emails[type eq "work"].value'},
        {"op": "remove", "path": 'emails[type eq "work"].type'},
    )
    ensure(all(item.get("value") or item.get("type") for item in after["emails"]), f"an empty element stayed: {after['emails']!r}")
    equal(values(after, "emails"), [home], "emails")
    after = apply(scim, place(user), {"op": "add", "path": "name.givenName", "value": "Ada"}, {"op": "remove", "path": "name.givenName"})
    ensure(not after.get("name"), f"name without sub-attributes is {after.get('name')!r}")


@requirement("7644-3.5.2.2-08")
def required_stays(scim: Scim) -> None:
    """A required attribute cannot be removed, nor emptied by a null."""
    user = person(scim, title="A")
    for path in ("userName", "USERNAME", "urn:ietf:params:scim:schemas:core:2.0:User:userName"):
        refused(scim, place(user), {"op": "remove", "path": "title"}, {"op": "remove", "path": path}, types=("mutability",))
    refused(scim, place(user), {"op": "replace", "path": "userName", "value": None}, types=("mutability", "invalidValue"))


@requirement("7644-3.5.2.2-09")
def read_only_stays(scim: Scim) -> None:
    """A read-only attribute cannot be removed, whole, in part or by filter."""
    user = person(scim)
    group = team(scim, user)
    for path in ("groups", f"groups[value eq {json.dumps(group['id'])}]", "id", "meta", "meta.created"):
        refused(scim, place(user), {"op": "remove", "path": path}, types=("mutability",))
    equal(values(scim.read(place(group, "/Groups")), "members"), [user["id"]], "members of the group")


@requirement("7644-3.5.2.2-12")
def nothing_to_remove(scim: Scim) -> None:
    """remove of what has no value succeeds and changes nothing, also for a member who is none."""
    user, stranger = person(scim, title="A"), scim.user()
    before = scim.read(place(user))
    for path in ("nickName", "name.givenName", "emails", f"{ENTERPRISE_USER}:department"):
        same(before, apply(scim, place(user), {"op": "remove", "path": path}))
    after = apply(scim, place(user), {"op": "remove", "path": "nickName"}, {"op": "remove", "path": "title"})
    unassigned(after, "title")
    changed(before, after)
    group = team(scim, user)
    before = scim.read(place(group, "/Groups"))
    same(before, apply(scim, place(group, "/Groups"), {"op": "remove", "path": f"members[value eq {json.dumps(stranger['id'])}]"}))
