"""Attribute names, the `schemas` attribute, resource types and extensions: RFC 7643 §1.1, §2.1, §2.2, §3, §3.2, §3.3 and §6."""

from __future__ import annotations

import re

from conformance.checks.schema_support import (
    again,
    definitions,
    endpoint_of,
    published,
    quoted,
    resource_types,
    schemas,
    selects,
    stored,
    trait,
    user_path,
)
from conformance.client import CORE_GROUP, CORE_USER, ENTERPRISE_USER, LIST_RESPONSE, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import Skip, requirement

NAME = re.compile(r"\$?[A-Za-z][$\-_0-9A-Za-z]*")


def _schemas_of(scim: Scim, endpoint: str) -> tuple[str, set[str]]:
    for kind in resource_types(scim):
        if endpoint_of(kind) == endpoint:
            return kind["schema"], {item["schema"] for item in kind.get("schemaExtensions") or []}
    ensure(False, f"no resource type has the endpoint {endpoint}")
    return "", set()


def _well_formed(scim: Scim, endpoint: str, resource: Json) -> None:
    base, extensions = _schemas_of(scim, endpoint)
    listed = resource.get("schemas")
    ensure(isinstance(listed, list) and listed and all(isinstance(urn, str) for urn in listed), f"schemas is {listed!r}")
    equal(len({urn.lower() for urn in listed}), len(listed), f"distinct URIs in {listed}")
    ensure(base in listed, f"the base schema {base} is missing in {listed}")
    ensure(set(listed) <= {base} | extensions, f"{set(listed) - extensions - {base}} does not belong to {endpoint}")
    for key in resource:
        ensure(not key.startswith("urn:") or key in listed, f"{key} has data but is not in schemas")


@requirement("7643-1.1-01")
def the_rest_is_optional(scim: Scim) -> None:
    """Only attributes marked as required must be sent: schemas and userName make a user, displayName a group."""
    user = again(scim, scim.create("/Users", {"schemas": [CORE_USER], "userName": rand("user")}))
    ensure(user["id"] and user["userName"], "the user lacks what the server guarantees")
    group = again(scim, scim.create("/Groups", {"schemas": [CORE_GROUP], "displayName": rand("group")}))
    ensure(group["id"] and group["displayName"], "the group lacks what the server guarantees")


@requirement("7643-2.1-01")
def names_ignore_case(scim: Scim) -> None:
    """Attribute names mean the same in any case: in bodies, PATCH paths, filters and query parameters."""
    name = rand("user")
    user = again(scim, scim.create("/Users", {"SCHEMAS": [CORE_USER], "USERNAME": name, "Name": {"GIVENname": "Ada"}, "TITLE": "Engineer"}))
    equal(user.get("userName"), name, "userName sent as USERNAME")
    equal((user.get("name") or {}).get("givenName"), "Ada", "name.givenName sent as Name.GIVENname")
    expect(scim.patch(user_path(user), {"op": "replace", "path": "NAME.GivenName", "value": "Ben"}), 200, 204)
    equal(again(scim, user)["name"]["givenName"], "Ben", "givenName after a PATCH of NAME.GivenName")
    ensure(selects(scim, "/Users", 'NAME.givenNAME eq "Ben"', user), "the filter on NAME.givenNAME misses the user")
    projected = scim.read(user_path(user), params={"attributes": "USERNAME"})
    equal(projected.get("userName"), name, "userName under attributes=USERNAME")
    ensure("title" not in projected, "attributes=USERNAME returns title as well")


@requirement("7643-2.1-02")
def resources_state_their_schemas(scim: Scim) -> None:
    """Every resource says by which schemas it is to be read, also when the client did not send any."""
    for endpoint, resource in (("/Users", scim.user()), ("/Groups", scim.group())):
        _well_formed(scim, endpoint, resource)
        _well_formed(scim, endpoint, again(scim, resource))
    # decision 22: a body without schemas is refused or read by its endpoint.
    response = scim.post("/Users", {"userName": rand("user")})
    if response.status_code == 201:
        _well_formed(scim, "/Users", again(scim, response.json()))
    else:
        expect_error(response, 400, "invalidSyntax", "invalidValue")


@requirement("7643-2.1-03")
def names_are_well_formed(scim: Scim) -> None:
    """Published attribute names begin with a letter and hold letters, digits, $, - and _ only; $ref is the one exception."""
    seen = 0
    for name, definition in definitions(scim):
        ensure(NAME.fullmatch(str(definition.get("name"))), f"{name} is not a valid attribute name")
        seen += 1
    ensure(seen > 20, f"only {seen} attributes are published")


