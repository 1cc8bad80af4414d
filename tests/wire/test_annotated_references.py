"""Several references of which more is said than the server knows, such as a role: of any type, in cores and extensions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.support import PUBLIC, Client, Server, assert_error

_CORE = "urn:example:params:scim:schemas:core:2.0:Project"
_EXTRA = "urn:example:params:scim:schemas:extension:extra:2.0:Project"
_VALUE = {"name": "value", "caseExact": True}


def _staff(name: str, *types: str, **characteristics: Any) -> dict[str, Any]:
    """An attribute whose elements name a resource and say what part it has."""
    parts = [
        _VALUE,
        {"name": "$ref", "type": "reference", "referenceTypes": [*types]},
        {"name": "type", "mutability": "readOnly"},
        {"name": "role", "required": False},
        {"name": "since", "type": "dateTime"},
        {"name": "primary", "type": "boolean"},
    ]
    return {"name": name, "type": "complex", "multiValued": True, "subAttributes": parts} | characteristics


def _ref(name: str, type_: str, **characteristics: Any) -> dict[str, Any]:
    parts = [_VALUE, {"name": "$ref", "type": "reference", "referenceTypes": [type_]}, {"name": "display"}]
    return {"name": name, "type": "complex", "subAttributes": parts} | characteristics


@pytest.fixture
async def projects(server: Server) -> Client:
    """A tenant with a type Project, which has staff, parents of its own type, a sponsor, and reviewers in an extension."""
    client = await server.tenant()
    await define_projects(server, client)
    return client


async def define_projects(server: Server, client: Client) -> None:
    """Give the tenant the type Project."""
    core = [
        {"name": "title"},
        _staff("staff", "User", "Group"),
        _staff("parts", "Project"),
        _ref("sponsor", "User"),
        {
            "name": "within",
            "type": "complex",
            "multiValued": True,
            "mutability": "readOnly",
            "subAttributes": [_VALUE, {"name": "$ref", "type": "reference", "referenceTypes": ["Project"]}],
        },
    ]
    schemas = [
        {"id": _CORE, "name": "Project", "attributes": core},
        {"id": _EXTRA, "name": "Extra", "attributes": [_staff("reviewers", "User"), {"name": "note"}]},
    ]
    extensions = [{"schema": _EXTRA, "required": False}]
    await server.define(client, schemas, {"name": "Project", "endpoint": "/Projects", "schema": _CORE, "schemaExtensions": extensions})


async def _project(client: Client, **attributes: Any) -> dict[str, Any]:
    made = await client.post("/Projects", {"schemas": [_CORE], "title": "x"} | attributes)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


async def _rows(server: Server, client: Client, source: str) -> set[tuple[str, str]]:
    rows = await server.pool.fetch("SELECT attribute, target FROM reference WHERE tenant = $1 AND source = $2", client.id, source)
    return {(row["attribute"], row["target"]) for row in rows}


async def test_what_is_said_of_them_is_kept_beside_what_the_server_knows(server: Server, projects: Client) -> None:
    """Each element has what the client said of it, and `$ref` and `type` from the server, whatever the client said there."""
    ada, staff = await projects.new_user(), await projects.new_group()
    sent = [
        {
            "value": ada["id"],
            "role": "lead",
            "since": "2020-01-01T00:00:00Z",
            "primary": True,
            "$ref": "https://x.example",
            "type": "Group",
        },
        {"value": staff["id"]},
    ]
    made = await _project(projects, staff=sent)
    assert made["staff"] == [
        {
            "value": ada["id"],
            "role": "lead",
            "since": "2020-01-01T00:00:00Z",
            "primary": True,
            "$ref": ada["meta"]["location"],
            "type": "User",
        },
        {"value": staff["id"], "$ref": staff["meta"]["location"], "type": "Group"},
    ]
    path = f"/Projects/{made['id']}"
    assert (await projects.get(path)).json() == made
    assert await _rows(server, projects, made["id"]) == {("staff", ada["id"]), ("staff", staff["id"])}
    again = (await projects.put(path, {"title": "x", "staff": made["staff"]})).json()
    assert again == made


async def test_what_they_name_exists_and_is_of_the_right_type(projects: Client) -> None:
    """POST, PUT and PATCH refuse ids of nothing, of other types and of the resource itself, and elements without an id; nothing is
    changed."""
    ada, group, other = (await projects.new_user())["id"], (await projects.new_group())["id"], (await _project(projects))["id"]
    made = await _project(projects, staff=[{"value": ada, "role": "lead"}])
    path = f"/Projects/{made['id']}"
    for name, value, says in (
        ("staff", "nobody", "staff: there is no resource with the id"),
        ("staff", other, "staff cannot refer to a Project"),
        ("parts", group, "parts cannot refer to a Group"),
        ("parts", made["id"], "parts: a resource cannot refer to itself"),
    ):
        element = {"value": value, "role": "x"}
        if value != made["id"]:
            assert_error(await projects.post("/Projects", {name: [element]}), 400, "invalidValue", says)
        assert_error(await projects.put(path, {name: [element]}), 400, "invalidValue", says)
        assert_error(await projects.patch(path, {"op": "add", "path": name, "value": [element]}), 400, "invalidValue", says)
        assert_error(await projects.patch(path, {"op": "add", "value": {name: [element]}}), 400, "invalidValue", says)
    assert_error(await projects.post("/Projects", {"staff": [{"role": "lead"}]}), 400, "invalidValue", "staff.value is required")
    assert_error(
        await projects.patch(path, {"op": "replace", "path": "staff.value", "value": "nobody"}), 400, "invalidValue", "there is no resource"
    )
    assert (await projects.get(path)).json() == made


async def test_every_patch_form_keeps_rows_and_elements_together(server: Server, projects: Client) -> None:
    """After each operation the elements, their `$ref` and the rows say the same; what stays the same changes nothing."""
    ada, ben, eve = [(await projects.new_user())["id"] for _ in range(3)]
    path = f"/Projects/{(await _project(projects))['id']}"
    steps: list[tuple[dict[str, Any], dict[str, str | None]]] = [
        ({"op": "add", "path": "staff", "value": [{"value": ada, "role": "lead"}]}, {ada: "lead"}),
        ({"op": "add", "value": {"staff": [{"value": ben}]}}, {ada: "lead", ben: None}),
        ({"op": "replace", "path": f'staff[value eq "{ben}"].role', "value": "tester"}, {ada: "lead", ben: "tester"}),
        ({"op": "replace", "path": 'staff[role eq "tester"]', "value": {"value": eve, "role": "writer"}}, {ada: "lead", eve: "writer"}),
        ({"op": "add", "path": 'staff[role eq "lead"].primary', "value": True}, {ada: "lead", eve: "writer"}),
        ({"op": "remove", "path": 'staff[role eq "lead"].role'}, {ada: None, eve: "writer"}),
        ({"op": "remove", "path": 'staff[role eq "writer"]'}, {ada: None}),
        ({"op": "replace", "path": "staff", "value": [{"value": ben}, {"value": eve}]}, {ben: None, eve: None}),
        ({"op": "replace", "path": f'staff[value eq "{ben}"].value', "value": ada}, {ada: None, eve: None}),
        ({"op": "remove", "path": "staff"}, {}),
    ]
    for operation, wanted in steps:
        shown = (await projects.patch(path, operation)).json()
        elements = shown.get("staff", [])
        assert {element["value"]: element.get("role") for element in elements} == wanted, operation
        urls = {element["$ref"] for element in elements}
        assert urls == {f"{PUBLIC}{projects.base}/Users/{id_}" for id_ in wanted}, operation
        assert {target for _, target in await _rows(server, projects, shown["id"])} == set(wanted), operation
        assert (await projects.patch(path, {"op": "add", "path": "title", "value": "x"})).json() == shown


async def test_an_extension_has_them_too(server: Server, projects: Client) -> None:
    """In an extension they are in its object; taking the extension away takes the rows."""
    ada = (await projects.new_user())["id"]
    made = await _project(projects, **{_EXTRA: {"reviewers": [{"value": ada, "role": "first"}], "note": "n"}})
    assert made[_EXTRA]["reviewers"][0]["role"] == "first"
    assert await _rows(server, projects, made["id"]) == {(f"{_EXTRA}:reviewers".lower(), ada)}
    assert await projects.search(f'{_EXTRA}:reviewers[value eq "{ada}" and role eq "first"]', "/Projects") == [made["id"]]
    await projects.delete(f"/Users/{ada}")
    left = (await projects.get(f"/Projects/{made['id']}")).json()
    assert left[_EXTRA] == {"note": "n"}
    ben = (await projects.new_user())["id"]
    path = f"/Projects/{made['id']}"
    await projects.patch(path, {"op": "add", "path": f"{_EXTRA}:reviewers", "value": [{"value": ben}]})
    await projects.put(path, {"title": "x"})
    assert await _rows(server, projects, made["id"]) == set()


async def test_filters_from_both_sides(projects: Client) -> None:
    """They are found by what they name, by what is said of them, by both at once, and from the other side."""
    ada, ben = (await projects.new_user())["id"], (await projects.new_user())["id"]
    part = (await _project(projects, staff=[{"value": ada, "role": "Lead"}, {"value": ben, "role": "tester"}]))["id"]
    whole = (await _project(projects, parts=[{"value": part, "role": "core"}]))["id"]
    for filter_, found in (
        (f'staff.value eq "{ada}"', [part]),
        (f'staff eq "{ben}"', [part]),
        (f'staff[value eq "{ada}" and role eq "lead"]', [part]),
        (f'staff[value eq "{ben}" and role eq "lead"]', []),
        ('staff.role sw "test"', [part]),
        ("staff pr", [part]),
        ('staff.type eq "User"', [part]),
        (f'parts.value eq "{part}"', [whole]),
        (f'within.value eq "{whole}"', [part]),
        ("within pr", [part]),
    ):
        assert await projects.search(filter_, "/Projects") == found, filter_
    shown = (await projects.get(f"/Projects/{part}")).json()
    assert [element["value"] for element in shown["within"]] == [whole]


async def test_deleting_what_they_name_removes_the_elements(server: Server, projects: Client) -> None:
    """The element goes, the others stay, the version rises once, filters know at once, and the change is logged."""
    ada, ben = (await projects.new_user())["id"], (await projects.new_user())["id"]
    made = await _project(projects, staff=[{"value": ada, "role": "lead"}, {"value": ben}], sponsor={"value": ada})
    path = f"/Projects/{made['id']}"
    assert made["sponsor"]["$ref"] == f"{PUBLIC}{projects.base}/Users/{ada}"
    assert (await projects.delete(f"/Users/{ada}")).status_code == 204
    left = (await projects.get(path)).json()
    assert left["staff"] == [made["staff"][1]]
    assert "sponsor" not in left
    assert await projects.search(f'staff.value eq "{ada}"', "/Projects") == []
    assert await projects.search('staff.role eq "lead"', "/Projects") == []
    logged = await server.pool.fetch("SELECT attributes FROM change WHERE tenant = $1 AND id = $2 AND version > 1", projects.id, made["id"])
    assert sorted(name for row in logged for name in row["attributes"]) == ["sponsor", "staff"]
    assert await _rows(server, projects, made["id"]) == {("staff", ben)}


async def test_deletion_restricted(server: Server) -> None:
    """Where the policy restricts it, what they name cannot be deleted: of any type, and the answer names the attribute."""
    client = await server.tenant(link_target_deletion="restrict", pointer_target_deletion="restrict")
    await define_projects(server, client)
    ada, ben = (await client.new_user())["id"], (await client.new_user())["id"]
    part = await _project(client, staff=[{"value": ada}], sponsor={"value": ben})
    whole = await _project(client, parts=[{"value": part["id"]}])
    for path, says in (
        (f"/Users/{ada}", f'staff of Project "{part["id"]}"'),
        (f"/Users/{ben}", f'sponsor of Project "{part["id"]}"'),
        (f"/Projects/{part['id']}", f'parts of Project "{whole["id"]}"'),
    ):
        assert_error(await client.delete(path), 409, None, says)
    for path in (f"/Projects/{whole['id']}", f"/Projects/{part['id']}", f"/Users/{ada}", f"/Users/{ben}"):
        assert (await client.delete(path)).status_code == 204


async def test_a_required_one_keeps_its_last(server: Server, client: Client) -> None:
    """What a required reference attribute names last cannot be deleted, with what is said of it or without."""
    plain = {
        "name": "owners",
        "type": "complex",
        "multiValued": True,
        "required": True,
        "subAttributes": _staff("x", "User")["subAttributes"][:2],
    }
    schema = {"id": _CORE, "name": "Project", "attributes": [plain, _staff("staff", "User", required=True)]}
    await server.define(client, [schema], {"name": "Project", "endpoint": "/Projects", "schema": _CORE})
    ada, ben, eve = [(await client.new_user())["id"] for _ in range(3)]
    made = await _project(client, owners=[{"value": ada}, {"value": ben}], staff=[{"value": eve, "role": "x"}])
    assert (await client.delete(f"/Users/{ben}")).status_code == 204
    assert_error(await client.delete(f"/Users/{ada}"), 409, None, f'owners of Project "{made["id"]}" is required')
    assert_error(await client.delete(f"/Users/{eve}"), 409, None, f'staff of Project "{made["id"]}" is required')
    left = (await client.get(f"/Projects/{made['id']}")).json()
    assert [element["value"] for element in left["owners"] + left["staff"]] == [ada, eve]


async def test_an_immutable_one_is_immutable(server: Server, client: Client) -> None:
    """What an immutable one says can be sent again, with and without the server's parts; anything else is refused."""
    immutable = [_staff("staff", "User", mutability="immutable"), _ref("sponsor", "User", mutability="immutable")]
    schema = {"id": _CORE, "name": "Project", "attributes": [{"name": "title"}, *immutable]}
    await server.define(client, [schema], {"name": "Project", "endpoint": "/Projects", "schema": _CORE})
    ada, ben = (await client.new_user())["id"], (await client.new_user())["id"]
    sent = {"staff": [{"value": ada, "role": "lead"}], "sponsor": {"value": ada}}
    made = await _project(client, **sent)
    path = f"/Projects/{made['id']}"
    for body in (sent, {name: made[name] for name in sent}, {}):
        assert (await client.put(path, {"title": "x"} | body)).json() == made
    for body in ({"staff": [{"value": ben, "role": "lead"}]}, {"staff": [{"value": ada, "role": "boss"}]}, {"sponsor": {"value": ben}}):
        assert_error(await client.put(path, body), 400, "mutability", next(iter(body)))
    assert_error(await client.patch(path, {"op": "add", "path": "staff", "value": [{"value": ben}]}), 400, "mutability", "staff")
    assert (await client.get(path)).json() == made


