"""Which attributes come back (RFC 7643 §7 "returned", RFC 7644 §3.4.2.5 and §3.9): attributes and excludedAttributes."""

from __future__ import annotations

from conformance.checks.filter_operators import sample
from conformance.checks.filter_values import attribute_value, writable_attribute
from conformance.client import ENTERPRISE_USER, SEARCH_REQUEST, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import requirement

ALWAYS = ["id", "schemas"]


def rich(scim: Scim, **attributes: Json) -> Json:
    """A user with simple, complex, multi-valued and extension attributes."""
    defaults: dict[str, Json] = {
        "title": "Countess",
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "emails": [{"value": f"{rand()}@example.com", "type": "work", "primary": True}],
        ENTERPRISE_USER: {"department": "Engines", "costCenter": "7"},
    }
    return scim.user(**(defaults | attributes))


def keys(body: Json, wanted: list[str], what: str) -> None:
    """Fail unless the resource has exactly these attributes."""
    equal(sorted(body), sorted(wanted), f"attributes of {what}")


def holds(body: Json, present: list[str], absent: list[str], what: str) -> None:
    """Fail unless all of `present` and none of `absent` are attributes of the resource."""
    equal([name for name in present if name not in body], [], f"attributes missing in {what}")
    equal([name for name in absent if name in body], [], f"attributes that should not be in {what}")


def answers(scim: Scim, params: dict[str, str | int]) -> dict[str, Json]:
    """The same kind of user as answered by every operation that returns one, each with these query parameters.

    A search takes its parameters from the body, so they are put there as arrays.
    """
    user = rich(scim)
    path, one = f"/Users/{user['id']}", f'userName eq "{user["userName"]}"'
    search = {"schemas": [SEARCH_REQUEST], "filter": one} | {name: str(value).split(",") for name, value in params.items()}
    new = scim.user_body(**{name: value for name, value in user.items() if name not in ("schemas", "id", "meta", "userName")})
    return {
        "POST": expect(scim.post("/Users", new, params=params), 201).json(),
        "GET": scim.read(path, params=params),
        "list": scim.find("/Users", one, **params)["Resources"][0],
        "search": expect(scim.post("/Users/.search", search), 200).json()["Resources"][0],
        "PATCH": expect(scim.patch(path, {"op": "replace", "path": "nickName", "value": "x"}, params=params), 200).json(),
        "PUT": expect(scim.put(path, new | {"userName": user["userName"]}, params=params), 200).json(),
    }


@requirement("7643-7-14")
def always_returned(scim: Scim) -> None:
    """Attributes that are always returned come back whatever the request names or excludes."""
    for params in ({"attributes": "title"}, {"excludedAttributes": "id"}, {"excludedAttributes": "id,schemas"}):
        for operation, body in answers(scim, dict(params)).items():
            holds(body, ALWAYS, [], f"{operation} with {params}")


@requirement("7643-7-15")
def never_returned(scim: Scim) -> None:
    """The password is in no answer, not even when it is named."""
    password = f"Pw-{rand()}-9"
    body = scim.user_body(password=password)
    created = expect(scim.post("/Users", body, params={"attributes": "password,userName"}), 201)
    path, one = f"/Users/{created.json()['id']}", f'userName eq "{body["userName"]}"'
    search = {"schemas": [SEARCH_REQUEST], "filter": one, "attributes": ["password", "userName"]}
    replies = [
        created,
        expect(scim.get(path), 200),
        expect(scim.get(path, params={"attributes": "password,userName"}), 200),
        expect(scim.get(path, params={"excludedAttributes": "title"}), 200),
        expect(scim.get("/Users", params={"filter": one, "attributes": "password,userName"}), 200),
        expect(scim.post("/Users/.search", search), 200),
        expect(scim.patch(path, {"op": "replace", "path": "password", "value": password}, params={"attributes": "password,userName"}), 200),
        expect(scim.put(path, body, params={"attributes": "password,userName"}), 200),
    ]
    for response in replies:
        what = f"{response.request.method} {response.request.url.path}"
        ensure(body["userName"] in response.text, f"{what} does not show the user")
        ensure('"password"' not in response.text and password not in response.text, f"{what} shows the password")


