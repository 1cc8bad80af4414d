"""What OneLogin, JumpCloud, Ping, SailPoint, Google Workspace, Keycloak's plug-ins and Rauthy send (N01 to N17)."""

from __future__ import annotations

from conformance.client import CORE_GROUP, CORE_USER, Scim, ensure, equal, expect, expect_error, rand
from conformance.exchanges import exchange_case, replay
from conformance.registry import case

SECTION = "Other clients"
TAGS = {"others"}
LEVEL = "SHOULD"


@case("other-N01", section=SECTION, tags=TAGS, level=LEVEL)
def onelogin_configuration(scim: Scim) -> None:
    """OneLogin reads the service provider's configuration when it is saved."""
    config = scim.read("/ServiceProviderConfig")
    for feature in ("patch", "bulk", "filter", "changePassword", "sort", "etag"):
        ensure(type((config.get(feature) or {}).get("supported")) is bool, f"{feature}.supported is not a boolean")


@case("other-N02", section=SECTION, tags=TAGS, level=LEVEL)
def onelogin_template(scim: Scim) -> None:
    """OneLogin's template sends a null id, a SCIM 1 URN and booleans as text, and the user is created with booleans."""
    name = f"{rand('ada')}@example.com"
    body = {
        "schemas": ["urn:scim:schemas:core:1.0"],
        "id": None,
        "userName": name,
        "name": {"givenName": "Ada", "familyName": "Aster"},
        "emails": [{"value": name, "type": "work", "primary": "true"}],
        "active": "true",
    }
    user = scim.read(f"/Users/{scim.create('/Users', body)['id']}")
    ensure(user["id"], "no id")
    equal((user["schemas"], user["active"], user["emails"][0]["primary"]), ([CORE_USER], True, True), "schemas, active, primary")
    ensure(user["active"] is True and user["emails"][0]["primary"] is True, "a boolean came back as something else")


@case("other-N03", section=SECTION, tags=TAGS, level=LEVEL)
def jumpcloud_activation(scim: Scim) -> None:
    """JumpCloud's activation creates, updates and deletes a user and a group."""
    user = scim.user(displayName="Test User")
    path = f"/Users/{user['id']}"
    expect(scim.put(path, user | {"displayName": "Put User"}), 200)
    equal(scim.read(path)["displayName"], "Put User", "displayName after PUT")
    expect(scim.patch(path, {"op": "replace", "path": "displayName", "value": "Patched User"}), 200, 204)
    equal(scim.read(path)["displayName"], "Patched User", "displayName after PATCH")
    group = scim.group()
    place = f"/Groups/{group['id']}"
    expect(scim.patch(place, {"op": "add", "path": "members", "value": [{"value": user["id"]}]}), 200, 204)
    equal([item["value"] for item in scim.read(place)["members"]], [user["id"]], "members")
    for gone in (place, path):
        expect(scim.delete(gone), 204)
        expect_error(scim.get(gone), 404)


exchange_case("other-N04", "jumpcloud-one-op-per-attribute", section=SECTION, tags=TAGS, level=LEVEL)
exchange_case("other-N05", "jumpcloud-add-bare-member", section=SECTION, tags=TAGS, level=LEVEL)
exchange_case("other-N06", "jumpcloud-remove-members-value-list", section=SECTION, tags=TAGS, level=LEVEL)


@case("other-N07", section=SECTION, tags=TAGS, level=LEVEL)
def ping_capital_operator(scim: Scim) -> None:
    """Ping's capitalised operator is understood."""
    user, other = scim.user(), scim.user()
    equal(scim.matches("/Users", f'userName Eq "{user["userName"]}"', [user, other]), {user["id"]}, "ids found")


@case("other-N08", section=SECTION, tags=TAGS, level=LEVEL)
def ping_complex_attribute(scim: Scim) -> None:
    """A filter on emails without a sub-attribute compares the addresses."""
    mail = f"{rand('ada')}@example.com"
    user = scim.user(emails=[{"value": mail, "type": "home"}])
    other = scim.user(emails=[{"value": f"x{mail}", "display": mail}])
    equal(scim.matches("/Users", f'emails eq "{mail}"', [user, other]), {user["id"]}, "ids found")


@case("other-N09", section=SECTION, tags=TAGS, level=LEVEL)
def ping_unknown_name(scim: Scim) -> None:
    """A filter on email, which no schema has, is refused for the name and not for its capitalised operator."""
    names = {
        attribute["name"].lower()
        for kind in scim.read("/ResourceTypes")["Resources"]
        if kind["endpoint"] == "/Users"
        for attribute in scim.read(f"/Schemas/{kind['schema']}")["attributes"]
    }
    if "email" in names:
        scim.find("/Users", 'email Co "ada"')
    else:
        expect_error(scim.get("/Users", params={"filter": 'email Co "ada"'}), 400, "invalidFilter")
    user = scim.user()
    equal(scim.matches("/Users", f'userName Co "{user["userName"][2:]}"', [user]), {user["id"]}, "ids found with Co")


