"""Data types of attribute values: RFC 7643 §1.2 and §2.3."""

from __future__ import annotations

import json
import re
from urllib.parse import urljoin

from conformance.checks.schema_support import (
    SCHEMA_SCHEMA,
    UNKNOWN_ID,
    again,
    contains,
    definitions,
    followed,
    group_path,
    instant,
    places,
    quoted,
    refused,
    schemas,
    selects,
    stored,
    stored_or_refused,
    trait,
    user_path,
)
from conformance.client import CORE_GROUP, CORE_USER, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import Skip, requirement

TYPES = {"string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex"}


@requirement("7643-1.2-01")
def simple_attribute_has_no_parts(scim: Scim) -> None:
    """An attribute that is not complex neither defines sub-attributes nor takes an object as its value."""
    for name, definition in definitions(scim):
        if trait(definition, "type") != "complex":
            ensure(not definition.get("subAttributes"), f"{name} is {trait(definition, 'type')} and has subAttributes")
    refused(scim, scim.user_body(title={"value": "Engineer"}))


@requirement("7643-2.3-01")
def json_types_of_values(scim: Scim) -> None:
    """A value has the JSON type of its attribute's data type; any other JSON type is refused."""
    for attributes in (
        {"active": 123},
        {"displayName": 5},
        {"nickName": True},
        {"title": ["Engineer"]},
        {"name": 7},
        {"emails": [{"value": "ada@example.com", "primary": 1}]},
        {"profileUrl": {"href": "https://example.com/"}},
    ):
        refused(scim, scim.user_body(**attributes))
    user = stored(scim, active=False, displayName="5", name={"givenName": "Ada"})
    ensure(user["active"] is False, f"active is shown as {user['active']!r}")


@requirement("7643-2.3-02")
def no_new_data_types(scim: Scim) -> None:
    """Every published attribute, those of extensions included, has one of the eight data types."""
    for name, definition in definitions(scim):
        ensure(trait(definition, "type") in TYPES, f"{name} has the type {definition.get('type')!r}")


@requirement("7643-2.3.1-01")
def strings_are_unicode(scim: Scim) -> None:
    """A string of any Unicode characters comes back code point for code point, and so does one that needs escaping."""
    # The second name is not in NFC: storing must not normalise what is only compared in normal form.
    for text in ("Zoë 日本 😀", "Zoe\u0308 \u212b", 'quote " backslash \\ tab \t', "\u202eright to left\u202c"):
        equal(stored(scim, displayName=text)["displayName"], text, "displayName")
    user = scim.user(nickName="kept", title="")
    equal(again(scim, user).get("nickName"), "kept", "nickName beside an empty string")


@requirement("7643-2.3.1-02", "7643-7-07")
def values_beyond_the_canonical_ones(scim: Scim) -> None:
    """A value outside canonicalValues is stored as sent or refused, never lost in silence."""
    stored_or_refused(scim, "emails", [{"value": "ada@example.com", "type": "hospital"}])
    stored(scim, emails=[{"value": "ada@example.com", "type": "work"}])


@requirement("7643-2.3.2-01")
def booleans_are_json_literals(scim: Scim) -> None:
    """A boolean is stored and shown as JSON true or false, whatever spelling was accepted, and filters see the same value."""
    for value in (True, False):
        user = stored(scim, active=value)
        ensure(selects(scim, "/Users", f"active eq {json.dumps(value)}", user), f"active eq {json.dumps(value)} misses the user")
        ensure(not selects(scim, "/Users", f"active eq {json.dumps(not value)}", user), f"active {value} matches its opposite")
    # decision 19: Entra spells booleans as strings; those are read as booleans, others are refused.
    response = scim.post("/Users", scim.user_body(active="False"))
    if response.status_code == 201:
        ensure(again(scim, response.json()).get("active") is False, 'active "False" was accepted but is not shown as false')
    else:
        expect_error(response, 400, "invalidValue", "invalidSyntax")
    refused(scim, scim.user_body(active="perhaps"))


@requirement("7643-2.3.2-02")
def booleans_have_no_case_and_no_uniqueness(scim: Scim) -> None:
    """No published boolean claims uniqueness or exact case, and many resources may share one boolean value."""
    for name, definition in definitions(scim):
        if trait(definition, "type") == "boolean":
            equal(trait(definition, "uniqueness"), "none", f"uniqueness of {name}")
            equal(trait(definition, "caseExact"), False, f"caseExact of {name}")
    stored(scim, active=True)
    stored(scim, active=True)