@requirement("7643-7-16")
def default_returned(scim: Scim) -> None:
    """Attributes returned by default are there unless the request names others."""
    user = rich(scim)
    holds(scim.read(f"/Users/{user['id']}"), ["userName", "title", "name", "emails", "meta"], [], "a plain GET")
    keys(scim.read(f"/Users/{user['id']}", params={"attributes": "userName"}), [*ALWAYS, "userName"], "attributes=userName")


@requirement("7643-7-17")
def returned_on_request(scim: Scim) -> None:
    """An attribute returned on request is in the answer to the write that sent it, and in queries that name it."""
    uri, name = writable_attribute(scim, {"string"}, returned="request")
    part = attribute_value(scim, uri, name, "asked")

    def shown(body: Json) -> Json:
        return (body if name in part else body.get(uri) or {}).get(name)

    user = scim.user(**part)
    path = f"/Users/{user['id']}"
    equal(shown(user), "asked", "value in the answer to POST")
    equal(shown(scim.read(path)), None, "value in a plain GET")
    equal(shown(scim.read(path, params={"attributes": f"{uri}:{name}"})), "asked", "value when named")
    other = expect(scim.patch(path, {"op": "replace", "path": "title", "value": "x"}), 200, 204)
    if other.status_code == 200:
        equal(shown(other.json()), None, "value in the answer to a PATCH of another attribute")


@requirement("7644-3.3-09")
def projection_of_create(scim: Scim) -> None:
    """attributes and excludedAttributes shape the answer to a create, not what is stored."""
    named = expect(scim.post("/Users", scim.user_body(title="x"), params={"attributes": "userName"}), 201).json()
    keys(named, [*ALWAYS, "userName"], "POST with attributes=userName")
    equal(scim.read(f"/Users/{named['id']}").get("title"), "x", "title as stored")
    reduced = expect(scim.post("/Users", scim.user_body(title="x"), params={"excludedAttributes": "title"}), 201).json()
    holds(reduced, [*ALWAYS, "userName", "meta"], ["title"], "POST with excludedAttributes=title")
    equal(scim.read(f"/Users/{reduced['id']}").get("title"), "x", "title as stored")


@requirement("7644-3.4-01")
def default_set(scim: Scim) -> None:
    """Without parameters every assigned attribute comes back unless it is returned on request or never."""
    user = rich(scim, password=f"Pw-{rand()}-9", nickName="Enchantress", active=False)
    for body in (scim.read(f"/Users/{user['id']}"), scim.find("/Users", f'userName eq "{user["userName"]}"')["Resources"][0]):
        holds(body, [*ALWAYS, "meta", "userName", "name", "emails"], ["password"], "the user")
        equal(body.get("title"), "Countess", "title")
        equal(body.get("nickName"), "Enchantress", "nickName")
        equal(body.get("active"), False, "active")
        equal(body["name"].get("familyName"), "Lovelace", "name.familyName")
        equal(body.get(ENTERPRISE_USER), {"department": "Engines", "costCenter": "7"}, "enterprise extension")


@requirement("7644-3.4.2.5-01")
def projection_of_lists(scim: Scim) -> None:
    """Lists honour attributes and excludedAttributes for each resource."""
    users = sample(scim, a={"title": "x", "displayName": "A"}, b={"title": "y", "displayName": "B"})
    named = users.listing(attributes="userName")
    equal(sorted(users.names(named)), ["a", "b"], "users listed")
    for resource in named["Resources"]:
        keys(resource, [*ALWAYS, "userName"], "attributes=userName")
    reduced = users.listing(excludedAttributes="title")
    equal(sorted(users.names(reduced)), ["a", "b"], "users listed")
    for resource in reduced["Resources"]:
        holds(resource, [*ALWAYS, "userName", "displayName", "meta"], ["title"], "excludedAttributes=title")


