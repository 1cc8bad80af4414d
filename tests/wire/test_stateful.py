"""Two tenants that create, replace, patch, delete and query users and groups in any order, against a model that fits on a page.

After every step the whole of both tenants is read and compared: contents, derived groups, ETags that change exactly when the content
does, and nothing of one tenant in the other.
"""

from __future__ import annotations

import asyncio
import itertools
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
import httpx
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from scimsrv import tokens
from scimsrv.app import App
from scimsrv.keys import TOKEN_PEPPER, ServerKeys, new_key
from scimsrv.settings import Settings
from scimsrv.store.credentials import create_credential
from scimsrv.store.tenants import create_tenant
from tests.store.generated import configured, seeded

_USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
_GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
_PATCH: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_SEARCH: Final = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
_NOBODY: Final = "00000000-0000-7000-8000-000000000000"

_NAMES = st.sampled_from(["ada", "ADA", "ben", "straße", "STRASSE", "eve%_", "dan", "fay", "gus", "hal"])
_TITLES = st.sampled_from([None, "Lead", "lead", 'a "b" \\ %'])
_LABELS = st.sampled_from(["Staff", "STAFF", "All", "Café", "Cafe\u0301"])
_TENANTS = st.sampled_from([0, 1])
_OPERATIONS = st.sampled_from(["add", "add", "remove", "replace"])
_RARELY = st.sampled_from([False, False, False, True])
_PRECONDITIONS = st.sampled_from(["none", "none", "current", "any", "stale"])
_PICKED: Final = 12
_PICKS = st.integers(0, _PICKED)

_numbers = itertools.count(1)


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