@requirement("7643-2.2-01")
def default_characteristics(scim: Scim) -> None:
    """An attribute without special characteristics is an optional, repeatable, case-insensitive string, freely read and written."""
    definition = published(scim, CORE_USER, "nickName")
    for name, wanted in {
        "type": "string", "required": False, "caseExact": False, "mutability": "readWrite", "returned": "default", "uniqueness": "none"
    }.items():  # fmt: skip
        equal(trait(definition, name), wanted, f"{name} of nickName")
    ensure(not definition.get("canonicalValues"), "nickName has canonicalValues")
    nick = rand("Nick")
    user = stored(scim, nickName=nick)
    stored(scim, nickName=nick)
    ensure("nickName" not in again(scim, scim.user()), "a nickName appears where none was sent")
    ensure(selects(scim, "/Users", f"nickName eq {quoted(nick.upper())}", user), "nickName is compared with regard to case")
    expect(scim.patch(user_path(user), {"op": "replace", "path": "nickName", "value": "Ben"}), 200, 204)
    equal(again(scim, user).get("nickName"), "Ben", "nickName after a PATCH")


@requirement("7643-3-01")
def resources_name_their_type(scim: Scim) -> None:
    """meta.resourceType names the resource type, and that name is a published one."""
    names = {kind["name"] for kind in resource_types(scim)}
    for resource, wanted in ((scim.user(), "User"), (scim.group(), "Group")):
        equal(again(scim, resource)["meta"]["resourceType"], wanted, "meta.resourceType")
        ensure(wanted in names, f"no resource type is named {wanted}")


@requirement("7643-3-02")
def schemas_is_a_set_of_uris(scim: Scim) -> None:
    """`schemas` is a non-empty array of different URIs: the base schema and each extension that has data."""
    plain = again(scim, scim.user())
    equal(plain["schemas"], [CORE_USER], "schemas of a user without extension")
    extended = again(scim, scim.user(**{ENTERPRISE_USER: {"department": "Research"}}))
    equal(sorted(extended["schemas"]), sorted([CORE_USER, ENTERPRISE_USER]), "schemas of a user with the enterprise extension")


@requirement("7643-3-03")
def schemas_of_the_own_type_only(scim: Scim) -> None:
    """A resource's `schemas` never holds the schema of another resource type, even if the client sent it."""
    # decision 22: such a URI is refused, or ignored without a trace.
    for urn in (CORE_GROUP, "urn:example:scim:schemas:nowhere:1.0:User"):
        response = scim.post("/Users", scim.user_body() | {"schemas": [CORE_USER, urn], "members": [{"value": "x"}]})
        if response.status_code == 201:
            user = again(scim, response.json())
            _well_formed(scim, "/Users", user)
            ensure("members" not in user, "a user has taken over members")
        else:
            expect_error(response, 400, "invalidSyntax", "invalidValue")


@requirement("7643-3-04")
def schemas_without_duplicates(scim: Scim) -> None:
    """A URI that was sent twice in `schemas` is stored once or refused."""
    response = scim.post("/Users", scim.user_body() | {"schemas": [CORE_USER, CORE_USER]})
    if response.status_code == 201:
        equal(response.json()["schemas"], [CORE_USER], "schemas in the answer")
        equal(again(scim, response.json())["schemas"], [CORE_USER], "schemas afterwards")
    else:
        expect_error(response, 400, "invalidSyntax", "invalidValue")


@requirement("7643-3-05")
def order_of_schemas_means_nothing(scim: Scim) -> None:
    """A user is the same whether the extension's URI comes first or last in `schemas`."""
    seen = []
    for order in ([CORE_USER, ENTERPRISE_USER], [ENTERPRISE_USER, CORE_USER]):
        body = scim.user_body(title="Engineer", **{ENTERPRISE_USER: {"department": "Research"}}) | {"schemas": order}
        user = again(scim, scim.create("/Users", body))
        equal(user["meta"]["resourceType"], "User", "meta.resourceType")
        seen.append((sorted(user["schemas"]), user.get("title"), (user.get(ENTERPRISE_USER) or {}).get("department")))
    equal(seen[0], ([CORE_USER, ENTERPRISE_USER], "Engineer", "Research"), "user with the base schema first")
    equal(seen[1], seen[0], "user with the extension first")


@requirement("7643-3-06")
def common_attributes_everywhere(scim: Scim) -> None:
    """id, externalId and meta work on every resource although its own schema does not list them."""
    for endpoint, make in (("/Users", scim.user), ("/Groups", scim.group)):
        external = rand("ext")
        resource = again(scim, make(externalId=external))
        equal(resource.get("externalId"), external, f"externalId at {endpoint}")
        ensure(resource.get("id") and resource.get("meta"), f"no id or meta at {endpoint}")
        kind = resource["meta"]["resourceType"]
        filter_ = f"externalId eq {quoted(external)} and meta.resourceType eq {quoted(kind)} and meta.created pr"
        ensure(selects(scim, endpoint, filter_, resource), f"a filter on the common attributes misses the resource at {endpoint}")
        ensure(not selects(scim, endpoint, f"externalId eq {quoted(rand('ext'))}", resource), "any externalId matches")


