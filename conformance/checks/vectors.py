"""Requests that broke at least one other server, kept as regression tests under their numbers (8 to 11 are about bulk and live with it)."""

from __future__ import annotations

from conformance.checks.races import at_once
from conformance.client import (
    CORE_USER,
    ENTERPRISE_USER,
    PATCH_OP,
    SCIM_JSON,
    SEARCH_REQUEST,
    Json,
    Scim,
    ensure,
    equal,
    expect,
    expect_error,
    rand,
)
from conformance.exchanges import replay
from conformance.registry import case

SECTION = "Vectors"
TAGS = {"vectors"}


def member_ids(scim: Scim, group: Json) -> list[str]:
    """The values of the group's members as read now, sorted."""
    return sorted(item["value"] for item in scim.read(f"/Groups/{group['id']}").get("members") or [])


@case("vector-01", section=SECTION, tags=TAGS)
def no_pattern(scim: Scim) -> None:
    """A filter's text is a text and no pattern: ".*", "%" and "_" match only themselves."""
    user, literal = scim.user(), scim.user(userName=f"{rand('a')}%_.*")
    for pattern in (".*", "%", "_" * len(user["userName"]), f"{user['userName'][:-1]}_"):
        equal(scim.matches("/Users", f'userName eq "{pattern}"', [user, literal]), set(), f'users found by eq "{pattern}"')
    equal(scim.matches("/Users", 'userName co "%_.*"', [user, literal]), {literal["id"]}, "users found by co")


@case("vector-02", section=SECTION, tags=TAGS)
def no_oracle(scim: Scim) -> None:
    """No filter tells whether a password is right: every one that names it is refused."""
    secret = f"Lantern-{rand()}"
    user = scim.user(password=secret)
    for filter_ in (
        f'password eq "{secret}"',
        'password eq "wrong"',
        'password sw "L"',
        "password pr",
        "not (password pr)",
        f'id eq "{user["id"]}" and password eq "{secret}"',
        f'{CORE_USER}:password eq "{secret}"',
    ):
        expect_error(scim.get("/Users", params={"filter": filter_}), 400, "invalidFilter")
        expect_error(scim.post("/Users/.search", {"schemas": [SEARCH_REQUEST], "filter": filter_}), 400, "invalidFilter")


@case("vector-03", section=SECTION, tags=TAGS)
def patch_has_effect(scim: Scim) -> None:
    """A replace of a nested attribute changes it and leaves its neighbours."""
    user = scim.user(name={"givenName": "Ada", "familyName": "Elm"})
    expect(scim.patch(f"/Users/{user['id']}", {"op": "replace", "path": "name.familyName", "value": "Aster"}), 200, 204)
    equal(scim.read(f"/Users/{user['id']}")["name"], {"givenName": "Ada", "familyName": "Aster"}, "name")


@case("vector-04", section=SECTION, tags=TAGS)
def add_appends(scim: Scim) -> None:
    """Adding an array to a list that has values appends."""
    old, new = {"value": "ada@example.com", "type": "work"}, {"value": "ada@home.example.com", "type": "home"}
    user = scim.user(emails=[old])
    expect(scim.patch(f"/Users/{user['id']}", {"op": "add", "path": "emails", "value": [new]}), 200, 204)
    equal(scim.read(f"/Users/{user['id']}")["emails"], [old, new], "emails")


@case("vector-05", section=SECTION, tags=TAGS)
def add_object_to_list(scim: Scim) -> None:
    """Adding an object instead of an array to a list appends that one value."""
    old, new = {"value": "ada@example.com", "type": "work"}, {"value": "ada@home.example.com", "type": "home"}
    user = scim.user(emails=[old])
    expect(scim.patch(f"/Users/{user['id']}", {"op": "add", "path": "emails", "value": new}), 200, 204)
    equal(scim.read(f"/Users/{user['id']}")["emails"], [old, new], "emails")


def unchanged(scim: Scim, user: Json) -> None:
    """Fail unless the user is as it was, version included."""
    equal(scim.read(f"/Users/{user['id']}"), user, "the user after a refused request")


@case("vector-06", section=SECTION, tags=TAGS)
def all_or_nothing(scim: Scim) -> None:
    """When the second operation is invalid, the first is not applied either."""
    user = scim.user(title="Botanist")
    good = {"op": "replace", "path": "title", "value": "Gardener"}
    expect_error(scim.patch(f"/Users/{user['id']}", good, {"op": "replace", "path": "noSuchThing", "value": "x"}), 400, "invalidPath")
    unchanged(scim, user)
    expect_error(scim.patch(f"/Users/{user['id']}", good, {"op": "replace", "path": "active", "value": "maybe"}), 400, "invalidValue")
    unchanged(scim, user)


