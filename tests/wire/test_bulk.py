"""/Bulk over HTTP: every form of reference, outcomes in the order of the request, limits, rights, and all or nothing by policy."""

from __future__ import annotations

from typing import Any, Final

import httpx
import orjson
import pytest

from tests.wire.support import ENTERPRISE, ERROR, GROUP, USER, Client, Server, Starter, assert_error, group, patch, user

REQUEST: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
RESPONSE: Final = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"


def operation(method: str, path: str, data: Any = None, bulk_id: str | None = None, **more: Any) -> dict[str, Any]:
    """An operation with the members that are not None."""
    given = {"method": method, "path": path, "bulkId": bulk_id, "data": data} | more
    return {name: value for name, value in given.items() if value is not None}


def post(bulk_id: str, data: Any, path: str | None = None) -> dict[str, Any]:
    """The creation of a user or a group."""
    return operation("POST", path or ("/Groups" if GROUP in data["schemas"] else "/Users"), data, bulk_id)


async def send(client: Client, *operations: Any, **members: Any) -> httpx.Response:
    """Send a bulk request."""
    return await client.post("/Bulk", {"schemas": [REQUEST], "Operations": list(operations)} | members)


async def done(client: Client, *operations: Any, **members: Any) -> list[dict[str, Any]]:
    """The results of a bulk request, which is answered with 200 whatever becomes of its operations."""
    answer = await send(client, *operations, **members)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == {"schemas", "Operations"}
    assert body["schemas"] == [RESPONSE]
    results: list[dict[str, Any]] = body["Operations"]
    for result in results:
        assert isinstance(result["status"], str)
        failed = not result["status"].startswith("2")
        assert ("response" in result) is failed
        if failed:
            assert result["response"]["schemas"] == [ERROR]
            assert result["response"]["status"] == result["status"]
            assert answer.headers["x-request-id"] in result["response"]["detail"]
        nowhere = failed and result["response"]["detail"].startswith("path: ")
        assert ("location" in result) or (failed and result["method"] == "POST") or nowhere
    return results


def statuses(results: list[dict[str, Any]]) -> list[str]:
    """The status of each result."""
    return [result["status"] for result in results]


def id_of(result: dict[str, Any]) -> str:
    """The id at the end of a result's location."""
    found: str = result["location"].rpartition("/")[2]
    return found


async def members(client: Client, id_: str) -> set[str]:
    """The ids of a group's members."""
    return {member["value"] for member in (await client.get(f"/Groups/{id_}")).json().get("members", [])}


async def test_every_method(client: Client) -> None:
    """POST, PUT, PATCH and DELETE are carried out, each with its status, location and version."""
    ada, ben, cyd = [await client.new_user() for _ in range(3)]
    results = await done(
        client,
        post("new", user("dee")),
        operation("PUT", f"/Users/{ada['id']}", user(ada["userName"], title="Dr")),
        operation("PATCH", f"/Users/{ben['id']}", patch({"op": "add", "path": "title", "value": "Prof"})),
        operation("DELETE", f"/Users/{cyd['id']}"),
    )
    assert statuses(results) == ["201", "200", "200", "204"]
    assert [result["method"] for result in results] == ["POST", "PUT", "PATCH", "DELETE"]
    assert [result.get("version") for result in results] == ['W/"1"', 'W/"2"', 'W/"2"', None]
    assert [result.get("bulkId") for result in results] == ["new", None, None, None]
    assert [id_of(result) for result in results[1:]] == [ada["id"], ben["id"], cyd["id"]]
    new = (await client.http.get(results[0]["location"], headers={"Authorization": f"Bearer {client.token}"})).json()
    assert (new["userName"], new["meta"]["location"], new["meta"]["version"]) == ("dee", results[0]["location"], 'W/"1"')
    assert (await client.get(f"/Users/{ada['id']}")).json()["title"] == "Dr"
    assert (await client.get(f"/Users/{ben['id']}")).json()["title"] == "Prof"
    assert_error(await client.get(f"/Users/{cyd['id']}"), 404)


async def test_references_forwards_and_backwards(client: Client) -> None:
    """A group may come before or after the users that it names; results keep the order of the request."""
    before = post("g1", group("bulkId:a", "bulkId:b"))
    after = post("g2", group("bulkId:b"))
    results = await done(client, before, post("a", user()), post("b", user()), after)
    assert statuses(results) == ["201"] * 4
    assert [result["bulkId"] for result in results] == ["g1", "a", "b", "g2"]
    one, a, b, two = [id_of(result) for result in results]
    assert (await members(client, one), await members(client, two)) == ({a, b}, {b})