@requirement("7643-3-07")
def extension_data_is_in_its_object(scim: Scim) -> None:
    """Core attributes are at the top, extension attributes inside the object named by the extension's URN."""
    user = again(scim, scim.user(title="Engineer", **{ENTERPRISE_USER: {"department": "Research"}}))
    equal((user.get("title"), user.get(ENTERPRISE_USER)), ("Engineer", {"department": "Research"}), "title and extension")
    ensure("department" not in user, "department is shown at the top")
    response = scim.post("/Users", scim.user_body(department="Research"))
    if response.status_code == 201:
        stray = again(scim, response.json())
        ensure("department" not in stray and not stray.get(ENTERPRISE_USER), "a top-level department was stored")
        ensure(not selects(scim, "/Users", f"{ENTERPRISE_USER}:department pr", stray), "a top-level department is found as the extension's")
    else:
        expect_error(response, 400, "invalidSyntax", "invalidValue")


@requirement("7643-3.2-01")
def resource_types_are_complete(scim: Scim) -> None:
    """Each published resource type has a name, published schemas, and an endpoint that lists resources of that type only."""
    urns = set(schemas(scim))
    kinds = resource_types(scim)
    ensure({"User", "Group"} <= {kind["name"] for kind in kinds}, "User and Group are not both published")
    equal(len({kind["name"] for kind in kinds}), len(kinds), "distinct names")
    for kind in kinds:
        for urn in [kind["schema"], *[item["schema"] for item in kind.get("schemaExtensions") or []]]:
            ensure(urn in urns, f"{kind['name']} uses {urn}, which /Schemas does not list")
        page = scim.read(endpoint_of(kind), params={"count": 5})
        equal(page.get("schemas"), [LIST_RESPONSE], f"schemas of the list at {kind['endpoint']}")
        for resource in page.get("Resources") or []:
            equal(resource["meta"]["resourceType"], kind["name"], f"resourceType in the list at {kind['endpoint']}")


@requirement("7643-3.3-01")
def base_schema_is_there(scim: Scim) -> None:
    """`schemas` always holds the base schema; a body that leaves it out or sends none is refused or completed."""
    for sent in ([ENTERPRISE_USER], []):
        for body, endpoint in ((scim.user_body(), "/Users"), ({"displayName": rand("group")}, "/Groups")):
            response = scim.post(endpoint, body | {"schemas": sent})
            if response.status_code == 201:
                _well_formed(scim, endpoint, again(scim, response.json()))
            else:
                expect_error(response, 400, "invalidSyntax", "invalidValue")


@requirement("7643-3.3-02")
def extension_urn_is_the_key(scim: Scim) -> None:
    """The extension's URN is the key of its data, in what is sent, in what is shown and in PATCH paths."""
    user = again(scim, scim.user(**{ENTERPRISE_USER: {"employeeNumber": "701984", "costCenter": "4130"}}))
    equal(user.get(ENTERPRISE_USER), {"employeeNumber": "701984", "costCenter": "4130"}, "the extension's object")
    expect(scim.patch(user_path(user), {"op": "replace", "path": f"{ENTERPRISE_USER}:costCenter", "value": "4131"}), 200, 204)
    equal(again(scim, user).get(ENTERPRISE_USER), {"employeeNumber": "701984", "costCenter": "4131"}, "the object after a PATCH")
    ensure(selects(scim, "/Users", f'{ENTERPRISE_USER}:employeeNumber eq "701984"', user), "the filter on employeeNumber misses the user")


@requirement("7643-6-06")
def required_extensions(scim: Scim) -> None:
    """A type whose extension is required refuses a resource without it, and every resource listed has it."""
    demanding = [
        (kind, item["schema"]) for kind in resource_types(scim) for item in kind.get("schemaExtensions") or [] if item.get("required")
    ]
    if not demanding:
        raise Skip("no published resource type requires an extension")
    for kind, urn in demanding:
        endpoint = endpoint_of(kind)
        for resource in scim.read(endpoint, params={"count": 20}).get("Resources") or []:
            ensure(urn in resource["schemas"], f"{resource['id']} at {endpoint} lacks {urn}")
        bare = {"userName": rand("user"), "displayName": rand("group"), "schemas": [kind["schema"]]}
        expect_error(scim.post(endpoint, bare), 400, "invalidValue", "invalidSyntax")


@requirement("7643-6-07")
def optional_extensions(scim: Scim) -> None:
    """A type whose extension is not required takes resources without it and does not invent it."""
    extensions = {
        item["schema"]: item.get("required") for kind in resource_types(scim) if kind["name"] == "User"
        for item in kind.get("schemaExtensions") or []
    }  # fmt: skip
    ensure(all(type(required) is bool for required in extensions.values()), f"required is not a boolean in {extensions}")
    user = scim.user()
    shown = again(scim, user)
    for urn, required in extensions.items():
        ensure(required or (urn not in shown and urn not in shown["schemas"]), f"{urn} appears on a user that never had it")
    expect(scim.patch(user_path(user), {"op": "add", "path": f"{ENTERPRISE_USER}:division", "value": "Labs"}), 200, 204)
    equal(again(scim, user).get(ENTERPRISE_USER), {"division": "Labs"}, "extension added later")