@case("vector-07", section=SECTION, tags=TAGS)
def bad_operations(scim: Scim) -> None:
    """Five wrong operations are refused, each with its own scimType and without effect."""
    user = scim.user(title="Botanist")
    for operation, scim_type in (
        ({"op": "bogus", "path": "title", "value": "x"}, "invalidSyntax"),
        ({"op": "replace", "path": 'emails[type eq "work"', "value": "x"}, "invalidPath"),
        ({"op": "replace", "path": "nope", "value": "x"}, "invalidPath"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "replace", "path": "id", "value": "x"}, "mutability"),
    ):
        expect_error(scim.patch(f"/Users/{user['id']}", operation), 400, scim_type)
        unchanged(scim, user)


@case("vector-12", section=SECTION, tags=TAGS)
def stale_delete(scim: Scim) -> None:
    """A DELETE with a stale If-Match is 412 and deletes nothing; with the present one it deletes."""
    scim.feature("etag")
    user = scim.user()
    path = f"/Users/{user['id']}"
    stale = scim.get(path).headers["ETag"]
    expect(scim.patch(path, {"op": "add", "path": "title", "value": "Botanist"}), 200, 204)
    expect_error(scim.delete(path, headers={"If-Match": stale}), 412)
    fresh = expect(scim.get(path), 200).headers["ETag"]
    ensure(fresh != stale, "the ETag did not change with the resource")
    expect(scim.delete(path, headers={"If-Match": fresh}), 204)
    expect_error(scim.get(path), 404)


@case("vector-13", section=SECTION, tags=TAGS)
def deep_page(scim: Scim) -> None:
    """The last page of a list is right, and a page beyond it is empty with the same total."""
    prefix, size = rand("deep"), 45
    for number in range(size):
        scim.user(userName=f"{prefix}-{number:02}")
    filter_ = f'userName sw "{prefix}"'
    names: list[str] = []
    for start in range(1, size + 1, 10):
        page = scim.find("/Users", filter_, startIndex=start, count=10, sortBy="userName")
        equal(page["totalResults"], size, "totalResults")
        names += [item["userName"] for item in page["Resources"]]
    equal(names, [f"{prefix}-{number:02}" for number in range(size)], "names over all pages")
    beyond = scim.find("/Users", filter_, startIndex=size + 1, count=10)
    equal((beyond["totalResults"], beyond.get("Resources") or []), (size, []), "the page after the last")
    far = scim.read("/Users", params={"startIndex": 2_000_000_000, "count": 100})
    ensure(far["totalResults"] >= size and not far.get("Resources"), "a page far beyond the end is not empty")


@case("vector-14", section=SECTION, tags=TAGS)
def missing_attribute(scim: Scim) -> None:
    """A resource without the filtered attribute does not match and does not stop the search."""
    with_title, without = scim.user(title=rand("title")), scim.user()
    for filter_ in (
        f'title eq "{with_title["title"]}"',
        f'title co "{with_title["title"][1:]}"',
        f'emails.value eq "x" or title eq "{with_title["title"]}"',
    ):
        equal(scim.matches("/Users", filter_, [with_title, without]), {with_title["id"]}, f"users found by {filter_}")


@case("vector-15", section=SECTION, tags=TAGS)
def same_element(scim: Scim) -> None:
    """Both terms of a value path have to hold for the same element."""
    work, home = f"{rand()}@example.com", f"{rand()}@example.com"
    user = scim.user(emails=[{"type": "work", "value": work}, {"type": "home", "value": home}])
    for kind, value, found in (("home", work, False), ("work", home, False), ("work", work, True)):
        filter_ = f'emails[type eq "{kind}" and value eq "{value}"]'
        equal(scim.matches("/Users", filter_, [user]), {user["id"]} if found else set(), f"users found by {filter_}")


@case("vector-16", section=SECTION, tags=TAGS)
def precedence(scim: Scim) -> None:
    """And binds stronger than or, not negates what its parentheses hold, and parentheses nest."""
    mark = rand("p")
    one, two, three = (scim.user(userName=f"{mark}-{number}", title=title) for number, title in ((1, "X"), (2, "Y"), (3, "Z")))
    ours = f'userName sw "{mark}"'
    first, second = f'userName eq "{mark}-1"', f'userName eq "{mark}-2"'
    for filter_, wanted in (
        (f'{first} or {second} and title eq "Z"', [one]),
        (f'title eq "Z" and {first} or {second}', [two]),
        (f'({first} or {second}) and title eq "Y"', [two]),
        (f"{ours} and not ({first} or {second})", [three]),
        (f"{ours} and not (nickName pr)", [one, two, three]),
        (f"{ours} and not (title pr)", []),
        (f'((({ours}) and ((title eq "X") or ((title eq "Z")))))', [one, three]),
    ):
        found = scim.matches("/Users", filter_, [one, two, three])
        equal(found, {user["id"] for user in wanted}, f"users found by {filter_}")