@requirement("7644-3.4.2.5-02")
def attributes_replace_the_default_set(scim: Scim) -> None:
    """attributes is a comma-separated list of names, also dotted and with a schema's URI, in any mix of cases."""
    user = rich(scim)
    wanted = [*ALWAYS, "userName", "name", ENTERPRISE_USER]
    for names in (
        f"userName,name.givenName,{ENTERPRISE_USER}:department",
        f"USERNAME, Name.GIVENNAME ,{ENTERPRISE_USER.upper()}:Department",
        f"urn:ietf:params:scim:schemas:core:2.0:User:userName,name.givenName,{ENTERPRISE_USER}:department",
    ):
        body = scim.find("/Users", f'userName eq "{user["userName"]}"', attributes=names)["Resources"][0]
        keys(body, wanted, f"attributes={names}")
        equal(body["name"], {"givenName": "Ada"}, "name")
        equal(body[ENTERPRISE_USER], {"department": "Engines"}, "enterprise extension")
        equal(body["userName"], user["userName"], "userName")


@requirement("7644-3.4.2.5-03")
def always_survives_exclusion(scim: Scim) -> None:
    """excludedAttributes takes away what it names except attributes that are always returned."""
    user = rich(scim)
    for body in (
        scim.read(f"/Users/{user['id']}", params={"excludedAttributes": "id,userName"}),
        scim.find("/Users", f'userName eq "{user["userName"]}"', excludedAttributes="id,userName")["Resources"][0],
    ):
        holds(body, [*ALWAYS, "title", "name"], ["userName"], "excludedAttributes=id,userName")
        equal(body["id"], user["id"], "id")


@requirement("7644-3.4.2.5-04")
def unknown_names_are_ignored(scim: Scim) -> None:
    """Names that no schema has select nothing and exclude nothing; they are no error."""
    user = rich(scim)
    path = f"/Users/{user['id']}"
    keys(scim.read(path, params={"attributes": "nosuch"}), ALWAYS, "attributes=nosuch")
    keys(scim.read(path, params={"attributes": "nosuch,title,name.nosuch"}), [*ALWAYS, "title"], "attributes=nosuch,title,name.nosuch")
    equal(scim.read(path, params={"excludedAttributes": "nosuch"}), scim.read(path), "excludedAttributes=nosuch against a plain GET")


@requirement("7644-3.4.2.5-05")
def groups_without_members(scim: Scim) -> None:
    """excludedAttributes=members leaves the members out of a group and of a list of groups."""
    user = scim.user()
    group = scim.group(user["id"])
    one = f'displayName eq "{group["displayName"]}"'
    for body in (
        scim.read(f"/Groups/{group['id']}", params={"excludedAttributes": "members"}),
        scim.find("/Groups", one, excludedAttributes="members")["Resources"][0],
    ):
        holds(body, [*ALWAYS, "displayName", "meta"], ["members"], "excludedAttributes=members")
    plain = scim.read(f"/Groups/{group['id']}")
    equal([member["value"] for member in plain.get("members") or []], [user["id"]], "members in a plain GET")


@requirement("7644-3.5.1-14")
def projection_of_put(scim: Scim) -> None:
    """attributes and excludedAttributes shape the answer to a PUT, not what is stored."""
    user = scim.user(title="old")
    path = f"/Users/{user['id']}"
    body = scim.user_body(userName=user["userName"], title="new", displayName="Ada")
    named = expect(scim.put(path, body, params={"attributes": "userName"}), 200).json()
    keys(named, [*ALWAYS, "userName"], "PUT with attributes=userName")
    equal(scim.read(path).get("title"), "new", "title as stored")
    reduced = expect(scim.put(path, body | {"title": "newer"}, params={"excludedAttributes": "title"}), 200).json()
    holds(reduced, [*ALWAYS, "userName", "displayName"], ["title"], "PUT with excludedAttributes=title")
    equal(scim.read(path).get("title"), "newer", "title as stored")


