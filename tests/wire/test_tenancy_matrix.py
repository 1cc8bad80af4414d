"""Every route × method × field that can hold an identifier: one of another tenant's is answered as one that nobody has.

The routes are the router's: an endpoint or a method without a row here fails the run. Answers are compared in status, headers and body, but
for the identifier itself and what is new in every answer; the other tenant's rows stay what they were.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest

from scimsrv.protocol import defining
from scimsrv.protocol.route import METHODS, Endpoint, route
from tests.statements import TENANT_TABLES
from tests.wire.badges import ALL, URN, badges
from tests.wire.support import ENTERPRISE, GROUP, PATCH_OP, SEARCH, SEEN, USER, Client, Server, text

_BULK: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
_LOCATION: Final = "https://scim.example.com/scim/{slug}/v2/Users/{user}"
_DEVICE: Final = {
    "id": "urn:example:{type}",
    "name": "{type}",
    "attributes": [{"name": "serial", "type": "string"}],
}
_DEVICES: Final = {"name": "{type}", "endpoint": "/{type}s", "schema": "urn:example:{type}", "schemaExtensions": []}

#: What no tenant has, in the form of what the other one has.
_GHOST: Final = {
    "user": "0190aaaa-0000-7000-8000-000000000000",
    "group": "0190aaaa-0000-7000-8000-000000000001",
    "device": "0190aaaa-0000-7000-8000-000000000002",
    "award": "0190aaaa-0000-7000-8000-000000000003",
    "achievement": "0190aaaa-0000-7000-8000-000000000004",
    "txn": "0123456789abcdef0123456789abcdef",
    "type": "Gadget",
    "name": "ghost-name@example.com",
    "external": "ghost-external",
    "slug": "t0",
    "key": "ghost-key",
}


@dataclass(frozen=True)
class Row:
    """A request whose `{names}` stand for identifiers: `path` is below the tenant's URL, which may be another's by `slug`."""

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    slug: str = ""

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint by the router's word."""
        made = self.path.partition("?")[0]
        for name, value in _GHOST.items():
            made = made.replace(f"{{{name}}}", value)
        return route(f"/scim/t1/v2{made}".encode()).endpoint

    def __str__(self) -> str:
        return f"{self.method} {self.slug}{self.path} {text(self.body) if self.body else ''} {dict(self.headers) or ''}".replace(
            "urn:ietf:params:scim:", ""
        )


def _user(**more: Any) -> dict[str, Any]:
    return {"schemas": [USER], "userName": "u{fresh}"} | more


def _group(*members: Any, **more: Any) -> dict[str, Any]:
    return {"schemas": [GROUP], "displayName": "g{fresh}", "members": list(members)} | more


def _patch(*operations: Any) -> dict[str, Any]:
    return {"schemas": [PATCH_OP], "Operations": list(operations)}


def _bulk(*operations: Any) -> dict[str, Any]:
    return {"schemas": [_BULK], "Operations": list(operations)}


_FILTERS: Final = (
    'id eq "{user}"',
    'id ne "{user}" and displayName eq "{name}"',
    'userName eq "{name}"',
    'externalId eq "{external}"',
    'groups.value eq "{group}"',
    'groups[value eq "{group}"]',
    'meta.location eq "' + _LOCATION + '"',
    ENTERPRISE + ':manager.value eq "{user}"',
)
_POINTERS: Final[tuple[dict[str, Any], ...]] = (
    {"value": "{user}"},
    {"value": "{user}", "$ref": _LOCATION},
    {"value": "{user}", "$ref": "../Users/{user}"},
    {"value": "{group}", "type": "Group"},
    {"value": "{device}"},
)
_CHANGE: Final = _patch({"op": "replace", "path": "displayName", "value": "x"})


