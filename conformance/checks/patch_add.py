"""PATCH add, RFC 7644 §3.5.2.1."""

from __future__ import annotations

import json

from conformance.checks.patch_general import apply, belongs, changed, mail, person, pick, place, refused, same, team, unassigned, values
from conformance.checks.put import held, holding, immutable_text
from conformance.client import CORE_USER, ENTERPRISE_USER, Scim, ensure, equal, expect
from conformance.registry import requirement


@requirement("7644-3.5.2-11")
def immutable_gets_its_first_value(scim: Scim) -> None:
    """add may give an immutable attribute its first value; a second, different one is refused."""
    ada, ben = person(scim), scim.user()
    group = team(scim)
    path = place(group, "/Groups")
    after = apply(scim, path, {"op": "add", "path": "members", "value": [{"value": ada["id"]}]})
    equal(values(after, "members"), [ada["id"]], "members")  # a member's value is immutable
    chosen = f"members[value eq {json.dumps(ada['id'])}].value"
    refused(scim, path, {"op": "add", "path": chosen, "value": ben["id"]}, types=("mutability",))
    expect(scim.patch(path, {"op": "add", "path": chosen, "value": ada["id"]}), 200, 204)  # decision 15: the same value has no effect
    same(after, scim.read(path))
    text = immutable_text(scim)
    if text:
        urn, name = text
        target = name if urn == CORE_USER else f"{urn}:{name}"
        after = apply(scim, place(ben), {"op": "add", "path": target, "value": "a"})
        equal(held(after, urn, name), "a", name)
        refused(scim, place(ben), {"op": "add", "path": target, "value": "b"}, types=("mutability",))
        refused(scim, place(ben), {"op": "replace", "value": holding(urn, name, "b")}, types=("mutability",))


@requirement("7644-3.5.2.1-01")
def value_is_demanded(scim: Scim) -> None:
    """add without a value is refused, with and without a path."""
    user = person(scim, title="before")
    for target in ({"path": "title"}, {"path": "nickName"}, {"path": "emails"}, {"path": 'emails[type eq "work"].value'}, {}):
        refused(scim, place(user), {"op": "add"} | target, types=("invalidValue", "invalidSyntax"))


@requirement("7644-3.5.2.1-02")
def without_path_adds_attributes(scim: Scim) -> None:
    """Without a path, every attribute of the value is added: multi-valued ones grow, others are set, the rest stays."""
    old, new = mail(), mail()
    user = person(scim, title="before", nickName="A", emails=[{"value": old, "type": "work"}], name={"familyName": "Byron"})
    value = {
        "emails": [{"value": new, "type": "home"}],
        "nickName": "Ada",
        "displayName": "Ada B.",
        "name": {"givenName": "Ada"},
        ENTERPRISE_USER: {"department": "Engines"},
    }
    after = apply(scim, place(user), {"op": "add", "value": value})
    equal(values(after, "emails"), sorted([old, new]), "emails")
    ensure(pick(after, "emails", value=new, type="home"), f"emails: {after['emails']!r}")
    equal(after.get("nickName"), "Ada", "nickName, which had another value")
    equal(after.get("displayName"), "Ada B.", "displayName, which had none")
    equal(after.get("title"), "before", "title, which was not named")
    equal(after.get("name"), {"familyName": "Byron", "givenName": "Ada"}, "name")
    equal((after.get(ENTERPRISE_USER) or {}).get("department"), "Engines", "department")
    ensure(ENTERPRISE_USER in after["schemas"], f"schemas: {after['schemas']!r}")


@requirement("7644-3.5.2.1-03")
def without_path_value_is_an_object(scim: Scim) -> None:
    """Without a path, a value that is no object is refused."""
    user = person(scim, title="before")
    for value in ("x", 5, True, ["title"]):
        refused(scim, place(user), {"op": "add", "value": value}, types=("invalidValue", "invalidSyntax"))