@pytest.mark.parametrize("extension", [False, True])
async def test_a_put_keeps_omitted_ones_where_the_policy_says_so(server: Server, extension: bool) -> None:
    """Like members, they are kept by a PUT that does not name them; null and an empty list clear them."""
    client = await server.tenant(put_keeps_omitted_members=True)
    await define_projects(server, client)
    ada = (await client.new_user())["id"]

    def body(**given: Any) -> dict[str, Any]:
        return {_EXTRA: {"note": "n"} | given} if extension else {"title": "x"} | given

    name = "reviewers" if extension else "staff"
    made = await _project(client, **body(**{name: [{"value": ada, "role": "lead"}]}))
    path = f"/Projects/{made['id']}"
    kept = (await client.put(path, {"title": "y"} | body())).json()
    held = kept[_EXTRA] if extension else kept
    assert [element["role"] for element in held[name]] == ["lead"]
    cleared = (await client.put(path, {"title": "y"} | body(**{name: None}))).json()
    assert name not in (cleared.get(_EXTRA, {}) if extension else cleared)


async def test_a_unique_part_is_free_again(server: Server, client: Client) -> None:
    """What an element that goes with its resource had claimed can be claimed anew."""
    staff = _staff("staff", "User")
    staff["subAttributes"] = [*staff["subAttributes"], {"name": "key", "uniqueness": "server"}]
    schema = {"id": _CORE, "name": "Project", "attributes": [{"name": "title"}, staff]}
    await server.define(client, [schema], {"name": "Project", "endpoint": "/Projects", "schema": _CORE})
    ada, ben = (await client.new_user())["id"], (await client.new_user())["id"]
    await _project(client, staff=[{"value": ada, "key": "K1"}])
    other = {"staff": [{"value": ben, "key": "k1"}]}
    assert_error(await client.post("/Projects", other), 409, "uniqueness", "staff.key")
    assert (await client.delete(f"/Users/{ada}")).status_code == 204
    assert (await client.post("/Projects", other)).status_code == 201