def _reads() -> list[Row]:
    filters = [f"filter={quote(one, safe='{}')}" for one in _FILTERS]
    lists = ("", "/Users", "/Groups", "/{type}s")
    queries = (*filters, "cursor={cursor}", "attributes=urn:example:{type}:serial", "sortBy=urn:example:{type}:serial")
    rows = [Row("GET", f"{path}?{query}") for path in lists for query in queries]
    rows += [Row("HEAD", f"{path}?{filters[0]}") for path in lists]
    rows += [
        Row("POST", f"{path}/.search", {"schemas": [SEARCH], **more})
        for path in lists
        for more in (*({"filter": one} for one in _FILTERS), {"cursor": "{cursor}"}, {"filter": "serial pr"})
    ]
    ids = (
        "/Users/{user}",
        "/Groups/{group}",
        "/Users/{group}",
        "/Groups/{user}",
        "/{type}s/{device}",
        "/Users/{device}",
        "/{type}s/{user}",
    )
    rows += [Row(method, path) for method in ("GET", "HEAD") for path in ids]
    rows += [Row("GET", "/Users/{user}", headers={"If-None-Match": 'W/"1"'})]
    rows += [
        Row(method, path)
        for path in ("/.requests/{txn}", "/badges/progress/{user}", "/.audit", "/.audit/rows")
        for method in ("GET", "HEAD")
    ]
    rows += [Row(method, path) for path in ("/Awards/{award}", "/Achievements/{achievement}") for method in ("GET", "HEAD")]
    rows += [Row(method, f"/{kind}") for kind in ("Schemas/urn:example:{type}", "ResourceTypes/{type}") for method in ("GET", "HEAD")]
    return rows


def _writes() -> list[Row]:
    rows = []
    for pointer in _POINTERS:
        manager, member = {ENTERPRISE: {"manager": pointer}}, {"value": [pointer]}
        rows += [
            Row("POST", "/Users", _user(**manager)),
            Row("PUT", "/Users/{mine}", _user(userName="mine", **manager)),
            Row("PATCH", "/Users/{mine}", _patch({"op": "add", "path": f"{ENTERPRISE}:manager", "value": pointer})),
            Row("POST", "/Groups", _group(pointer)),
            Row("PUT", "/Groups/{ours}", _group(pointer, displayName="ours")),
            Row("PATCH", "/Groups/{ours}", _patch({"op": "add", "path": "members"} | member)),
            Row("PATCH", "/Groups/{ours}", _patch({"op": "replace", "path": "members"} | member)),
            Row("PATCH", "/Groups/{ours}", _patch({"op": "add", "value": {"members": [pointer]}})),
            Row("POST", "/Bulk", _bulk({"method": "POST", "path": "/Groups", "bulkId": "b", "data": _group(pointer)})),
        ]
    for gone in ("{user}", "{group}"):
        rows.append(Row("PATCH", "/Groups/{ours}", _patch({"op": "remove", "path": f'members[value eq "{gone}"]'})))
        rows.append(Row("PATCH", "/Groups/{ours}", _patch({"op": "remove", "path": "members", "value": [{"value": gone}]})))
    for path in ("/Users/{user}", "/Groups/{group}", "/{type}s/{device}", "/Users/{group}", "/Users/{device}"):
        for condition in ({}, {"If-Match": "*"}, {"If-Match": 'W/"1"'}):
            body = _group() if path.startswith("/Groups") else _user()
            rows += [Row("PUT", path, body, condition), Row("PATCH", path, _CHANGE, condition), Row("DELETE", path, None, condition)]
        rows += [
            Row("POST", "/Bulk", _bulk({"method": method, "path": path, **more}))
            for method, more in (("PUT", {"data": _user()}), ("PATCH", {"data": _CHANGE}), ("DELETE", {}), ("DELETE", {"version": 'W/"1"'}))
        ]
    award = f"{URN}Award"
    for recipient, given in (("{user}", "{mine_achievement}"), ("{mine}", "{achievement}"), ("{user}", "{achievement}")):
        body = {"schemas": [award], "recipient": {"value": recipient}, "achievement": {"value": given}}
        rows += [
            Row("POST", "/Awards", body),
            Row("POST", "/Bulk", _bulk({"method": "POST", "path": "/Awards", "bulkId": "b", "data": body})),
        ]
        asked = {"schemas": [f"{URN}BadgeRequest"], "requester": {"value": recipient}, "achievement": {"value": given}}
        rows.append(Row("POST", "/BadgeRequests", asked))
    rows += [
        Row("DELETE", "/Awards/{award}"),
        Row("PATCH", "/Awards/{award}", _patch({"op": "replace", "path": "status", "value": "revoked"})),
    ]
    taken = {"userName": "{name}", "externalId": "{external}"}
    rows += [
        Row("POST", "/Users", _user(id="{user}", meta={"location": _LOCATION})),
        Row("PUT", "/Users/{mine}", _user(userName="mine", id="{user}", meta={"location": _LOCATION})),
        Row("PATCH", "/Users/{mine}", _patch({"op": "replace", "path": "id", "value": "{user}"})),
        Row("POST", "/Users", _user(groups=[{"value": "{group}"}])),
        Row("POST", "/Users", {"schemas": [USER], **taken}),
        Row("POST", "/Users", _user(), {"Idempotency-Key": "{key}"}),
        Row("POST", "/Bulk", _bulk({"method": "POST", "path": "/Users", "bulkId": "b", "data": _user()}), {"Idempotency-Key": "{key}"}),
        Row("POST", "/Bulk", _bulk({"method": "POST", "path": "/{type}s", "bulkId": "b", "data": {"serial": "1"}})),
        Row("POST", "/Bulk", _bulk({"method": "DELETE", "path": _LOCATION})),
        Row("POST", "/Bulk", _bulk({"method": "DELETE", "path": "/../{slug}/v2/Users/{user}"})),
        Row("POST", "/{type}s", {"schemas": ["urn:example:{type}"], "serial": "1"}),
        Row("POST", "/Users", _user(schemas=[USER, "urn:example:{type}"])),
    ]
    return rows