@requirement("7644-3.5.2.1-04")
def missing_target_is_made(scim: Scim) -> None:
    """add to an attribute or sub-attribute without a value gives it the value."""
    user, address = person(scim), mail()
    after = apply(
        scim,
        place(user),
        {"op": "add", "path": "title", "value": "A"},
        {"op": "add", "path": "name.givenName", "value": "Ada"},
        {"op": "add", "path": "emails", "value": [{"value": address, "type": "work"}]},
        {"op": "add", "path": f"{ENTERPRISE_USER}:department", "value": "Engines"},
    )
    equal(after.get("title"), "A", "title")
    equal((after.get("name") or {}).get("givenName"), "Ada", "name.givenName")
    equal(values(after, "emails"), [address], "emails")
    equal((after.get(ENTERPRISE_USER) or {}).get("department"), "Engines", "department")
    equal(after["userName"], user["userName"], "userName")
    equal(scim.matches("/Users", f'emails.value eq "{address}"', [user]), {user["id"]}, "users found by the new mail address")


@requirement("7644-3.5.2.1-05")
def complex_target_is_merged(scim: Scim) -> None:
    """add on a complex attribute sets the given sub-attributes and keeps the others."""
    user = person(scim, name={"givenName": "A", "familyName": "Byron", "honorificPrefix": "Lady"})
    after = apply(scim, place(user), {"op": "add", "path": "name", "value": {"givenName": "Ada", "middleName": "King"}})
    equal(after["name"], {"givenName": "Ada", "middleName": "King", "familyName": "Byron", "honorificPrefix": "Lady"}, "name")


@requirement("7644-3.5.2.1-06")
def multi_valued_target_grows(scim: Scim) -> None:
    """add on a multi-valued attribute appends the value, or each value of an array; a single object is one value."""
    first, second, third, fourth = mail(), mail(), mail(), mail()
    user = person(scim, emails=[{"value": first, "type": "work", "display": "one"}])
    after = apply(scim, place(user), {"op": "add", "path": "emails", "value": {"value": second}})
    equal(values(after, "emails"), sorted([first, second]), "emails after adding an object")
    after = apply(scim, place(user), {"op": "add", "path": "emails", "value": [{"value": third}, {"value": fourth, "type": "home"}]})
    equal(values(after, "emails"), sorted([first, second, third, fourth]), "emails after adding an array")
    ensure(pick(after, "emails", value=first, type="work", display="one"), f"the first value changed: {after['emails']!r}")
    ada, ben = scim.user(), scim.user()
    group = team(scim, user)
    for member in (ada, ben):
        after = apply(scim, place(group, "/Groups"), {"op": "add", "path": "members", "value": [{"value": member["id"]}]})
    equal(values(after, "members"), sorted([user["id"], ada["id"], ben["id"]]), "members")
    belongs(scim, ben, group)


@requirement("7644-3.5.2.1-07")
def single_value_is_replaced(scim: Scim) -> None:
    """add on an attribute that has a single value replaces it."""
    user = person(scim, title="A", active=True, name={"givenName": "Augusta", "familyName": "Byron"})
    after = apply(
        scim,
        place(user),
        {"op": "add", "path": "title", "value": "B"},
        {"op": "add", "path": "active", "value": False},
        {"op": "add", "path": "name.givenName", "value": "Ada"},
    )
    equal(after.get("title"), "B", "title")
    equal(after.get("active"), False, "active")
    equal(after["name"], {"givenName": "Ada", "familyName": "Byron"}, "name")
    equal(scim.matches("/Users", f'id eq "{user["id"]}" and title eq "A"', [user]), set(), "users found by the former title")


@requirement("7644-3.5.2.1-08")
def filter_selects_elements(scim: Scim) -> None:
    """add with a value filter works on every element that matches and on no other."""
    work, home = mail(), mail()
    addresses = [{"type": "work", "locality": "Paris"}, {"type": "work", "locality": "Lyon"}, {"type": "home", "locality": "Bern"}]
    user = person(scim, emails=[{"value": work, "type": "work"}, {"value": home, "type": "home"}], addresses=addresses)
    after = apply(
        scim,
        place(user),
        {"op": "add", "path": 'emails[type eq "work"].display', "value": "W"},
        {"op": "add", "path": f'emails[value eq "{home}"]', "value": {"display": "H"}},
        {"op": "add", "path": 'addresses[type eq "work"].country', "value": "FR"},
    )
    equal(len(after["emails"]), 2, "number of emails")
    ensure(pick(after, "emails", value=work, type="work", display="W"), f"emails: {after['emails']!r}")
    ensure(pick(after, "emails", value=home, type="home", display="H"), f"emails: {after['emails']!r}")
    equal(sorted(item["locality"] for item in pick(after, "addresses", country="FR")), ["Lyon", "Paris"], "addresses that got the country")
    equal(len(after["addresses"]), 3, "number of addresses")


