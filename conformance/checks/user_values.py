"""Multi-valued attributes of User: RFC 7643 §4.1.2."""

from __future__ import annotations

import base64

from conformance.checks.schema_support import (
    again,
    contains,
    followed,
    group_path,
    published,
    quoted,
    refused,
    selects,
    stored,
    stored_or_refused,
    trait,
    user_path,
)
from conformance.client import CORE_USER, Scim, ensure, equal, expect, expect_error
from conformance.registry import requirement

# A self-signed certificate for example.com that nobody holds the key of.
CERTIFICATE = (
    "MIIBQjCB9aADAgECAhRS5NB4B8wt0DX2GM9iz++14f4MTjAFBgMrZXAwFjEUMBIGA1UEAwwLZXhhbXBsZS5jb20wIBcNMjYxMTIxMDIyMjI1Wh"
    "gPMjEyNjEwMjgwMjIyMjVaMBYxFDASBgNVBAMMC2V4YW1wbGUuY29tMCowBQYDK2VwAyEA9BU1AYDk/PiPpBVOgUHt8fs17PlRsgj2jWPSK25/"
    "UuyjUzBRMB0GA1UdDgQWBBSlYQLK3DEacQ/cU83vDYtJ7pHlhjAfBgNVHSMEGDAWgBSlYQLK3DEacQ/cU83vDYtJ7pHlhjAPBgNVHRMBAf8EBT"
    "ADAQH/MAUGAytlcANBAMwXRM5LVCtT2I2E1AOfaVQOn5ovEHkoDI66kxDRqio9VeRjW9Fzym5BNxu6bMbfOSydlbDzLOtmLsKBcqsqlAg="
)


@requirement("7643-4.1.2-01")
def emails(scim: Scim) -> None:
    """An address keeps its meaning, and is found whatever the case of its domain."""
    sent = "Ada.Example@EXAMPLE.com"
    user = scim.user(emails=[{"value": sent, "type": "work", "primary": True}])
    shown = again(scim, user)["emails"]
    ensure(shown[0]["value"] in (sent, "Ada.Example@example.com", sent.lower()), f"{sent} is stored as {shown[0]['value']}")
    for spelling in (sent, "Ada.Example@example.com", sent.lower()):
        ensure(selects(scim, "/Users", f"emails.value eq {quoted(spelling)}", user), f"emails.value eq {spelling} misses the user")
    ensure(not selects(scim, "/Users", 'emails.value eq "ben@example.com"', user), "emails.value matches another address")


@requirement("7643-4.1.2-02")
def phone_numbers(scim: Scim) -> None:
    """Phone numbers are taken as tel URIs and come back as the same number; free text is stored as sent or refused."""
    number = "tel:+1-201-555-0123"
    user = scim.user(phoneNumbers=[{"value": number, "type": "mobile"}])
    shown = again(scim, user)["phoneNumbers"]
    digits = [character for character in shown[0]["value"] if character.isdigit()]
    equal(("".join(digits), shown[0].get("type")), ("12015550123", "mobile"), "digits and type of the number")
    ensure(selects(scim, "/Users", f"phoneNumbers.value eq {quoted(shown[0]['value'])}", user), "the number as shown is not found")
    stored_or_refused(scim, "phoneNumbers", [{"value": "(201) 555 0123 ext. 4", "type": "work"}])


@requirement("7643-4.1.2-03")
def ims(scim: Scim) -> None:
    """A messaging address is stored as sent or without white space and in lower case, and is found as shown in any case."""
    user = scim.user(ims=[{"value": "Ada Example", "type": "xmpp"}])
    shown = again(scim, user)["ims"]
    value = shown[0]["value"]
    ensure(value in ("Ada Example", "adaexample", "ada example", "AdaExample"), f"Ada Example is stored as {value}")
    equal(shown[0].get("type"), "xmpp", "type")
    for spelling in (value, value.upper()):
        ensure(selects(scim, "/Users", f"ims.value eq {quoted(spelling)}", user), f"ims.value eq {spelling} misses the user")


@requirement("7643-4.1.2-04")
def photos(scim: Scim) -> None:
    """A photo is the URL of an image; what is no URL is stored as sent or refused, what is no text is refused."""
    url = "https://example.com/photos/Ada.png"
    user = stored(scim, photos=[{"value": url, "type": "photo"}])
    ensure(selects(scim, "/Users", f'photos[type eq "photo" and value eq "{url}"]', user), "the filter on photos misses the user")
    stored_or_refused(scim, "photos", [{"value": "no url at all", "type": "thumbnail"}])  # decision 71
    refused(scim, scim.user_body(photos=[{"value": {"data": "x"}, "type": "photo"}]))


@requirement("7643-4.1.2-05")
def country(scim: Scim) -> None:
    """A country is a two-letter code; other text is stored as sent or refused."""
    user = stored(scim, addresses=[{"country": "US", "locality": "Springfield", "type": "work"}])
    ensure(selects(scim, "/Users", 'addresses[type eq "work" and country eq "us"]', user), "the filter on country misses the user")
    stored_or_refused(scim, "addresses", [{"country": "USA", "type": "work"}])
    refused(scim, scim.user_body(addresses=[{"country": 840}]))