async def test_references_in_a_circle(client: Client) -> None:
    """Groups that are members of each other, and users that manage each other, are created with one version."""
    first, second = user(), user()
    first[ENTERPRISE] = {"manager": {"value": "bulkId:b"}}
    second[ENTERPRISE] = {"manager": {"value": "bulkId:a"}}
    results = await done(
        client, post("g", group("bulkId:h")), post("h", group("bulkId:g", "bulkId:a")), post("a", first), post("b", second)
    )
    assert statuses(results) == ["201"] * 4
    assert {result["version"] for result in results} == {'W/"1"'}
    g, h, a, b = [id_of(result) for result in results]
    assert (await members(client, g), await members(client, h)) == ({h}, {g, a})
    for one, other in ((a, b), (b, a)):
        found = (await client.get(f"/Users/{one}")).json()
        assert found[ENTERPRISE]["manager"]["value"] == other
        assert found[ENTERPRISE]["manager"]["$ref"].endswith(f"/Users/{other}")
        assert found["meta"]["version"].startswith('W/"1')


async def test_references_everywhere(client: Client) -> None:
    """bulkIds are resolved in paths, in `$ref`, in the value and in the path of a PATCH, and in the data of a PUT."""
    team = await client.new_group()
    other = await client.new_group((await client.new_user())["id"])
    add = {"op": "add", "path": "members", "value": [{"$ref": "../Users/bulkId:a"}]}
    results = await done(
        client,
        operation("PATCH", "/Users/bulkId:a", patch({"op": "add", "path": "title", "value": "Dr"})),
        operation("PATCH", f"/Groups/{team['id']}", patch(add)),
        operation("PUT", f"/Groups/{other['id']}", group("bulkId:a", "bulkId:b", displayName=other["displayName"])),
        operation("PATCH", f"/Groups/{other['id']}", patch({"op": "remove", "path": 'members[value eq "bulkId:b"]'})),
        post("a", user()),
        post("b", user()),
        operation("DELETE", "Users/bulkId:b"),
    )
    assert statuses(results) == ["200", "200", "200", "200", "201", "201", "204"]
    a, b = id_of(results[4]), id_of(results[5])
    assert (id_of(results[0]), id_of(results[6])) == (a, b)
    assert (await client.get(f"/Users/{a}")).json()["title"] == "Dr"
    assert (await members(client, team["id"]), await members(client, other["id"])) == ({a}, {a})
    assert_error(await client.get(f"/Users/{b}"), 404)


async def test_nothing_literal_is_stored(server: Server, client: Client) -> None:
    """Neither spelling, escapes nor depth make a reference a stored text: what is not resolved is refused."""
    raw = (
        b'{"schemas":["%s"],"Operations":[{"method":"POST","path":"/Users","bulkId":"x","data":{"userName":"u","title":"\\u0062ulkId:y"}}]}'
    )
    answer = await client.request("POST", "/Bulk", content=raw % REQUEST.encode())
    assert statuses(answer.json()["Operations"]) == ["409"]
    results = await done(
        client,
        post("a", user(title="BULKID:nobody")),
        post("b", user(emails=[{"value": "x@example.com", "display": "bulkId:nobody"}])),
        post("c", group("bulkId:nobody")),
        post("d", user(title="bulkId:e")),
        post("e", user(title="about bulkId:x")),
    )
    assert statuses(results) == ["409", "409", "409", "201", "201"]
    assert (await client.get(f"/Users/{id_of(results[3])}")).json()["title"] == id_of(results[4])
    assert await server.pool.fetchval("SELECT count(*) FROM resource WHERE tenant = $1 AND document LIKE '%bulkId:nobody%'", client.id) == 0


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (patch({"op": "add", "value": {'emails[type eq "bulkId:a"].value': "x@example.com"}}), "200"),
        (patch({"op": "add", "path": 'emails[type eq "\\u0062ulkId:a"].value', "value": "x@example.com"}), "200"),
        (patch({"op": "add", "path": 'emails[type eq "bulkId:\\u0061"].value', "value": "x@example.com"}), "200"),
        (patch({"op": "add", "value": {'emails[type eq "bulkId:nobody"].value': "x@example.com"}}), "409"),
        (patch({"op": "add", "path": 'emails[type eq "\\u0062ulkId:nobody"].value', "value": "x@example.com"}), "409"),
        (patch({"op": "add", "path": 'emails[type eq "bulkId:"].value', "value": "x@example.com"}), "400"),
        (patch({"op": "add", "path": "title", "value": "bulkId:"}), "400"),
        (patch({"op": "add", "path": "profileUrl", "value": "../Users/BULKID:a"}), "400"),
        (patch({"op": "add", "path": "emails", "value": '[{"value": "x@example.com", "display": "bulkId:a"}]'}), "400"),
        (patch({"op": "add", "path": "emails", "value": '[{"value": "x@example.com", "display": "\\u0062ulkId:a"}]'}), "400"),
    ],
)
async def test_references_where_they_are_rare(server: Server, data: dict[str, Any], status: str) -> None:
    """In keys that are paths, behind escapes, inside addresses and text that holds JSON: resolved or refused, never stored."""
    client = await server.tenant(parse_json_strings=True)
    ben = await client.new_user()
    results = await done(client, post("a", user()), operation("PATCH", f"/Users/{ben['id']}", data))
    assert statuses(results) == ["201", status]
    document = (await client.get(f"/Users/{ben['id']}")).text
    assert "bulkid:" not in document.lower()
    assert (id_of(results[0]) in document) is (status == "200")
    assert status == "200" or "bulkId" in results[1]["response"]["detail"]


