"""PATCH replace, RFC 7644 §3.5.2.3."""

from __future__ import annotations

import json

from conformance.checks.patch_general import apply, belongs, changed, mail, person, pick, place, refused, same, team, unassigned, values
from conformance.client import ENTERPRISE_USER, Scim, ensure, equal
from conformance.registry import requirement


@requirement("7644-3.5.2.3-01")
def without_path_replaces_attributes(scim: Scim) -> None:
    """Without a path, the attributes of the value are replaced and all others stay."""
    user = person(scim, active=True, title="A", nickName="Ada", name={"givenName": "Ada"}, **{ENTERPRISE_USER: {"department": "Engines"}})
    after = apply(scim, place(user), {"op": "replace", "value": {"active": False, "title": "B"}})
    equal(after.get("active"), False, "active")
    equal(after.get("title"), "B", "title")
    for attribute in ("userName", "nickName", "name", ENTERPRISE_USER):
        equal(after.get(attribute), user[attribute], f"{attribute}, which was not named")
    equal(scim.matches("/Users", f'id eq "{user["id"]}" and active eq false', [user]), {user["id"]}, "users found as inactive")


@requirement("7644-3.5.2.3-02")
def single_value_is_replaced(scim: Scim) -> None:
    """replace of a single-valued attribute or sub-attribute gives it the new value, for reads and for filters."""
    user = person(scim, title="A", nickName="Ada", name={"givenName": "Ada", "familyName": "Byron"})
    after = apply(
        scim,
        place(user),
        {"op": "replace", "path": "title", "value": "Z"},
        {"op": "replace", "path": "name.familyName", "value": "King"},
        {"op": "replace", "path": "userName", "value": user["userName"] + "2"},
    )
    equal(after.get("title"), "Z", "title")
    equal(after["name"], {"givenName": "Ada", "familyName": "King"}, "name")
    equal(after.get("nickName"), "Ada", "nickName, which was not named")
    equal(scim.find("/Users", f'userName eq "{user["userName"]}"')["totalResults"], 0, "users found by the former userName")
    equal(scim.matches("/Users", f'userName eq "{user["userName"]}2"', [user]), {user["id"]}, "users found by the new userName")


@requirement("7644-3.5.2.3-03")
def all_values_are_replaced(scim: Scim) -> None:
    """replace of a multi-valued attribute without a filter leaves exactly the new values."""
    ada, ben, eve = person(scim), scim.user(), scim.user()
    group = team(scim, ada, ben)
    after = apply(
        scim, place(group, "/Groups"), {"op": "replace", "path": "members", "value": [{"value": ben["id"]}, {"value": eve["id"]}]}
    )
    equal(values(after, "members"), sorted([ben["id"], eve["id"]]), "members")
    belongs(scim, ada)
    belongs(scim, ben, group)
    belongs(scim, eve, group)
    one, two = mail(), mail()
    apply(scim, place(ada), {"op": "add", "path": "emails", "value": [{"value": one, "type": "work"}, {"value": mail(), "type": "home"}]})
    after = apply(scim, place(ada), {"op": "replace", "path": "emails", "value": [{"value": two, "type": "other"}]})
    equal(values(after, "emails"), [two], "emails")
    equal(scim.matches("/Users", f'emails.value eq "{one}"', [ada]), set(), "users found by the former address")


@requirement("7644-3.5.2.3-04")
def missing_value_is_added(scim: Scim) -> None:
    """replace of an attribute without a value sets it, as add does."""
    user, address = person(scim, title="A"), mail()
    after = apply(
        scim,
        place(user),
        {"op": "replace", "path": "nickName", "value": "N"},
        {"op": "replace", "path": "name.givenName", "value": "Ada"},
        {"op": "replace", "path": "emails", "value": [{"value": address, "type": "work"}]},
        {"op": "replace", "path": f"{ENTERPRISE_USER}:department", "value": "Engines"},
    )
    equal(after.get("nickName"), "N", "nickName")
    equal((after.get("name") or {}).get("givenName"), "Ada", "name.givenName")
    equal(values(after, "emails"), [address], "emails")
    equal((after.get(ENTERPRISE_USER) or {}).get("department"), "Engines", "department")
    equal(after.get("title"), "A", "title, which was not named")


@requirement("7644-3.5.2.3-05")
def complex_target_is_merged(scim: Scim) -> None:
    """replace of a complex attribute changes the given sub-attributes and leaves the others."""
    user = person(scim, name={"givenName": "A", "familyName": "Byron"})
    after = apply(scim, place(user), {"op": "replace", "path": "name", "value": {"givenName": "Ada", "middleName": "K"}})
    equal(after["name"], {"givenName": "Ada", "familyName": "Byron", "middleName": "K"}, "name")


@requirement("7644-3.5.2.3-06")
def matching_records_are_replaced(scim: Scim) -> None:
    """replace behind a value filter replaces every element that matches, as a whole, and no other."""
    work = {"type": "work", "locality": "Paris", "postalCode": "75001"}
    home = {"type": "home", "locality": "Bern", "primary": True}
    user = person(scim, addresses=[work, home])
    new = {"type": "work", "locality": "Hull", "primary": True}
    after = apply(scim, place(user), {"op": "replace", "path": 'addresses[type eq "work"]', "value": new})
    equal(len(after["addresses"]), 2, "number of addresses")
    (item,) = pick(after, "addresses", **new)
    unassigned(item, "postalCode")
    (item,) = pick(after, "addresses", type="home", locality="Bern")
    ensure(not item.get("primary"), "the former primary address still is")
    user = person(scim, addresses=[work, {"type": "work", "locality": "Lyon", "postalCode": "69001"}, home])
    after = apply(scim, place(user), {"op": "replace", "path": 'addresses[type eq "work"]', "value": {"locality": "Hull"}})
    matching = pick(after, "addresses", locality="Hull")
    ensure(matching, f"no address was replaced: {after['addresses']!r}")
    equal({item.get("type") for item in matching}, {"work"}, "type that chose the addresses")  # decision 21: the selector's value stays
    ensure(not any(item.get("postalCode") for item in matching), f"a replaced address kept a part: {matching!r}")
    equal(len(pick(after, "addresses", type="work")), len(matching), "number of work addresses, all of them replaced")
    ensure(pick(after, "addresses", **home), f"the other address changed: {after['addresses']!r}")