def _definitions() -> list[Row]:
    one = [("/Schemas/urn:example:{type}", _DEVICE), ("/ResourceTypes/{type}", _DEVICES)]
    rows = [Row(method, path, body if method == "PUT" else None) for path, body in one for method in ("PUT", "DELETE")]
    rows += [Row("PATCH", path, _patch({"op": "replace", "path": "description", "value": "x"})) for path, _ in one]
    rows += [Row("POST", "/ResourceTypes", _DEVICES), Row("POST", "/Schemas", _DEVICE), Row("DELETE", "/Schemas/urn:example:{type}")]
    return rows


def _mine() -> list[Row]:
    """/Me with a token for the user whom an id means: another tenant's user is nobody here."""
    bodies: dict[str, Any] = {"PUT": _user(), "PATCH": _CHANGE, "POST": _user()}
    return [Row(method, "/Me", bodies.get(method)) for method in METHODS[Endpoint.ME]]


def _strange_urls() -> list[Row]:
    """Every method of every endpoint under the URL of a tenant that is not the token's."""
    paths = {
        Endpoint.ROOT: "",
        Endpoint.ROOT_SEARCH: "/.search",
        Endpoint.CONFIG: "/ServiceProviderConfig",
        Endpoint.SCHEMAS: "/Schemas",
        Endpoint.RESOURCE_TYPES: "/ResourceTypes",
        Endpoint.BULK: "/Bulk",
        Endpoint.ME: "/Me",
        Endpoint.REQUEST: "/.requests/{txn}",
        Endpoint.PROGRESS: "/badges/progress/{user}",
        Endpoint.AUDIT: "/.audit",
        Endpoint.AUDIT_ROWS: "/.audit/rows",
        Endpoint.TOKEN: "/oauth/token",
        Endpoint.REVOCATION: "/oauth/revoke",
        Endpoint.AUTHORIZATION_SERVER: "/.well-known/oauth-authorization-server",
        Endpoint.COLLECTION: "/Users",
        Endpoint.SEARCH: "/Users/.search",
        Endpoint.RESOURCE: "/Users/{user}",
    }
    bodies = {"POST": _user(), "PUT": _user(), "PATCH": _CHANGE}
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
    return [Row(method, path, bodies.get(method), slug="{slug}") for path in paths.values() for method in methods]


_GROUPS: Final = {
    "reads": _reads(),
    "writes": _writes(),
    "definitions": _definitions(),
    "me": _mine(),
    "urls": _strange_urls(),
}