_FAULTS: Final[list[tuple[dict[str, Any], str, str | None, str]]] = [
    (operation("GET", "/Users/1"), "400", "invalidSyntax", "method"),
    (operation("CONNECT", "/Users/1"), "400", "invalidSyntax", "method"),
    (operation("POST", "/Users", user()), "400", "invalidSyntax", "bulkId"),
    ({"method": "POST", "path": "/Users", "bulkId": 1, "data": user()}, "400", "invalidValue", "bulkId"),
    (operation("POST", "/Users", user(), "x" * 257), "400", "invalidValue", "bulkId"),
    (operation("POST", "/Users", None, "x"), "400", "invalidSyntax", "data"),
    (operation("PATCH", "/Users/1"), "400", "invalidSyntax", "data"),
    (operation("PUT", "/Users/1", []), "400", "invalidSyntax", "data"),
    (operation("DELETE", "/Users/1", version=1), "400", "invalidValue", "version"),
    ({"method": "DELETE"}, "400", "invalidSyntax", "path"),
    (operation("POST", "/Users/1", user(), "x"), "400", "invalidValue", "path"),
    (operation("PUT", "/Users", user()), "400", "invalidValue", "path"),
    (operation("POST", "/Bulk", {"schemas": [REQUEST], "Operations": []}, "x"), "400", "invalidValue", "/Bulk"),
    (operation("POST", "/Users/.search", {}, "x"), "400", "invalidValue", "path"),
    (operation("PATCH", "/Me", patch()), "400", "invalidValue", "/Me"),
    (operation("POST", "https://other.example.com/Users", user(), "x"), "400", "invalidValue", "relative"),
    (operation("DELETE", "//other.example.com/Users/1"), "400", "invalidValue", "relative"),
    (operation("DELETE", "/Users/1?x=1"), "400", "invalidValue", "relative"),
    (operation("DELETE", "/Users/bulkId:"), "400", "invalidValue", "without a name"),
    (operation("DELETE", "/v1/Users/1"), "400", "invalidVers", "v1"),
    (operation("DELETE", "/Users/../Groups/1"), "404", None, ""),
    (operation("POST", "/Nothing", user(), "x"), "404", None, ""),
    (operation("DELETE", "/Users/1"), "404", None, ""),
    (operation("POST", "/Groups", group("bulkId:x"), "x"), "400", "invalidValue", "itself"),
    (operation("POST", "/Users", {"schemas": [USER]}, "x"), "400", "invalidValue", "userName"),
    (operation("PATCH", "/Users/bulkId:nobody", patch()), "409", None, "nobody"),
]


@pytest.mark.parametrize(("wrong", "status", "scim_type", "says"), _FAULTS, ids=lambda value: str(value)[:60])
async def test_an_operation_that_fails_alone(client: Client, wrong: dict[str, Any], status: str, scim_type: str | None, says: str) -> None:
    """What is wrong with one operation is its own error, and the others are carried out."""
    results = await done(client, wrong, post("good", user()))
    assert statuses(results) == [status, "201"]
    assert results[0]["response"].get("scimType") == scim_type
    assert says in results[0]["response"]["detail"]
    assert ("location" in results[0]) is (wrong["method"] != "POST" and "path" in wrong)