@requirement("7644-3.5.2.3-07")
def sub_attribute_of_matching_records(scim: Scim) -> None:
    """replace of a sub-attribute behind a filter changes it in every element that matches, and nothing else."""
    addresses = [
        {"type": "work", "locality": "Paris", "streetAddress": "1 Rue A"},
        {"type": "work", "locality": "Lyon", "streetAddress": "2 Rue B"},
        {"type": "home", "locality": "Bern", "streetAddress": "3 Gasse C"},
    ]
    user = person(scim, addresses=addresses)
    after = apply(scim, place(user), {"op": "replace", "path": 'addresses[type eq "work"].streetAddress', "value": "1010 Broadway"})
    equal(len(after["addresses"]), 3, "number of addresses")
    for wanted in (addresses[0] | {"streetAddress": "1010 Broadway"}, addresses[1] | {"streetAddress": "1010 Broadway"}, addresses[2]):
        equal(len(pick(after, "addresses", **wanted)), 1, f"number of addresses {wanted}")


@requirement("7644-3.5.2.3-08")
def filter_without_match(scim: Scim) -> None:
    """replace behind a filter that selects nothing is refused as noTarget."""
    user = person(scim, title="A", emails=[{"value": mail(), "type": "work"}])
    group, stranger = team(scim, user), scim.user()
    for path, value in (
        ('emails[type eq "zzz"].value', mail()),
        ('emails[type eq "zzz"]', {"value": mail()}),
        ('addresses[type eq "work"].locality', "Paris"),
    ):
        refused(
            scim,
            place(user),
            {"op": "replace", "path": "title", "value": "B"},
            {"op": "replace", "path": path, "value": value},
            types=("noTarget",),
        )
    chosen = f"members[value eq {json.dumps(stranger['id'])}]"
    refused(scim, place(group, "/Groups"), {"op": "replace", "path": chosen, "value": {"value": stranger["id"]}}, types=("noTarget",))


@requirement("7644-3.5.2.3-09")
def null_and_empty_clear(scim: Scim) -> None:
    """replace by null or by an empty array clears the attribute; without any value it is refused."""
    user = person(scim, title="A", nickName="Ada", emails=[{"value": mail()}], roles=[{"value": "editor"}])
    for operation in ({"op": "replace", "path": "title"}, {"op": "replace", "path": "emails"}, {"op": "replace"}):
        refused(scim, place(user), operation, types=("invalidValue", "invalidSyntax"))
    after = apply(
        scim,
        place(user),
        {"op": "replace", "path": "title", "value": None},
        {"op": "replace", "path": "emails", "value": []},
        {"op": "replace", "value": {"roles": None}},
    )
    for attribute in ("title", "emails", "roles"):
        unassigned(after, attribute)
    equal(after.get("nickName"), "Ada", "nickName, which was not named")
    group = team(scim, user)
    unassigned(apply(scim, place(group, "/Groups"), {"op": "replace", "path": "members", "value": []}), "members")


@requirement("7644-3.5.2.3-10")
def without_path_replaces_all_values(scim: Scim) -> None:
    """Without a path, a multi-valued attribute in the value loses all its former values; other attributes stay."""
    address = mail()
    phones = [{"value": "+33 1 23", "type": "work"}]
    emails = [{"value": mail(), "type": "work", "primary": True}, {"value": mail(), "type": "home"}]
    user = person(scim, title="A", nickName="A", emails=emails, phoneNumbers=phones)
    value = {"emails": [{"value": address, "type": "work", "primary": True}], "nickName": "Babs"}
    after = apply(scim, place(user), {"op": "replace", "value": value})
    equal(values(after, "emails"), [address], "emails")
    equal(len(pick(after, "emails", type="work", primary=True)), 1, "number of primary work addresses")
    equal(after.get("nickName"), "Babs", "nickName")
    equal(after.get("title"), "A", "title, which was not named")
    equal(after.get("phoneNumbers"), user["phoneNumbers"], "phoneNumbers, which were not named")


@requirement("7644-3.5.2.3-11")
def same_value_changes_nothing(scim: Scim) -> None:
    """Replacing a value by itself leaves version and lastModified alone."""
    user = person(scim, title="A", active=True, name={"givenName": "Ada"}, emails=[{"value": mail(), "type": "work"}])
    group = team(scim, user)
    before = scim.read(place(user))
    for operation in (
        {"op": "replace", "path": "title", "value": "A"},
        {"op": "replace", "path": "active", "value": True},
        {"op": "replace", "path": "name", "value": {"givenName": "Ada"}},
        {"op": "replace", "path": "emails", "value": user["emails"]},
        {"op": "replace", "path": 'emails[type eq "work"].type', "value": "work"},
        {"op": "replace", "value": {"title": "A", "emails": user["emails"]}},
    ):
        same(before, apply(scim, place(user), operation))
    after = apply(scim, place(user), {"op": "replace", "path": "title", "value": "B"})
    equal(after.get("title"), "B", "title after a real change")
    changed(before, after)
    before = scim.read(place(group, "/Groups"))
    same(before, apply(scim, place(group, "/Groups"), {"op": "replace", "path": "members", "value": [{"value": user["id"]}]}))