async def test_names_shown_from_the_other_side_are_the_present_ones(server: Server, client: Client) -> None:
    """What refers to a resource is shown there by its name: after it was renamed by the new one, after its deletion not at all."""
    within = {"name": "within", "type": "complex", "multiValued": True, "mutability": "readOnly"}
    subs = [_VALUE, {"name": "$ref", "type": "reference", "referenceTypes": ["Project"]}, {"name": "display"}]
    attributes = [{"name": "displayName"}, _staff("parts", "Project"), within | {"subAttributes": subs}]
    schema = {"id": _CORE, "name": "Project", "attributes": attributes}
    await server.define(client, [schema], {"name": "Project", "endpoint": "/Projects", "schema": _CORE})
    part = (await client.post("/Projects", {"displayName": "part"})).json()["id"]
    whole = (await client.post("/Projects", {"displayName": "old", "parts": [{"value": part, "role": "x"}]})).json()["id"]

    async def shown() -> list[tuple[str, str]]:
        found = (await client.get(f"/Projects/{part}")).json()
        return [(element["value"], element["display"]) for element in found.get("within", [])]

    assert await shown() == [(whole, "old")]
    await client.patch(f"/Projects/{whole}", {"op": "replace", "path": "displayName", "value": "new"})
    assert await shown() == [(whole, "new")]
    await client.delete(f"/Projects/{whole}")
    assert await shown() == []