@case("other-N10", section=SECTION, tags=TAGS, level=LEVEL)
def ping_group_by_put(scim: Scim) -> None:
    """Ping keeps a group by PUT of the whole list."""
    one, two = scim.user()["id"], scim.user()["id"]
    group = scim.group(one)
    whole = {"schemas": [CORE_GROUP], "displayName": group["displayName"], "members": [{"value": two}]}
    expect(scim.put(f"/Groups/{group['id']}", whole), 200)
    equal([item["value"] for item in scim.read(f"/Groups/{group['id']}")["members"]], [two], "members")


@case("other-N11", section=SECTION, tags=TAGS, level=LEVEL)
def sailpoint_discovery(scim: Scim) -> None:
    """SailPoint reads the discovery documents, also one by one."""
    scim.read("/ServiceProviderConfig")
    kinds = {kind["name"]: kind for kind in scim.read("/ResourceTypes")["Resources"]}
    schemas = {schema["id"]: schema for schema in scim.read("/Schemas")["Resources"]}
    equal(scim.read("/ResourceTypes/User"), kinds["User"], "the resource type User read alone")
    alone = scim.read(f"/Schemas/{CORE_USER}")
    equal(
        (alone["name"], alone["attributes"]),
        (schemas[CORE_USER]["name"], schemas[CORE_USER]["attributes"]),
        "the schema of User read alone",
    )


@case("other-N12", section=SECTION, tags=TAGS, level=LEVEL)
def google_probe(scim: Scim) -> None:
    """Google Workspace reads one user of several."""
    for _ in range(2):
        scim.user()
    equal(len(scim.read("/Users", params={"count": 1})["Resources"]), 1, "users on a page of one")


@case("other-N13", section=SECTION, tags=TAGS, level=LEVEL)
def google_suspension(scim: Scim) -> None:
    """A suspension by PATCH or by PUT sets active to false and keeps the person readable."""
    equal(replay(scim, "google-suspend")["active"], False, "active after PATCH")
    user = scim.user(active=True, nickName="Addie")
    expect(scim.put(f"/Users/{user['id']}", user | {"active": False}), 200)
    found = scim.read(f"/Users/{user['id']}")
    equal((found["active"], found["nickName"]), (False, "Addie"), "active and nickName after PUT")


@case("other-N14", section=SECTION, tags=TAGS, level=LEVEL)
def keycloak_plain(scim: Scim) -> None:
    """A plug-in that follows the RFCs to the letter creates, finds, changes, replaces and deletes with plain JSON."""
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    body = scim.user_body(externalId=rand("ext"), active=True)
    user = expect(scim.post("/Users", body, headers=headers), 201).json()
    path = f"/Users/{user['id']}"
    equal(scim.matches("/Users", f'externalId eq "{body["externalId"]}"', [user]), {user["id"]}, "ids found")
    expect(scim.patch(path, {"op": "add", "path": "nickName", "value": "Addie"}, headers=headers), 200, 204)
    equal(scim.read(path)["nickName"], "Addie", "nickName after PATCH")
    expect(scim.put(path, body | {"nickName": "Ad"}, headers=headers), 200)
    equal(scim.read(path)["nickName"], "Ad", "nickName after PUT")
    expect(scim.delete(path), 204)


@case("other-N15", section=SECTION, tags=TAGS, level=LEVEL)
def rauthy_lookups(scim: Scim) -> None:
    """Rauthy looks a user up by externalId, userName and displayName."""
    user = scim.user(externalId=rand("ext"), displayName=rand("Ada Aster"))
    other = scim.user(externalId=rand("ext"), displayName=rand("Ada Aster"))
    for name in ("externalId", "userName", "displayName"):
        equal(scim.matches("/Users", f'{name} eq "{user[name]}"', [user, other]), {user["id"]}, f"ids found by {name}")


@case("other-N16", section=SECTION, tags=TAGS, level=LEVEL)
def rauthy_updates(scim: Scim) -> None:
    """Rauthy updates users by PUT of the whole object and groups by PATCH of single members."""
    user = scim.user(displayName="Ada")
    expect(scim.put(f"/Users/{user['id']}", user | {"displayName": "Ada Aster"}), 200)
    equal(scim.read(f"/Users/{user['id']}")["displayName"], "Ada Aster", "displayName")
    replay(scim, "rauthy-member-operations")


exchange_case("other-N17", "other-manager-by-filter", section=SECTION, tags=TAGS, level=LEVEL)