@requirement("7644-3.5.2.1-09")
def filter_without_match(scim: Scim) -> None:
    """add with a filter of equalities that selects nothing makes the element; any other such filter is refused as noTarget."""
    work, home = mail(), mail()
    user = person(scim, emails=[{"value": home, "type": "home"}])
    after = apply(  # decision 1
        scim,
        place(user),
        {"op": "add", "path": 'emails[type eq "work"].value', "value": work},
        {"op": "add", "path": 'addresses[type eq "work" and country eq "FR"].locality', "value": "Paris"},
        {"op": "add", "path": 'phoneNumbers[type eq "mobile"]', "value": {"value": "+33 1 23"}},
    )
    equal(values(after, "emails"), sorted([work, home]), "emails")
    ensure(pick(after, "emails", value=work, type="work"), f"emails: {after['emails']!r}")
    ensure(pick(after, "emails", value=home, type="home"), f"emails: {after['emails']!r}")
    equal(len(pick(after, "addresses", type="work", country="FR", locality="Paris")), 1, "number of the new address")
    equal(len(pick(after, "phoneNumbers", type="mobile", value="+33 1 23")), 1, "number of the new phone number")
    for filter_ in ('type sw "oth"', 'type eq "other" or type eq "pager"', "not (type pr)"):
        refused(scim, place(user), {"op": "add", "path": f"emails[{filter_}].value", "value": mail()}, types=("noTarget",))


@requirement("7644-3.5.2.1-10")
def value_already_there(scim: Scim) -> None:
    """Adding a value that is already there succeeds and does not store it twice."""
    user = person(scim, title="A", emails=[{"value": mail(), "type": "work"}])
    group = team(scim, user)
    after = apply(scim, place(group, "/Groups"), {"op": "add", "path": "members", "value": [{"value": user["id"]}]})
    equal(values(after, "members"), [user["id"]], "members")
    other = scim.user()
    both = [{"value": user["id"]}, {"value": other["id"]}]
    after = apply(scim, place(group, "/Groups"), {"op": "add", "path": "members", "value": both})
    equal(values(after, "members"), sorted([user["id"], other["id"]]), "members after adding an old and a new one")
    after = apply(scim, place(user), {"op": "add", "path": "emails", "value": user["emails"]}, {"op": "add", "path": "title", "value": "A"})
    equal(values(after, "emails"), values(user, "emails"), "emails")
    equal(after.get("title"), "A", "title")
    unassigned(after, "nickName")


@requirement("7644-3.5.2.1-11")
def value_already_there_changes_no_time(scim: Scim) -> None:
    """Adding what is already there leaves lastModified and version alone."""
    user = person(scim, title="A", name={"givenName": "Ada"}, emails=[{"value": mail(), "type": "work", "primary": True}])
    group = team(scim, user)
    before = scim.read(place(group, "/Groups"))
    same(before, apply(scim, place(group, "/Groups"), {"op": "add", "path": "members", "value": [{"value": user["id"]}]}))
    before = scim.read(place(user))
    for operation in (
        {"op": "add", "path": "title", "value": "A"},
        {"op": "add", "path": "emails", "value": user["emails"]},
        {"op": "add", "path": "name", "value": {"givenName": "Ada"}},
        {"op": "add", "path": 'emails[type eq "work"].primary', "value": True},
        {"op": "add", "value": {"title": "A", "emails": user["emails"]}},
    ):
        same(before, apply(scim, place(user), operation))
    after = apply(scim, place(user), {"op": "add", "path": "title", "value": "A"}, {"op": "add", "path": "nickName", "value": "Ada"})
    equal(after.get("nickName"), "Ada", "nickName, added beside what was there")
    changed(before, after)