@requirement("7643-2.3.3-01")
def decimals(scim: Scim) -> None:
    """A decimal is a JSON number that keeps its value and refuses text."""
    found = places(scim, type="decimal", mutability="readWrite", multiValued=False, uniqueness="none", returned="default")
    if not found:
        raise Skip("neither User nor Group publishes a writable decimal attribute")
    for place in found:
        for number in (1.0, -2.5, 0.125):
            shown = place.kept(scim, number)
            ensure(isinstance(shown, (int, float)) and not isinstance(shown, bool) and shown == number, f"{place.path}: {shown!r}")
        expect_error(place.create(scim, "1.0"), 400, "invalidValue", "invalidSyntax")
        text = expect(place.create(scim, 1.0), 201).text
        ensure(re.search(rf'"{place.definition["name"]}"\s*:\s*1\.0\b', text), f"{place.path}: no digit after the point of 1.0")


@requirement("7643-2.3.4-01")
def integers(scim: Scim) -> None:
    """An integer is written and accepted without fraction and exponent only."""
    for path in ("/ServiceProviderConfig", "/Users?count=1"):
        text = expect(scim.get(path), 200).text
        for name in ("maxOperations", "maxPayloadSize", "maxResults", "totalResults", "itemsPerPage", "startIndex"):
            for written in re.findall(rf'"{name}"\s*:\s*([^,}}\]\s]+)', text):
                ensure(re.fullmatch(r"-?\d+", written), f"{name} in {path} is written {written}")
    for place in places(scim, type="integer", mutability="readWrite", multiValued=False, uniqueness="none", returned="default"):
        shown = place.kept(scim, 10)
        ensure(type(shown) is int and shown == 10, f"{place.path}: sent 10, stored {shown!r}")
        for wrong in (1.5, "10", True):
            expect_error(place.create(scim, wrong), 400, "invalidValue", "invalidSyntax")


@requirement("7643-2.3.5-01")
def date_times(scim: Scim) -> None:
    """A dateTime has a date and a time in the form of XML Schema, in answers, filters and written values alike."""
    user = scim.user()
    for name in ("created", "lastModified"):
        instant(user["meta"][name])
    ensure(selects(scim, "/Users", f"meta.created eq {quoted(user['meta']['created'])}", user), "created does not equal itself in a filter")
    ensure(selects(scim, "/Users", 'meta.created gt "2001-02-03T04:05:06+07:00"', user), "created is not after 2001")
    for wrong in ("2001-02-30T00:00:00Z", "yesterday"):
        expect_error(scim.get("/Users", params={"filter": f'meta.created gt "{wrong}"'}), 400, "invalidFilter")
    for place in places(scim, type="dateTime", mutability="readWrite", multiValued=False, uniqueness="none", returned="default"):
        equal(instant(place.kept(scim, "2024-01-01T00:00:00Z")), instant("2024-01-01T00:00:00Z"), place.path)
        for text in ("2024-01-01", "10:00:00Z", "2024-02-30T00:00:00Z"):
            expect_error(place.create(scim, text), 400, "invalidValue", "invalidSyntax")


@requirement("7643-2.3.6-01")
def binaries_are_base64(scim: Scim) -> None:
    """A binary value is base64, with or without padding; other text is refused."""
    for text in ("%%%", "aGVsbG8gd29ybGQ*", "a"):
        refused(scim, scim.user_body(x509Certificates=[{"value": text}]))
    for place in places(scim, type="binary", mutability="readWrite", multiValued=False, uniqueness="none", returned="default"):
        expect_error(place.create(scim, "%%%"), 400, "invalidValue", "invalidSyntax")
        for text in ("aGVsbG8=", "aGVsbG8"):
            shown = place.kept(scim, text)
            ensure(isinstance(shown, str) and shown.rstrip("=") == "aGVsbG8", f"{place.path}: sent {text}, stored {shown!r}")


@requirement("7643-2.3.7-01")
def references_hold_uris(scim: Scim) -> None:
    """A reference takes absolute and relative URIs as they are, and nothing that is not text."""
    for uri in ("https://example.com/people/ada?x=1#top", "urn:example:ada", "../people/ada"):
        equal(stored(scim, profileUrl=uri)["profileUrl"], uri, "profileUrl")
    # decision 71: text that is no URI may be stored as it is; the strict reading refuses it.
    stored_or_refused(scim, "profileUrl", "not a uri %%")
    refused(scim, scim.user_body(profileUrl=42))