def test_every_route_has_a_row() -> None:
    """What the router knows, the matrix asks: every endpoint with every method it has, also those for who defines."""
    served = {(endpoint, method) for endpoint, methods in METHODS.items() for method in methods}
    served |= {
        (endpoint, method) for endpoint in (Endpoint.SCHEMAS, Endpoint.RESOURCE_TYPES) for method in (*defining.LISTED, *defining.SINGLE)
    }
    assert METHODS.keys() == set(Endpoint) == {row.endpoint for row in _GROUPS["urls"]}
    asked = {(row.endpoint, row.method) for name, rows in _GROUPS.items() if name != "urls" for row in rows}
    # Nothing but the tenant's URL says whose configuration, token or metadata is asked for.
    whole = (Endpoint.CONFIG, Endpoint.TOKEN, Endpoint.REVOCATION, Endpoint.AUTHORIZATION_SERVER)
    assert served - asked == {(endpoint, method) for endpoint in whole for method in METHODS[endpoint]}
    assert served <= {(row.endpoint, row.method) for row in _GROUPS["urls"]} | {
        (row.endpoint, row.method) for row in _GROUPS["definitions"]
    }


# -- two tenants ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """Somebody with things, by name in `theirs`, and somebody else who asks for them, with things of its own in `own`."""

    server: Server
    owner: Client
    asker: Client
    theirs: dict[str, str]
    own: dict[str, str]

    async def ask(self, row: Row, names: Mapping[str, str], token: str | None = None) -> httpx.Response:
        """Send the request with these identifiers in it."""
        known = {"fresh": f"{next(_FRESH):06}", **self.own, **names}

        def filled(template: str) -> str:
            return re.sub(r"\{(\w+)\}", lambda found: known[found[1]], template)

        headers = {name: filled(value) for name, value in row.headers.items()}
        headers |= {"X-Request-Id": "same-request", "Accept-Encoding": "identity"}
        headers |= {"Authorization": f"Bearer {token or self.asker.token}"}
        body = None if row.body is None else filled(text(row.body)).encode()
        if body is not None:
            headers["Content-Type"] = "application/scim+json"
        url = f"/scim/{filled(row.slug) or self.asker.slug}/v2{filled(row.path)}"
        return await self.asker.http.request(row.method, url, content=body, headers=headers)

    async def rows(self) -> dict[str, list[str]]:
        """Everything that the other tenant has, but for when its tokens were used, and what is written down of who was denied; its own
        requests come into the log of requests later."""
        unnoted = {"change": "AND operation <> 'denied'"}
        found = {}
        log = {"activity", "activity_batch", "activity_head"}
        for table in TENANT_TABLES.keys() - {"credential", "rate", "change_seal", "audit_chain"} - log:
            query = f"SELECT t::text FROM {table} t WHERE {TENANT_TABLES[table]} = $1 {unnoted.get(table, '')} ORDER BY 1"
            found[table] = [row[0] for row in await self.server.pool.fetch(query, self.owner.id)]
        return found


_FRESH = itertools.count(1)