_MESSAGES: Final[list[tuple[Any, str]]] = [
    ({"Operations": []}, "schemas"),
    ({"schemas": [USER], "Operations": []}, "schemas"),
    ({"schemas": [REQUEST]}, "Operations"),
    ({"schemas": [REQUEST], "Operations": {}}, "Operations"),
    ({"schemas": [REQUEST], "Operations": None}, "Operations"),
    ({"schemas": [REQUEST], "Operations": [1]}, "object"),
    ({"schemas": [REQUEST], "Operations": [[]]}, "object"),
    ({"schemas": [REQUEST], "failOnErrors": 0, "Operations": []}, "failOnErrors"),
    ({"schemas": [REQUEST], "failOnErrors": "1", "Operations": []}, "failOnErrors"),
    ([], "object"),
]


@pytest.mark.parametrize(("body", "says"), _MESSAGES, ids=str)
async def test_what_is_no_bulk_request(client: Client, body: Any, says: str) -> None:
    """A body that is no BulkRequest is refused as a whole."""
    answer = await client.post("/Bulk", body)
    assert_error(answer, 400, "invalidValue" if "failOnErrors" in body else "invalidSyntax", says)


@pytest.mark.parametrize("cut", [b'{"method":}', b"{", b"", b'{"method":"POST"', b"NaN", b'{"a":1 "b":2}', b'"x', b"]", b"}", b'{"a":NaN}'])
async def test_what_is_no_json(client: Client, cut: bytes) -> None:
    """A body that is no JSON is refused before any of its operations is carried out, wherever it is broken."""
    good = orjson.dumps(post("a", user("ada")))
    body = b'{"schemas":["%s"],"Operations":[%s,%s]}' % (REQUEST.encode(), good, cut)
    assert_error(await client.request("POST", "/Bulk", content=body), 400, "invalidSyntax")
    assert await client.search('userName eq "ada"') == []


async def test_bulk_ids_given_twice(client: Client) -> None:
    """Operations with the same bulkId fail, and so does what refers to it; nobody guesses which was meant."""
    results = await done(client, post("a", user()), post("a", user()), post("g", group("bulkId:a")), post("b", user()))
    assert statuses(results) == ["400", "400", "409", "201"]
    assert [result["response"].get("scimType") for result in results[:3]] == ["invalidValue", "invalidValue", None]


async def test_what_refers_to_a_failure_fails(client: Client) -> None:
    """An operation that needs one that failed is 409, through any chain of references; what does not need it is done."""
    await client.new_user("taken")
    results = await done(
        client,
        post("a", user("taken")),
        post("g", group("bulkId:a")),
        post("h", group("bulkId:g")),
        operation("PATCH", "/Users/bulkId:a", patch({"op": "add", "path": "title", "value": "x"})),
        post("i", group("bulkId:j", "bulkId:a")),
        post("j", group("bulkId:i")),
        post("k", group()),
    )
    assert statuses(results) == ["409"] * 6 + ["201"]
    assert [result["response"].get("scimType") for result in results[:6]] == ["uniqueness", None, None, None, None, None]
    assert (await client.get("/Groups")).json()["totalResults"] == 1


async def test_uniqueness_within_a_request(client: Client) -> None:
    """Of two that claim the same name the first gets it; one that fails for another reason claims nothing."""
    await client.new_user("taken")
    results = await done(
        client,
        post("a", user("same")),
        post("b", user("SAME")),
        post("c", user("taken")),
        post("d", user("other", emails="no list")),
        post("e", user("other")),
    )
    assert statuses(results) == ["201", "409", "409", "400", "201"]
    assert {results[index]["response"]["scimType"] for index in (1, 2)} == {"uniqueness"}
    assert "userName" in results[1]["response"]["detail"]


@pytest.mark.parametrize("most", [None, 3])
async def test_one_stored_name_claimed_many_times(client: Client, most: int | None) -> None:
    """However many operations claim what a stored resource has, they alone fail."""
    await client.new_user("taken")
    good, wrong = [post(f"g{n}", user()) for n in range(12)], [post(f"w{n}", user("taken")) for n in range(12)]
    mixed = [one for pair in zip(good, wrong, strict=True) for one in pair]
    results = await done(client, *mixed, **({} if most is None else {"failOnErrors": most}))
    assert statuses(results) == ["201", "409"] * (most or 12)
    assert {result["response"]["scimType"] for result in results[1::2]} == {"uniqueness"}