class Server:
    """The application in process, with a database of its own, and tenants made on demand."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.runner = asyncio.Runner()
        self.settings = Settings(database_url=dsn, secret_key=new_key(), pool_size=4)
        self.app = App(self.settings)
        self.runner.run(self.app.open())
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app))

    def close(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.run(self.app.close())
        self.runner.close()

    def tenant(self) -> Tenant:
        """A new tenant with a token."""
        return self.runner.run(self._tenant(f"model-{next(_numbers)}"))

    async def _tenant(self, slug: str) -> Tenant:
        connection = await asyncpg.connect(self.dsn)
        try:
            made = await create_tenant(connection, slug)
            token = tokens.new_token()
            digest = tokens.digest(ServerKeys.load(self.settings).derive(TOKEN_PEPPER), token.text)
            await create_credential(connection, made.id, digest=digest, kid=token.kid, label="model", scopes=["scim"], expires=None)
        finally:
            await connection.close()
        return Tenant(self, f"{self.settings.base_url}/scim/{slug}/v2", token.text)


@dataclass
class Tenant:
    """A tenant of the model: users by id as (userName, title), groups by id as (displayName, ids of members)."""

    server: Server
    url: str
    token: str
    users: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    groups: dict[str, tuple[str, frozenset[str]]] = field(default_factory=dict)
    seen: dict[str, tuple[Any, str]] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """One request with this tenant's token; every answer but 204 is JSON, every error a SCIM Error."""
        given = {"Authorization": f"Bearer {self.token}"} | {name.replace("_", "-"): value for name, value in headers.items()}
        request = self.server.client.request(method, self.url + path, json=body, headers=given)
        response = self.server.runner.run(request)
        assert response.status_code < 500, response.text
        if response.status_code >= 400:
            error = response.json()
            assert error["status"] == str(response.status_code)
            assert error["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        return response

    def taken(self, name: str, but: str | None = None) -> bool:
        return any(_fold(user) == _fold(name) for id_, (user, _) in self.users.items() if id_ != but)

    def labelled(self, label: str, but: str | None = None) -> bool:
        return any(_fold(group) == _fold(label) for id_, (group, _) in self.groups.items() if id_ != but)

    def known(self) -> list[str]:
        return sorted([*self.users, *self.groups])

    def above(self, id_: str) -> dict[str, str]:
        """The groups that hold the id, with how."""
        direct = {group for group, (_, members) in self.groups.items() if id_ in members}
        reached, fresh = set(direct), set(direct)
        while fresh:
            fresh = {group for group, (_, members) in self.groups.items() if members & fresh} - reached
            reached |= fresh
        return {group: "direct" if group in direct else "indirect" for group in reached}

    def forget(self, id_: str) -> None:
        self.users.pop(id_, None)
        self.groups.pop(id_, None)
        self.seen.pop(id_, None)
        self.groups = {group: (label, members - {id_}) for group, (label, members) in self.groups.items()}


class Model(RuleBasedStateMachine):
    """The steps. Each says what has to come of it before it asks."""

    server: Server

    def __init__(self) -> None:
        super().__init__()
        self.tenants = [self.server.tenant(), self.server.tenant()]

    @initialize()
    def begin_with_some(self) -> None:
        """Both tenants have the same names, and groups within groups."""
        for at in (0, 1):
            for name in ("amy", "ben", "carl"):
                self.create_user(at, name, None)
            self.create_group(at, "Staff", {0, 1}, False)
            self.create_group(at, "Guests", {2, 3}, False)

    # -- users -----------------------------------------------------------------------------------------------------

    @rule(at=_TENANTS, name=_NAMES, title=_TITLES)
    def create_user(self, at: int, name: str, title: str | None) -> None:
        tenant = self.tenants[at]
        expected = 409 if tenant.taken(name) else 201
        response = tenant.ask("POST", "/Users", _user(name, title))
        assert response.status_code == expected, response.text
        if expected == 201:
            assert response.headers["Location"] == f"{tenant.url}/Users/{response.json()['id']}"
            tenant.users[response.json()["id"]] = (name, title)

    @rule(at=_TENANTS, pick=_PICKS, name=_NAMES, title=_TITLES, condition=_PRECONDITIONS)
    def replace_user(self, at: int, pick: int, name: str, title: str | None, condition: str) -> None:
        tenant, id_ = self.tenants[at], _one(self.tenants[at].users, pick)
        expected = self._expected(tenant, id_, condition, 409 if tenant.taken(name, id_) else 200)
        response = tenant.ask("PUT", f"/Users/{id_}", _user(name, title), **self._condition(tenant, id_, condition))
        assert response.status_code == expected, response.text
        if expected == 200:
            tenant.users[id_] = (name, title)

    @rule(at=_TENANTS, pick=_PICKS, name=st.none() | _NAMES, title=_TITLES, condition=_PRECONDITIONS)
    def patch_user(self, at: int, pick: int, name: str | None, title: str | None, condition: str) -> None:
        tenant, id_ = self.tenants[at], _one(self.tenants[at].users, pick)
        operations: list[dict[str, Any]] = [{"op": "add", "path": "title", "value": title} if title else {"op": "remove", "path": "title"}]
        if name is not None:
            operations.append({"op": "replace", "path": "userName", "value": name})
        expected = self._expected(tenant, id_, condition, 409 if name is not None and tenant.taken(name, id_) else 200)
        response = tenant.ask("PATCH", f"/Users/{id_}", _patch(*operations), **self._condition(tenant, id_, condition))
        assert response.status_code in ((200, 204) if expected == 200 else (expected,)), response.text
        if expected == 200:
            tenant.users[id_] = (name or tenant.users[id_][0], title)

    # -- groups ----------------------------------------------------------------------------------------------------

    @rule(at=_TENANTS, label=_LABELS, picks=st.sets(_PICKS, max_size=3), foreign=_RARELY)
    def create_group(self, at: int, label: str, picks: set[int], foreign: bool) -> None:
        tenant = self.tenants[at]
        members = self._members(at, picks, foreign)
        response = tenant.ask("POST", "/Groups", _group(label, members))
        assert response.status_code in self._refusals(tenant, label, members, None, 201), response.text
        if response.status_code == 201:
            tenant.groups[response.json()["id"]] = (label, frozenset(members))

    @rule(at=_TENANTS, pick=_PICKS, label=_LABELS, picks=st.sets(_PICKS, max_size=3), condition=_PRECONDITIONS)
    def replace_group(self, at: int, pick: int, label: str, picks: set[int], condition: str) -> None:
        tenant, id_ = self.tenants[at], _one(self.tenants[at].groups, pick)
        members = self._members(at, picks, False)
        allowed = self._refusals(tenant, label, members, id_, self._expected(tenant, id_, condition, 200))
        response = tenant.ask("PUT", f"/Groups/{id_}", _group(label, members), **self._condition(tenant, id_, condition))
        assert response.status_code in allowed, response.text
        if response.status_code == 200:
            tenant.groups[id_] = (label, frozenset(members))

    @rule(
        at=_TENANTS, pick=_PICKS, picks=st.sets(_PICKS, max_size=3), op=st.sampled_from(["add", "remove", "replace"]), foreign=st.booleans()
    )
    def patch_members(self, at: int, pick: int, picks: set[int], op: str, foreign: bool) -> None:
        tenant, id_ = self.tenants[at], _one(self.tenants[at].groups, pick)
        members = self._members(at, picks, foreign and op != "remove")
        if op == "remove":
            operations: list[dict[str, Any]] = [{"op": "remove", "path": f'members[value eq "{member}"]'} for member in members]
        else:
            operations = [{"op": op, "path": "members", "value": [{"value": member} for member in members]}]
        if not operations or id_ == _NOBODY:
            return
        response = tenant.ask("PATCH", f"/Groups/{id_}", _patch(*operations))
        label, before = tenant.groups[id_]
        if op == "remove" and not before.issuperset(members):
            assert response.status_code in (200, 204, 400), response.text
            after = before - set(members) if response.status_code < 300 else before
        else:
            allowed = self._refusals(tenant, None, members, id_, 200) if op != "remove" else {200}
            assert response.status_code in allowed | ({204} if 200 in allowed else set()), response.text
            made = {"add": before | set(members), "remove": before - set(members), "replace": frozenset(members)}[op]
            after = made if response.status_code < 300 else before
        tenant.groups[id_] = (label, frozenset(after))

    # -- both ------------------------------------------------------------------------------------------------------

    @rule(at=_TENANTS, pick=_PICKS, condition=_PRECONDITIONS)
    def delete(self, at: int, pick: int, condition: str) -> None:
        tenant = self.tenants[at]
        id_ = _one(tenant.known(), pick)
        kind = "Groups" if id_ in tenant.groups else "Users"
        expected = self._expected(tenant, id_, condition, 204)
        response = tenant.ask("DELETE", f"/{kind}/{id_}", **self._condition(tenant, id_, condition))
        assert response.status_code == expected, response.text
        if expected == 204:
            tenant.forget(id_)
            assert tenant.ask("GET", f"/{kind}/{id_}").status_code == 404

    @rule(at=_TENANTS, pick=_PICKS, method=st.sampled_from(["GET", "PUT", "PATCH", "DELETE"]))
    def reach_over(self, at: int, pick: int, method: str) -> None:
        """Ids of the other tenant do not exist here, and the answer is that for an id that nobody has."""
        tenant, other = self.tenants[at], self.tenants[1 - at]
        id_ = _one(other.known(), pick)
        kind, body = ("Groups", _group("Mine", [])) if id_ in other.groups else ("Users", _user("mallory", None))
        if method == "PATCH":
            body = _patch({"op": "replace", "path": "externalId", "value": "mine"})
        given = body if method in ("PUT", "PATCH") else None
        answers = [tenant.ask(method, f"/{kind}/{one}", given) for one in (id_, _NOBODY)]
        assert [answer.status_code for answer in answers] == [404, 404]
        details = [answer.json()["detail"].partition(" (request")[0].replace(id_, _NOBODY) for answer in answers]
        assert details[0] == details[1]

    @rule(at=_TENANTS, name=_NAMES, pick=_PICKS)
    def find(self, at: int, name: str, pick: int) -> None:
        """Filters on a unique name, on membership and on the derived groups."""
        tenant, id_ = self.tenants[at], _one(self.tenants[at].known(), pick)
        named = {one for one, (user, _) in tenant.users.items() if _fold(user) == _fold(name)}
        titled = {one for one, (_, title) in tenant.users.items() if title}
        for path, text, expected in (
            ("/Users", f'userName eq "{name}"', named),
            ("/Users", f'not (userName eq "{name}") and title pr', titled - named),
            ("/Groups", f'members.value eq "{id_}"', {one for one, (_, members) in tenant.groups.items() if id_ in members}),
            ("/Users", f'groups.value eq "{id_}"', {one for one in tenant.users if id_ in tenant.above(one)}),
        ):
            page = tenant.ask("POST", f"{path}/.search", {"schemas": [_SEARCH], "filter": text}).json()
            assert {resource["id"] for resource in page["Resources"]} == expected, text
            assert page["totalResults"] == len(expected)

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        for tenant in self.tenants:
            users = {one["id"]: one for one in tenant.ask("GET", "/Users").json()["Resources"]}
            groups = {one["id"]: one for one in tenant.ask("GET", "/Groups").json()["Resources"]}
            assert users.keys() == tenant.users.keys()
            assert groups.keys() == tenant.groups.keys()
            for id_, (name, title) in tenant.users.items():
                derived = {one["value"]: one["type"] for one in users[id_].get("groups", ())}
                assert (users[id_]["userName"], users[id_].get("title"), derived) == (name, title, tenant.above(id_))
            for id_, (label, members) in tenant.groups.items():
                shown = {one["value"]: one["type"] for one in groups[id_].get("members", ())}
                assert (groups[id_]["displayName"], shown) == (label, {one: "User" if one in tenant.users else "Group" for one in members})
            for id_, resource in (users | groups).items():
                self._check_tag(tenant, id_, resource)

    # -- helpers ---------------------------------------------------------------------------------------------------

    def _check_tag(self, tenant: Tenant, id_: str, resource: dict[str, Any]) -> None:
        """The ETag is another one exactly when the content is. What members are called is shown, but theirs."""
        tag = resource["meta"]["version"]
        content = {name: value for name, value in resource.items() if name != "meta"}
        content["members"] = sorted(one["value"] for one in content.get("members", ()))
        content["groups"] = sorted((one["value"], one["type"], one.get("display", "")) for one in content.get("groups", ()))
        if id_ in tenant.seen:
            before, tag_before = tenant.seen[id_]
            assert (content == before) is (tag == tag_before), (before, content, tag_before, tag)
        tenant.seen[id_] = (content, tag)

    def _members(self, at: int, picks: set[int], foreign: bool) -> list[str]:
        own = {_one(self.tenants[at].known(), pick) for pick in picks} - {_NOBODY}
        return sorted(own | ({_one(self.tenants[1 - at].known(), 0)} if foreign else set()))

    @staticmethod
    def _refusals(tenant: Tenant, label: str | None, members: list[str], id_: str | None, otherwise: int) -> set[int]:
        """What may be answered when a name may be taken, members may not exist here, or the group would hold itself."""
        if otherwise in (404, 412):
            return {404, 412, 400} if members else {otherwise}
        found = {409} if label is not None and tenant.labelled(label, id_) else set()
        if not set(members) <= set(tenant.known()) or id_ in members:
            found.add(400)
        return found or {otherwise}

    @staticmethod
    def _condition(tenant: Tenant, id_: str, condition: str) -> dict[str, str]:
        known = tenant.seen.get(id_, (None, 'W/"1"'))[1]
        return {"none": {}, "any": {"If_Match": "*"}, "current": {"If_Match": known}, "stale": {"If_Match": 'W/"99999"'}}[condition]

    @staticmethod
    def _expected(tenant: Tenant, id_: str, condition: str, otherwise: int) -> int:
        if id_ not in tenant.known():
            return 404
        return 412 if condition == "stale" else otherwise


def _one(items: Any, pick: int) -> str:
    """One of the ids, or, now and then, one that nobody has."""
    known = sorted(items)
    return known[pick % len(known)] if known and pick < _PICKED else _NOBODY


def _user(name: str, title: str | None) -> dict[str, Any]:
    return {"schemas": [_USER], "userName": name} | ({} if title is None else {"title": title})


def _group(label: str, members: list[str]) -> dict[str, Any]:
    return {"schemas": [_GROUP], "displayName": label, "members": [{"value": member} for member in members]}


def _patch(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": [_PATCH], "Operations": list(operations)}


@pytest.fixture
def server(database: str) -> Iterator[Server]:
    """Yield the application on a fresh database."""
    made = Server(database)
    yield made
    made.close()


def test_two_tenants_behave_as_the_model_says(server: Server) -> None:
    """Any sequence of steps."""
    machine = seeded(type("Model", (Model,), {"server": server}))
    run_state_machine_as_test(machine, settings=configured(25, shrink=True))