@pytest.fixture
async def world(server: Server) -> World:
    """Return two tenants: one with a user, a group, a type of its own and an asynchronous request, and one that asks."""
    giving, asking = await badges(server), await badges(server, me="id")
    owner, asker = giving.client, asking.client
    known = {"type": "Device"}

    def named(document: Any) -> Any:
        return {key: value.replace("{type}", known["type"]) if isinstance(value, str) else value for key, value in document.items()}

    await server.define(owner, [named(_DEVICE)], named(_DEVICES))
    await asyncio.sleep(SEEN)
    await owner.new_user()
    ada = await owner.new_user("their-name@example.com", externalId="their-external", password="correct horse")
    staff = await owner.new_group(ada["id"])
    device = (await owner.post("/Devices", {"schemas": ["urn:example:Device"], "serial": "7"})).json()
    kept = await owner.request(
        "POST",
        "/Users",
        {"schemas": [USER], "userName": "other"},
        headers={"Prefer": "respond-async, wait=0", "Idempotency-Key": "their-key"},
    )
    async with asyncio.timeout(20):
        while (await owner.get(f"/.requests/{kept.headers['set-txn']}")).json()["state"] != "finished":
            await asyncio.sleep(0.02)
    cursor = (await owner.get("/Users", count=1, cursor="")).json()["nextCursor"]
    given = await giving.achievement()
    theirs = {
        "award": (await giving.award(ada["id"], given))["id"],
        "achievement": given,
        "user": ada["id"],
        "group": staff["id"],
        "device": device["id"],
        "txn": kept.headers["set-txn"],
        "name": "their-name@example.com",
        "external": "their-external",
        "slug": owner.slug,
        "key": "their-key",
        "cursor": cursor,
    } | known
    mine = await asker.new_user("mine")
    ours = await asker.new_group(mine["id"], displayName="ours")
    makes = asker.with_token(await server.token(asker, *ALL, "tenant:admin"))
    async with asyncio.timeout(20):  # until the background has signed what was awarded
        while await server.pool.fetchval("SELECT count(*) FROM badge_credential WHERE tenant = $1 AND jwt IS NULL", owner.id):
            await asyncio.sleep(0.05)
    return World(server, owner, makes, theirs, {"mine": mine["id"], "ours": ours["id"], "mine_achievement": await asking.achievement()})


def _comparable(answer: httpx.Response, names: Mapping[str, str], world: World) -> tuple[Any, ...]:
    """The answer without what it repeats of the request, and what is new in every answer."""

    words = {form: name for name, value in names.items() for form in (value, value.lower(), quote(value))}
    sent = re.compile("|".join(re.escape(form) for form in sorted(words, key=len, reverse=True)))
    kept = "|".join(world.own.values())

    def plain(shown: str) -> str:
        shown = sent.sub(lambda found: f"<{words[found[0]]}>", shown)
        shown = re.sub(r"\b[ug]\d{6}\b", "<fresh>", shown)
        shown = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<time>", shown)
        shown = re.sub(rf"(?!{kept})[0-9a-f]{{8}}-[0-9a-f]{{4}}-7[0-9a-f-]{{21}}", "<new>", shown)
        return re.sub(r'(W/\\*)"\d+(-[0-9a-f]+)?', r'\1"<version>', re.sub(r"\b[0-9a-f]{32}\b", "<txn>", shown))

    headers = {name: plain(value) for name, value in answer.headers.items() if name != "content-length"}
    return answer.status_code, headers, plain(answer.text)


@pytest.mark.parametrize("group", ["reads", "writes", "definitions", "urls"])
async def test_the_matrix(world: World, group: str) -> None:
    """An identifier of another tenant and one that nobody has get the same answer, and the other tenant's rows stay as they are."""
    ghost = _GHOST | {"cursor": world.theirs["cursor"][:-4] + "AAAA"}
    before = await world.rows()
    different = []
    for row in _GROUPS[group]:
        theirs = await world.ask(row, world.theirs)
        nobodys = await world.ask(row, ghost)
        one, other = _comparable(theirs, world.theirs, world), _comparable(nobodys, ghost, world)
        if one != other:
            different.append(f"{row}\n  {one}\n  {other}")
        assert theirs.status_code < 500, (str(row), theirs.text)
        if (group == "reads" and row.endpoint in (Endpoint.RESOURCE, Endpoint.REQUEST)) or "{type}s" in row.path:
            assert theirs.status_code == 404, str(row)
    assert not different, "\n".join(different)
    assert await world.rows() == before


async def test_me(world: World) -> None:
    """A token that stands for another tenant's user stands for nobody."""
    before = await world.rows()
    for row in _GROUPS["me"]:
        answers = []
        for names in (world.theirs, _GHOST):
            token = await world.server.token(world.asker, "scim:me", subject=names["user"])
            answers.append(_comparable(await world.ask(row, names, token), names, world))
            await world.server.pool.execute("DELETE FROM credential WHERE tenant = $1 AND subject = $2", world.asker.id, names["user"])
        assert answers[0] == answers[1]
        assert answers[0][0] in (403, 404, 501)
    assert await world.rows() == before