@case("vector-17", section=SECTION, tags=TAGS)
def qualified_names(scim: Scim) -> None:
    """Attributes are found under their schema's URN, core and extension, whatever its case."""
    manager = scim.user()
    user = scim.user(**{ENTERPRISE_USER: {"manager": {"value": manager["id"]}, "department": rand("dep")}})
    other = scim.user()
    department = user[ENTERPRISE_USER]["department"]
    for filter_ in (
        f'{CORE_USER}:userName eq "{user["userName"]}"',
        f'{CORE_USER.upper()}:userName eq "{user["userName"]}"',
        f'{ENTERPRISE_USER}:manager.value eq "{manager["id"]}"',
        f'{ENTERPRISE_USER}:department eq "{department}"',
    ):
        equal(scim.matches("/Users", filter_, [user, other, manager]), {user["id"]}, f"users found by {filter_}")


@case("vector-18", section=SECTION, tags=TAGS)
def case_of_user_name(scim: Scim) -> None:
    """A second userName that differs only in case is 409, on POST, PUT and PATCH."""
    name = rand("case")
    scim.user(userName=name)
    other = scim.user()
    path = f"/Users/{other['id']}"
    expect_error(scim.post("/Users", scim.user_body(userName=name.upper())), 409, "uniqueness")
    expect_error(scim.put(path, other | {"userName": name.upper()}), 409, "uniqueness")
    expect_error(scim.patch(path, {"op": "replace", "path": "userName", "value": name.title()}), 409, "uniqueness")
    equal(scim.read(path)["userName"], other["userName"], "userName of the other user")


@case("vector-19", section=SECTION, tags=TAGS)
def same_patch_twice(scim: Scim) -> None:
    """A PATCH that changes nothing keeps version, ETag and lastModified."""
    user = scim.user()
    path = f"/Users/{user['id']}"
    operations = (
        {"op": "replace", "path": "title", "value": "Botanist"},
        {"op": "add", "path": "emails", "value": [{"value": "ada@example.com", "type": "work"}]},
    )
    expect(scim.patch(path, *operations), 200, 204)
    before = scim.get(path)
    expect(scim.patch(path, *operations), 200, 204)
    after = scim.get(path)
    equal(after.json(), before.json(), "the user after the same PATCH again")
    equal(after.headers.get("ETag"), before.headers.get("ETag"), "ETag")


@case("vector-20", section=SECTION, tags=TAGS)
def references(scim: Scim) -> None:
    """A deleted user leaves the group at once, an unknown member and the group itself are refused, and a longer cycle is harmless."""
    gone, stays = scim.user(), scim.user()
    group, other = scim.group(gone["id"], stays["id"]), scim.group()
    path = f"/Groups/{group['id']}"
    expect(scim.delete(f"/Users/{gone['id']}"), 204)
    equal(member_ids(scim, group), [stays["id"]], "members after one was deleted")
    ghost = rand("ghost")
    for ids in ([ghost], [group["id"]], [other["id"], ghost]):
        refused = scim.patch(path, {"op": "add", "path": "members", "value": [{"value": id_} for id_ in ids]})
        expect_error(refused, 400, "invalidValue")
    equal(member_ids(scim, group), [stays["id"]], "members after refused additions")
    for container, inner in ((group, other), (other, group)):
        added = scim.patch(f"/Groups/{container['id']}", {"op": "add", "path": "members", "value": [{"value": inner["id"]}]})
        expect(added, 200, 204)
    equal(member_ids(scim, group), sorted([stays["id"], other["id"]]), "members within a cycle")
    ensure(scim.read(f"/Users/{stays['id']}")["groups"], "the user in a cycle of groups has no groups")


@case("vector-21", section=SECTION, tags=TAGS)
def entra_spellings(scim: Scim) -> None:
    """Entra's boolean as text, manager as a bare id and manager as an empty text are understood."""
    replay(scim, "entra-boolean-as-string")
    replay(scim, "entra-manager-as-string")
    replay(scim, "entra-manager-empty-string")


@case("vector-22", section=SECTION, tags=TAGS)
def put_what_was_read(scim: Scim) -> None:
    """A PUT of the body that was read, with id, meta and groups, is accepted and changes nothing."""
    user = scim.user(
        name={"givenName": "Ada"}, emails=[{"value": "ada@example.com", "primary": True}], **{ENTERPRISE_USER: {"department": "Gardens"}}
    )
    group = scim.group(user["id"])
    for path in (f"/Users/{user['id']}", f"/Groups/{group['id']}"):
        before = scim.read(path)
        expect(scim.put(path, before), 200)
        equal(scim.read(path), before, f"{path.split('/')[1]} after a PUT of what was read")