@requirement("7643-2.3.7-02")
def relative_references(scim: Scim) -> None:
    """A relative reference is read from the service root or refused, and every reference sent out resolves from there."""
    user = scim.user()
    for reference in (f"Users/{user['id']}", f"../Users/{user['id']}"):
        group = scim.group()
        member = {"$ref": reference, "value": user["id"]}
        response = scim.patch(group_path(group), {"op": "add", "path": "members", "value": [member]})
        if response.status_code == 400:
            expect_error(response, 400, "invalidValue", "invalidPath", "invalidSyntax")
            equal(again(scim, group).get("members") or [], [], "members after a refused add")
            continue
        expect(response, 200, 204)
        members = again(scim, group).get("members") or []
        equal([item.get("value") for item in members], [user["id"]], f"member added as {reference}")
        equal(followed(scim, members[0])["id"], user["id"], f"what {members[0]['$ref']} resolves to")


@requirement("7643-2.3.7-03")
def references_can_be_followed(scim: Scim) -> None:
    """A GET on a member's $ref gives that member, and 404 once it is deleted."""
    user = scim.user()
    member = again(scim, scim.group(user["id"]))["members"][0]
    equal(followed(scim, member)["id"], user["id"], "id behind $ref")
    expect(scim.delete(user_path(user)), 204)
    expect_error(scim.get(urljoin(scim.base_url + "/", member["$ref"])), 404)


@requirement("7643-2.3.7-05")
def referential_integrity(scim: Scim) -> None:
    """A reference to an unknown resource is refused or kept as sent, and a server that refuses it also removes dead ones."""
    name = rand("group")
    body = {"schemas": [CORE_GROUP], "displayName": name, "members": [{"value": UNKNOWN_ID}]}
    response = scim.post("/Groups", body)
    if response.status_code == 201:
        equal([item["value"] for item in again(scim, response.json()).get("members") or []], [UNKNOWN_ID], "members without integrity")
        return
    # decision 61: integrity is enforced.
    expect_error(response, 400, "invalidValue")
    equal(scim.find("/Groups", f"displayName eq {quoted(name)}")["totalResults"], 0, "groups after a refused create")
    leaver, stayer = scim.user(), scim.user()
    group = scim.group(leaver["id"], stayer["id"])
    expect(scim.delete(user_path(leaver)), 204)
    equal([item["value"] for item in again(scim, group).get("members") or []], [stayer["id"]], "members after a user was deleted")


@requirement("7643-2.3.8-01")
def key_order_means_nothing(scim: Scim) -> None:
    """The order of keys in an object changes nothing, not even with `schemas` at the end."""
    body = scim.user_body(
        name={"givenName": "Ada", "familyName": "Example"}, emails=[{"type": "work", "value": "ada@example.com"}], title="Engineer"
    )
    body["schemas"] = [CORE_USER]
    seen = []
    for order in (list(body), list(reversed(body))):
        sent = {key: body[key] for key in order} | {"userName": rand("user")}
        sent["name"] = dict(sorted(body["name"].items(), reverse=order[0] != "schemas"))
        sent["emails"] = [dict(sorted(body["emails"][0].items(), reverse=order[0] != "schemas"))]
        user = again(scim, scim.create("/Users", sent))
        ensure(contains(user, sent), f"stored {user!r} for {sent!r}")
        seen.append({key: value for key, value in user.items() if key not in ("id", "meta", "userName")})
    equal(seen[1], seen[0], "the same user sent with its keys in reverse")


@requirement("7643-2.3.8-02")
def complex_is_one_level_deep(scim: Scim) -> None:
    """No complex attribute has a complex sub-attribute, the schema of schemas excepted, and none is accepted in a body."""
    for urn, schema in schemas(scim).items():
        if urn == SCHEMA_SCHEMA:
            continue
        for attribute in schema.get("attributes") or []:
            for sub in attribute.get("subAttributes") or []:
                nested = trait(sub, "type") == "complex" or sub.get("subAttributes")
                ensure(not nested, f"{urn}:{attribute['name']}.{sub['name']} is complex inside complex")
    refused(scim, scim.user_body(name={"givenName": {"value": "Ada"}}))