async def test_the_order_of_what_another_one_needs(client: Client) -> None:
    """Of what has to come earlier the first in the request comes first, whatever the bulkIds are."""
    results = await done(client, post("g", group("bulkId:a", "bulkId:b")), post("b", user("same")), post("a", user("same")))
    assert statuses(results) == ["409", "201", "409"]


async def test_the_order_of_the_request_counts(client: Client) -> None:
    """What is deleted before may be created anew, and what is created before stands in the way."""
    ada = await client.new_user("ada")
    results = await done(client, operation("DELETE", f"/Users/{ada['id']}"), post("a", user("ada")))
    assert statuses(results) == ["204", "201"]
    results = await done(client, post("b", user("ada")), operation("DELETE", f"/Users/{id_of(results[1])}"))
    assert statuses(results) == ["409", "204"]


@pytest.mark.parametrize(
    ("most", "expected"), [(1, ["201", "400"]), (2, ["201", "400", "201", "409"]), (3, ["201", "400", "201", "409", "201"])]
)
async def test_fail_on_errors(client: Client, most: int, expected: list[str]) -> None:
    """After so many errors nothing more is done, and what was not done is not in the response."""
    await client.new_user("taken")
    wrong, names = user(title=[1, 2]), [user(), user(), user()]
    results = await done(
        client, post("a", names[0]), post("b", wrong), post("c", names[1]), post("d", user("taken")), post("e", names[2]), failOnErrors=most
    )
    assert statuses(results) == expected
    for name, there in zip(names, (True, most > 1, most > 2), strict=True):
        assert bool(await client.search(f'userName eq "{name["userName"]}"')) is there


async def test_fail_on_errors_between_kinds_of_operations(client: Client) -> None:
    """Errors are counted over operations of every kind."""
    results = await done(
        client, operation("DELETE", "/Users/1"), post("a", user()), operation("DELETE", "/Users/2"), post("b", user()), failOnErrors=2
    )
    assert statuses(results) == ["404", "201", "404"]


async def test_versions(client: Client) -> None:
    """`version` is the If-Match of its operation: the version that an operation before it made is the one that counts."""
    ada = await client.new_user()
    path = f"/Users/{ada['id']}"
    change = patch({"op": "add", "path": "title", "value": "Dr"})
    results = await done(
        client,
        operation("PATCH", path, change, version='W/"1"'),
        operation("PUT", path, user(ada["userName"]), version='W/"1"'),
        operation("PUT", path, user(ada["userName"]), version='W/"2"'),
        operation("DELETE", path, version='W/"2"'),
        operation("DELETE", path, version="*"),
    )
    assert statuses(results) == ["200", "412", "200", "412", "204"]


async def test_if_match_demanded(server: Server) -> None:
    """Where the policy demands If-Match, operations without a version are 428."""
    client = await server.tenant(require_if_match=True)
    ada = await client.new_user()
    results = await done(client, post("a", user()), operation("DELETE", f"/Users/{ada['id']}"))
    assert statuses(results) == ["201", "428"]


@pytest.mark.parametrize("prefix", ["/", "", "/v2/", "v2/", "/V2/"])
async def test_forms_of_a_path(client: Client, prefix: str) -> None:
    """Paths may have a slash and the version in front."""
    ada = await client.new_user()
    results = await done(client, operation("POST", f"{prefix}Users", user(), "a"), operation("DELETE", f"{prefix}Users/{ada['id']}"))
    assert statuses(results) == ["201", "204"]


async def test_operations_are_authorised_one_by_one(server: Server, client: Client) -> None:
    """/Bulk needs its scope, and each operation the right to write."""
    bulk_only = client.with_token(await server.token(client, "scim:bulk"))
    assert statuses(await done(bulk_only, post("a", user()), operation("DELETE", "/Users/1"))) == ["403", "403"]
    for scopes in (("scim:write",), ("scim:read",)):
        assert_error(await send(client.with_token(await server.token(client, *scopes)), post("a", user())), 403, None, "scim:bulk")
    both = client.with_token(await server.token(client, "scim:bulk", "scim:write"))
    assert statuses(await done(both, post("a", user()))) == ["201"]


async def test_other_tenants_resources(server: Server, client: Client) -> None:
    """Ids of another tenant are those of nothing, in paths as in references."""
    other = await server.tenant()
    theirs = await other.new_user()
    results = await done(
        client,
        operation("DELETE", f"/Users/{theirs['id']}"),
        operation("PATCH", f"/Users/{theirs['id']}", patch({"op": "add", "path": "title", "value": "x"})),
        post("g", group(theirs["id"])),
    )
    assert statuses(results) == ["404", "404", "400"]
    assert (await other.get(f"/Users/{theirs['id']}")).json() == theirs