@requirement("7644-3.9-01")
def every_operation_projects(scim: Scim) -> None:
    """Every operation that answers with a resource honours attributes and excludedAttributes."""
    for operation, body in answers(scim, {"attributes": "userName"}).items():
        keys(body, [*ALWAYS, "userName"], f"{operation} with attributes=userName")
    for operation, body in answers(scim, {"excludedAttributes": "title,emails"}).items():
        holds(body, [*ALWAYS, "userName", "name", "meta"], ["title", "emails"], f"{operation} with excludedAttributes=title,emails")


@requirement("7644-3.9-02")
def not_both_parameters(scim: Scim) -> None:
    """attributes and excludedAttributes in one request are refused, and the request has no effect."""
    both: dict[str, str | int] = {"attributes": "userName", "excludedAttributes": "title"}
    user = scim.user(title="old")
    path = f"/Users/{user['id']}"
    new = scim.user_body()
    search = {"schemas": [SEARCH_REQUEST], "attributes": ["userName"], "excludedAttributes": ["title"]}
    for response in (
        scim.get(path, params=both),
        scim.get("/Users", params=both),
        scim.post("/Users/.search", search),
        scim.post("/Users", new, params=both),
        scim.patch(path, {"op": "replace", "path": "title", "value": "new"}, params=both),
    ):
        expect_error(response, 400, "invalidValue")  # decision 46
    equal(scim.find("/Users", f'userName eq "{new["userName"]}"')["totalResults"], 0, "users made by the refused POST")
    equal(scim.read(path).get("title"), "old", "title after the refused PATCH")


@requirement("7644-3.9-03")
def attributes_name_parts(scim: Scim) -> None:
    """attributes returns the minimum set and the named attributes or sub-attributes, nothing beside them."""
    user = rich(scim)
    body = scim.read(f"/Users/{user['id']}", params={"attributes": "name.givenName,emails.value"})
    keys(body, [*ALWAYS, "name", "emails"], "attributes=name.givenName,emails.value")
    equal(body["name"], {"givenName": "Ada"}, "name")
    equal(body["emails"], [{"value": user["emails"][0]["value"]}], "emails")
    meta = scim.read(f"/Users/{user['id']}", params={"attributes": "meta.resourceType"})
    equal(meta.get("meta"), {"resourceType": "User"}, "meta with attributes=meta.resourceType")  # decision 48


@requirement("7644-3.9-04")
def exclusions_name_parts(scim: Scim) -> None:
    """excludedAttributes returns the default set without the named attributes or sub-attributes."""
    user = rich(scim)
    names = f"name.givenName,emails.type,{ENTERPRISE_USER}:department"
    body = scim.read(f"/Users/{user['id']}", params={"excludedAttributes": names})
    equal(sorted(body), sorted(scim.read(f"/Users/{user['id']}")), "attributes with parts excluded against a plain GET")
    holds(body["name"], ["familyName"], ["givenName"], "name")
    holds(body["emails"][0], ["value"], ["type"], "emails")
    equal(body[ENTERPRISE_USER], {"costCenter": "7"}, "enterprise extension")


@requirement("7644-3.9-05")
def whole_extension(scim: Scim) -> None:
    """An extension's URI as a name stands for the whole extension."""
    user = rich(scim)
    path = f"/Users/{user['id']}"
    named = scim.read(path, params={"attributes": ENTERPRISE_USER})
    keys(named, [*ALWAYS, ENTERPRISE_USER], "attributes with an extension's URI")
    equal(named[ENTERPRISE_USER], {"department": "Engines", "costCenter": "7"}, "enterprise extension")
    holds(scim.read(path, params={"excludedAttributes": ENTERPRISE_USER}), ["title"], [ENTERPRISE_USER], "excludedAttributes with it")
