"""HTTP around the protocol: HEAD, OPTIONS, compression, media types, conditions, headers that every answer has."""

from __future__ import annotations

import gzip

import orjson
import pytest

from scimsrv.protocol.route import METHODS, Endpoint
from tests.wire.support import PUBLIC, SCIM, Client, Server, user


@pytest.mark.parametrize(
    "path", ["", "/Users", "/Users/{id}", "/Groups?count=0", "/Schemas", "/ServiceProviderConfig", "/Users/nobody", "/x"]
)
async def test_head_is_get_without_body(client: Client, path: str) -> None:
    """HEAD has the status and the headers of GET, the length of the body included, and no body."""
    path = path.format(id=(await client.new_user())["id"])
    headers = {"X-Request-Id": "same-request", "Accept-Encoding": "identity"}
    get, head = [await client.request(method, path, headers=headers) for method in ("GET", "HEAD")]
    assert head.content == b""
    assert (head.status_code, dict(head.headers)) == (get.status_code, dict(get.headers))
    assert int(head.headers["content-length"]) == len(get.content) > 0


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("", Endpoint.ROOT),
        ("/.search", Endpoint.ROOT_SEARCH),
        ("/Users", Endpoint.COLLECTION),
        ("/Users/.search", Endpoint.SEARCH),
        ("/Users/1", Endpoint.RESOURCE),
        ("/Schemas", Endpoint.SCHEMAS),
        ("/ResourceTypes/User", Endpoint.RESOURCE_TYPES),
        ("/ServiceProviderConfig", Endpoint.CONFIG),
        ("/Bulk", Endpoint.BULK),
    ],
)
async def test_options_and_allow(client: Client, path: str, endpoint: Endpoint) -> None:
    """OPTIONS lists the methods of an endpoint; any other method is 405 with the same list."""
    allowed = {*METHODS[endpoint], "OPTIONS"}
    answer = await client.request("OPTIONS", path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert set(answer.headers["allow"].split(", ")) == allowed
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "get"} - allowed:
        refused = await client.http.request(method, client.base + path, headers={"Authorization": f"Bearer {client.token}"})
        if method != "get":  # the client library writes methods in capitals
            assert refused.status_code == 405, method
            assert set(refused.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("GZIP", True),
        ("identity", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip;q=0.0, *", False),
    ],
)
async def test_compression(client: Client, accepted: str, packed: bool) -> None:
    """A large body is compressed for a client that accepts gzip, and only then; a small one never is."""
    await client.new_user(title="x" * 5000)
    answer = await client.request("GET", "/Users", headers={"Accept-Encoding": accepted})
    assert (answer.headers.get("content-encoding") == "gzip") is packed
    assert answer.json()["totalResults"] == 1
    small = await client.request("GET", "/Groups", headers={"Accept-Encoding": accepted})
    assert "content-encoding" not in small.headers


async def test_a_compressed_body_says_so(client: Client) -> None:
    """The length is that of the compressed bytes, and caches are told what it depends on."""
    await client.new_user(title="x" * 5000)
    async with client.http.stream("GET", client.base + "/Users", headers={"Authorization": f"Bearer {client.token}"}) as answer:
        raw = b"".join([piece async for piece in answer.aiter_raw()])
    assert len(raw) == int(answer.headers["content-length"]) < 1000
    assert answer.headers["vary"] == "Accept-Encoding"
    assert orjson.loads(gzip.decompress(raw))["totalResults"] == 1


@pytest.mark.parametrize(("accept", "answered"), [("application/json", "application/json"), ("*/*", SCIM), (SCIM, SCIM)])
@pytest.mark.parametrize("sent", [SCIM, "application/json", "application/json; charset=UTF-8", ""])
async def test_media_types(client: Client, accept: str, answered: str, sent: str) -> None:
    """Bodies come as SCIM JSON, JSON or unnamed; answers are SCIM JSON unless only JSON is accepted."""
    content = orjson.dumps(user(displayName="Ä"))
    answer = await client.request("POST", "/Users", content=content, headers={"Accept": accept, "Content-Type": sent})
    assert (answer.status_code, answer.headers["content-type"]) == (201, answered)
    assert answer.json()["displayName"] == "Ä"


async def test_every_answer_has_its_headers(client: Client) -> None:
    """Answers are not to be cached or sniffed, and carry the id of their request, their version and their place."""
    created = await client.post("/Users", user())
    path = f"/Users/{created.json()['id']}"
    location = f"{PUBLIC}{client.base}{path}"
    assert created.headers["location"] == created.json()["meta"]["location"] == location
    for answer in (created, await client.get(path), await client.get("/Users"), await client.delete(path)):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-request-id"]
        assert "server" not in answer.headers


@pytest.mark.parametrize("host", ["evil.example.com", "evil.example.com/abc?x=", "scim.test:99999", ""])
async def test_locations_do_not_depend_on_the_request(client: Client, host: str) -> None:
    """Whatever Host or forwarded headers say, locations and references are under the configured URL."""
    headers = {"Host": host, "X-Forwarded-Host": "evil.example.com", "X-Forwarded-Proto": "http", "Forwarded": "host=evil.example.com"}
    ada = await client.new_user()
    for path in (f"/Users/{ada['id']}", "/Users", "/Schemas", "/ServiceProviderConfig", ""):
        answer = await client.request("GET", path, headers=headers)
        assert answer.status_code == 200
        assert "evil" not in answer.text
        assert "evil" not in str(answer.headers)


@pytest.mark.parametrize(
    "base", ["/scim/{slug}", "/scim/endpoints/{slug}", "/scim/v2/endpoints/{slug}", "//scim//{slug}/v2/", "/scim/{slug}/V2"]
)
async def test_aliases_give_the_canonical_location(server: Server, client: Client, base: str) -> None:
    """Every form of the base URL reaches the tenant; what is answered names the canonical one."""
    ada = await client.new_user()
    url = "http://scim.test" + base.format(slug=client.slug) + f"/Users/{ada['id']}/"
    answer = await client.http.get(url, headers={"Authorization": f"Bearer {client.token}"})
    assert answer.json() == ada
    assert answer.headers["location"] == f"{server.settings.base_url}{client.base}/Users/{ada['id']}"


@pytest.mark.parametrize(
    ("form", "unchanged"),
    [("{tag}", True), ("{strong}", True), ('"x", {tag}', True), ("*", True), ('W/"99"', False), ("", False), ("garbage", False)],
)
async def test_if_none_match(client: Client, form: str, unchanged: bool) -> None:
    """A client that has the present version gets 304 without body; HEAD too; lists have no version."""
    ada = await client.new_user()
    path, tag = f"/Users/{ada['id']}", ada["meta"]["version"]
    headers = {"If-None-Match": form.format(tag=tag, strong=tag.removeprefix("W/"))}
    for method in ("GET", "HEAD"):
        answer = await client.request(method, path, headers=headers)
        assert (answer.status_code, answer.headers["etag"]) == (304 if unchanged else 200, tag)
        assert not unchanged or answer.content == b""
    assert (await client.request("GET", "/Users", headers=headers)).status_code == 200
    assert (await client.request("GET", "/Users/nobody", headers=headers)).status_code == 404