@requirement("7643-4.1.2-06")
def addresses_have_lines(scim: Scim) -> None:
    """Line breaks in formatted and streetAddress are kept."""
    text = "100 Example Street\nSpringfield, 12345"
    address = {"formatted": text, "streetAddress": "100 Example Street\r\nSuite 5", "type": "home"}
    user = stored(scim, addresses=[address])
    ensure(
        selects(scim, "/Users", f"addresses.formatted eq {quoted(text)}", user), "the filter on a text with a line break misses the user"
    )


@requirement("7643-4.1.2-07")
def groups_are_read_only(scim: Scim) -> None:
    """A user's groups cannot be written through the user: POST and PUT ignore them, PATCH is refused."""
    group, own = scim.group(), scim.user()
    membership = [{"value": group["id"]}]
    user = scim.create("/Users", scim.user_body() | {"groups": membership})
    expect(scim.put(user_path(own), own | {"groups": membership}), 200)
    expect_error(scim.patch(user_path(own), {"op": "add", "path": "groups", "value": membership}), 400, "mutability")
    ensure(not again(scim, group).get("members"), "the group has members that were written through users")
    for resource in (user, own):
        ensure(not again(scim, resource).get("groups"), "a user shows a group that does not have it")
    definition = published(scim, CORE_USER, "groups")
    equal(trait(definition, "mutability"), "readOnly", "published mutability of groups")
    expect(scim.patch(group_path(group), {"op": "add", "path": "members", "value": [{"value": own["id"]}]}), 200, 204)
    equal([item["value"] for item in again(scim, own).get("groups") or []], [group["id"]], "groups after the group took the user in")


@requirement("7643-4.1.2-08")
def groups_name_groups(scim: Scim) -> None:
    """Each of a user's groups has the group's id and a $ref that leads to it, and goes when the membership goes."""
    user = scim.user()
    both = [scim.group(user["id"]), scim.group(user["id"])]
    shown = again(scim, user).get("groups") or []
    equal({item["value"] for item in shown}, {group["id"] for group in both}, "ids of the user's groups")
    for item in shown:
        equal(followed(scim, item)["id"], item["value"], "id behind $ref")
    ensure(selects(scim, "/Users", f"groups.value eq {quoted(both[0]['id'])}", user), "the filter on groups.value misses the user")
    expect(scim.delete(group_path(both[0])), 204)
    left = again(scim, user).get("groups") or []
    equal([item["value"] for item in left], [both[1]["id"]], "ids of the user's groups after one was deleted")


@requirement("7643-4.1.2-09")
def direct_and_indirect_groups(scim: Scim) -> None:
    """A user's groups tell direct membership from membership through a nested group."""
    user = scim.user()
    child = scim.group(user["id"])
    parent = scim.group(child["id"])
    both = {child["id"], parent["id"]}  # a server may have groups of its own that hold everybody
    shown = {item["value"]: item.get("type") for item in again(scim, user).get("groups") or [] if item["value"] in both}
    equal(shown, {child["id"]: "direct", parent["id"]: "indirect"}, "type by group")
    expect(scim.patch(group_path(parent), {"op": "add", "path": "members", "value": [{"value": user["id"]}]}), 200, 204)
    shown = {item["value"]: item.get("type") for item in again(scim, user)["groups"] if item["value"] in both}
    equal(shown, {child["id"]: "direct", parent["id"]: "direct"}, "type by group once the user is in both")


@requirement("7643-4.1.2-10")
def certificates(scim: Scim) -> None:
    """A certificate is the base64 text of one DER certificate and comes back as the same bytes; padding may be missing."""
    der = base64.b64decode(CERTIFICATE)
    for text in (CERTIFICATE, CERTIFICATE.rstrip("=")):
        shown = again(scim, scim.user(x509Certificates=[{"value": text, "type": "work"}]))["x509Certificates"][0]["value"]
        equal(base64.b64decode(shown + "=" * (-len(shown) % 4)), der, "bytes of the certificate")
    stored_or_refused(scim, "x509Certificates", [{"value": base64.b64encode(der + der).decode()}])
    refused(scim, scim.user_body(x509Certificates=[{"value": "-----BEGIN CERTIFICATE-----"}]))


@requirement("7643-4.1.2-11")
def free_vocabularies(scim: Scim) -> None:
    """Entitlements and roles take any words, one or several, and are found by them."""
    user = stored(
        scim, roles=[{"value": "Night shift / lead"}, {"value": "x"}], entitlements=[{"value": "urn:example:42", "type": "licence"}]
    )
    ensure(contains([item["value"] for item in user["roles"]], ["Night shift / lead", "x"]), "roles")
    ensure(selects(scim, "/Users", 'roles.value eq "night SHIFT / lead"', user), "the filter on roles misses the user")
    filter_ = 'entitlements[type eq "licence" and value eq "urn:example:42"]'
    ensure(selects(scim, "/Users", filter_, user), "the filter on entitlements misses the user")