async def test_limits(start: Starter) -> None:
    """maxOperations and maxPayloadSize are advertised, and one more is 413 that names the limit, and nothing is done."""
    async with start(max_operations=3, max_body=2048) as server:
        client = await server.tenant()
        said = (await client.get("/ServiceProviderConfig")).json()["bulk"]
        assert said == {"supported": True, "maxOperations": 3, "maxPayloadSize": 2048}
        operations = [post(str(number), user(f"u{number}")) for number in range(4)]
        assert_error(await send(client, *operations), 413, None, "maxOperations (3)")
        assert (await client.get("/Users")).json()["totalResults"] == 0
        assert statuses(await done(client, *operations[:3])) == ["201"] * 3
        body = orjson.dumps({"schemas": [REQUEST], "Operations": [post("x", user("x"))]})
        assert_error(await client.request("POST", "/Bulk", content=body.ljust(2049)), 413, None, "maxPayloadSize (2048 bytes)")
        assert (await client.request("POST", "/Bulk", content=body.ljust(2048))).status_code == 200


async def test_no_operations(client: Client) -> None:
    """A request without operations is answered with none."""
    assert await done(client) == []


async def test_switched_off(server: Server) -> None:
    """A tenant without bulk says so, and answers 501."""
    client = await server.tenant(bulk=False)
    assert (await client.get("/ServiceProviderConfig")).json()["bulk"] == {"supported": False, "maxOperations": 0, "maxPayloadSize": 0}
    assert_error(await send(client, post("a", user())), 501)


async def test_all_or_nothing(server: Server) -> None:
    """An atomic request is applied as a whole, or not at all: then its results are the operations that failed."""
    client = await server.tenant(bulk_atomic=True)
    await client.new_user("taken")
    ben = await client.new_user("ben")
    changes = [
        post("a", user()),
        post("g", group("bulkId:a")),
        operation("PATCH", f"/Users/{ben['id']}", patch({"op": "add", "path": "title", "value": "Dr"})),
    ]
    results = await done(client, *changes, post("t", user("taken")), post("z", user()))
    assert [(result["status"], result["bulkId"]) for result in results] == [("409", "t")]
    assert "atomic" in results[0]["response"]["detail"]
    assert ((await client.get("/Users")).json()["totalResults"], (await client.get("/Groups")).json()["totalResults"]) == (2, 0)
    assert (await client.get(f"/Users/{ben['id']}")).json() == ben
    results = await done(client, *changes, operation("DELETE", "/Users/nobody"), operation("DELETE", f"/Users/{ben['id']}"))
    assert [(result["status"], id_of(result)) for result in results] == [("404", "nobody")]
    assert (await client.get(f"/Users/{ben['id']}")).json() == ben
    results = await done(client, *changes, operation("DELETE", f"/Users/{ben['id']}"))
    assert statuses(results) == ["201", "201", "200", "204"]
    assert ((await client.get("/Users")).json()["totalResults"], (await client.get("/Groups")).json()["totalResults"]) == (2, 1)


async def test_all_or_nothing_says_which_operation_failed(server: Server) -> None:
    """The number of the operation is in the detail, since several may have the same method and path."""
    client = await server.tenant(bulk_atomic=True)
    ben = await client.new_user("ben")
    good, bad = {"op": "add", "path": "title", "value": "Dr"}, {"op": "add", "path": "userName", "value": 7}
    results = await done(client, *[operation("PATCH", f"/Users/{ben['id']}", patch(good, last)) for last in (good, bad, good)])
    assert len(results) == 1
    assert results[0]["response"]["detail"].startswith("Operation 2 of the request: Operation 2: userName")


async def test_counts_and_searches_know_what_bulk_made(client: Client) -> None:
    """What is created as a set is counted, found by every index, and unique from then on."""
    secret = {"password": "correct horse"}  # for some: each is hashed for itself, which is slow
    results = await done(
        client,
        *[post(str(number), user(f"u{number}", active=number % 2 == 0, **(secret if number < 5 else {}))) for number in range(250)],
    )
    assert statuses(results) == ["201"] * 250
    assert (await client.get("/Users", count=1)).json()["totalResults"] == 250
    assert len(await client.search('userName sw "u1"')) == 100
    assert (await client.get("/Users", filter="active eq true", count=0)).json()["totalResults"] == 125
    assert_error(await client.post("/Users", user("U17")), 409, "uniqueness")