@case("vector-23", section=SECTION, tags=TAGS)
def put_clears(scim: Scim) -> None:
    """A PUT without displayName clears it."""
    user = scim.user(displayName="Ada Aster", title="Botanist")
    body = {"schemas": [CORE_USER], "userName": user["userName"], "title": "Botanist"}
    expect(scim.put(f"/Users/{user['id']}", body), 200)
    found = scim.read(f"/Users/{user['id']}")
    ensure("displayName" not in found, f"displayName is still {found.get('displayName')!r}")
    equal(found["title"], "Botanist", "title")


@case("vector-24", section=SECTION, tags=TAGS)
def wrong_requests(scim: Scim) -> None:
    """JSON that is none, plain text, and a PUT of the collection are 400, 415 and 405 with Allow, and create nothing."""
    name = rand("wrong")
    expect_error(scim.post("/Users", content=b'{"userName": "' + name.encode()), 400, "invalidSyntax")
    body = b'{"schemas": ["' + CORE_USER.encode() + b'"], "userName": "' + name.encode() + b'"}'
    expect_error(scim.post("/Users", content=body, headers={"Content-Type": "text/plain"}), 415)
    response = scim.put("/Users", content=body, headers={"Content-Type": SCIM_JSON})
    expect_error(response, 405)
    ensure({"GET", "POST"} <= {method.strip() for method in response.headers.get("Allow", "").split(",")}, "Allow lacks GET and POST")
    equal(scim.find("/Users", f'userName eq "{name}"')["totalResults"], 0, "users created by wrong requests")


@case("vector-25", section=SECTION, tags=TAGS)
def huge_filters(scim: Scim) -> None:
    """A filter that is far too deep or too long is refused, and the server goes on answering; moderate ones work."""
    user = scim.user()
    term = f'userName eq "{user["userName"]}"'
    fits = "(" * 20 + term + ")" * 20
    equal(scim.matches("/Users", fits, [user]), {user["id"]}, "users found through 20 parentheses")
    long = " or ".join([*(f'title eq "{number}"' for number in range(100)), term])
    equal(scim.matches("/Users", f"({long}) and {term}", [user]), {user["id"]}, "users found by 100 alternatives")
    for filter_, statuses in (
        ("(" * 400 + "userName pr" + ")" * 400, (400,)),
        ("(" * 5000 + "userName pr" + ")" * 5000, (400, 413)),
        ("not (" * 400 + "userName pr" + ")" * 400, (400,)),
        (" or ".join(["title pr"] * 800), (400,)),
        (" or ".join(f'id eq "{number}"' for number in range(20_000)), (400, 413)),
    ):
        response = scim.post("/Users/.search", {"schemas": [SEARCH_REQUEST], "filter": filter_})
        expect_error(expect(response, *statuses), response.status_code)
        equal(scim.read(f"/Users/{user['id']}")["id"], user["id"], "the user read after a huge filter")


@case("vector-26", section=SECTION, tags=TAGS)
def excluded_members(scim: Scim) -> None:
    """Excluded members are absent from the group read alone, listed and searched, and still there afterwards."""
    users = [scim.user()["id"] for _ in range(12)]
    group = scim.group(*users)
    filter_ = f'displayName eq "{group["displayName"]}"'
    search = {"schemas": [SEARCH_REQUEST], "filter": filter_, "excludedAttributes": ["members"]}
    for found in (
        scim.read(f"/Groups/{group['id']}", params={"excludedAttributes": "members"}),
        scim.find("/Groups", filter_, excludedAttributes="members")["Resources"][0],
        expect(scim.post("/Groups/.search", search), 200).json()["Resources"][0],
    ):
        equal((found["id"], found["displayName"]), (group["id"], group["displayName"]), "id and displayName")
        ensure("members" not in found, "members is there although it was excluded")
    equal(member_ids(scim, group), sorted(users), "members")


@case("vector-27", section=SECTION, tags=TAGS | {"races"})
def members_at_once(scim: Scim) -> None:
    """Members added at the same time by different requests all stay, and none of the requests is refused."""
    for size in (2, 20):
        users = [scim.user()["id"] for _ in range(size)]
        group = scim.group()
        path = f"/Groups/{group['id']}"

        def add(number: int, path: str = path, users: list[str] = users) -> int:
            body = {"schemas": [PATCH_OP], "Operations": [{"op": "add", "path": "members", "value": [{"value": users[number]}]}]}
            return scim.request("PATCH", path, body).status_code

        statuses = at_once(size, add)
        ensure(set(statuses) <= {200, 204}, f"statuses of {size} additions at once: {sorted(set(statuses))}")
        equal(member_ids(scim, group), sorted(users), f"members after {size} additions at once")
