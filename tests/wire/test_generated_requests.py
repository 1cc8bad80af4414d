"""Requests that schemathesis makes of the OpenAPI documents, right and wrong ones, on both planes: each is answered as the document says.

The ids in paths and references are those of earlier answers, of what was deleted, of another tenant, and made-up ones.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol
from urllib.parse import quote

import httpx
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from scimsrv import tokens
from scimsrv.admin.access import SCOPES
from scimsrv.admin.app import AdminApp
from scimsrv.admin.openapi import openapi as openapi_of_admin
from scimsrv.admin.routes import ROUTES
from scimsrv.keys import ADMIN_PEPPER, ServerKeys
from scimsrv.limits import DEFAULT
from scimsrv.protocol.openapi import openapi
from scimsrv.settings import Settings
from scimsrv.store.administrators import create_admin_credential
from scimsrv.store.pool import open_pool
from tests.store.support import core_catalog
from tests.wire.test_stateful import Server, Tenant

#: Requests of each operation, right and wrong ones; more with `make test-faults`.
_EXAMPLES: Final = int(os.environ.get("FAULT_EXAMPLES", "3"))

_DATA: Final = openapi(core_catalog(), DEFAULT, "https://scim.example.com/scim/t/v2", "1")
_ADMIN: Final = openapi_of_admin(ROUTES)

#: Failures that a plane may answer; 501 is for what is switched off.
_EXPECTED: Final = {501}


class Plane(Protocol):
    """Something that answers requests."""

    ids: list[str]

    def ask(self, method: str, target: str, content: bytes | None, headers: Mapping[str, str]) -> httpx.Response:
        """Send a request and return the answer."""


class Data:
    """The data plane: two tenants that have some resources."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._tenant, other = server.tenant(), server.tenant()
        self.ids = ["nobody", self._made(other, "eve"), self._made(self._tenant, "ada"), self._made(self._tenant, "bob")]
        assert self._tenant.ask("DELETE", f"/Users/{self.ids[-1]}").status_code == 204

    @staticmethod
    def _made(tenant: Tenant, name: str) -> str:
        body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name}
        id_: str = tenant.ask("POST", "/Users", body).json()["id"]
        return id_

    def ask(self, method: str, target: str, content: bytes | None, headers: Mapping[str, str]) -> httpx.Response:
        """Send a request as a tenant's client."""
        given = {**headers, "Authorization": f"Bearer {self._tenant.token}"}
        answer = self._server.runner.run(self._server.client.request(method, self._tenant.url + target, content=content, headers=given))
        if answer.status_code == 201:
            self.ids.append(answer.json()["id"])
        return answer


class Administration:
    """The admin plane, with some tenants."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._app = AdminApp(server.settings, stopping=lambda: True)  # so that streams of events end at their first look
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url="http://admin.test")
        self._token = server.runner.run(self._opened(server.settings))
        server.tenant()
        listed = self.ask("GET", "/admin/v1/tenants", None, {}).json()["tenants"]
        self.ids = ["nobody", "standard", "1", *(one["slug"] for one in listed)]

    async def _opened(self, made: Settings) -> str:
        await self._app.open()
        token = tokens.new_token(tokens.ADMIN)
        pool = await open_pool(made.database_url or "", size=1, statement_cache=0)
        digest = tokens.digest(ServerKeys.load(made).derive(ADMIN_PEPPER), token.text)
        async with pool.acquire() as connection:
            await create_admin_credential(connection, digest=digest, kid=token.kid, label="fuzz", scopes=SCOPES, expires=None)
        await pool.close()
        text: str = token.text
        return text

    def ask(self, method: str, target: str, content: bytes | None, headers: Mapping[str, str]) -> httpx.Response:
        """Send a request as an administrator."""
        given = {**headers, "Authorization": f"Bearer {self._token}"}
        return self._server.runner.run(self._client.request(method, target, content=content, headers=given))

    def close(self) -> None:
        """End the application."""
        self._server.runner.run(self._client.aclose())
        self._server.runner.run(self._app.close())


@pytest.fixture(scope="module")
def server(database: str) -> Iterator[Server]:
    """Yield the application in this process."""
    made = Server(database)
    yield made
    made.close()


@pytest.fixture(scope="module")
def data(server: Server) -> Data:
    """Return the data plane."""
    return Data(server)


@pytest.fixture(scope="module")
def administration(server: Server) -> Iterator[Administration]:
    """Yield the admin plane."""
    made = Administration(server)
    yield made
    made.close()


def _operations(document: dict[str, Any]) -> list[Any]:
    made: Any = schemathesis.openapi.from_dict(document)
    return [found.ok() for found in made.get_all_operations()]


def _examine(plane: Plane, document: dict[str, Any], operation: Any) -> None:
    """Send right and wrong requests of an operation."""

    @settings(max_examples=_EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(data=st.data(), right=st.booleans())
    def send(data: st.DataObject, *, right: bool) -> None:
        mode = GenerationMode.POSITIVE if right or not _may_be_wrong(operation) else GenerationMode.NEGATIVE
        case = data.draw(operation.as_strategy(generation_mode=mode))
        path = case.path
        for name, value in (case.path_parameters or {}).items():
            chosen = data.draw(st.one_of(st.sampled_from(plane.ids[-20:]), st.just(value)))
            path = path.replace(f"{{{name}}}", quote(str(chosen), safe=""))
        query: list[Any] = [(str(key), _text(value)) for key, value in (case.query or {}).items()]
        target = path + (f"?{httpx.QueryParams(query)}" if query else "")
        headers = {key: str(value) for key, value in (case.headers or {}).items() if str(value).isascii() and str(value).isprintable()}
        content = None
        if case.media_type is not None and case.body is not schemathesis.core.NOT_SET:
            headers["Content-Type"] = case.media_type
            content = case.body if isinstance(case.body, bytes) else _json(case.body)
        answer = plane.ask(case.method, target, content, headers)
        _check(document, operation, answer)

    send()


def _may_be_wrong(operation: Any) -> bool:
    return bool(operation.query or operation.body or operation.headers)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _json(value).decode()


def _json(value: Any) -> bytes:
    """JSON as it comes, lone surrogates included; what is none of its types as text."""
    return json.dumps(value, default=str).encode("utf-8", "surrogatepass")


def _check(document: dict[str, Any], operation: Any, answer: httpx.Response) -> None:
    """The status is one of those described, and a body has the form that is described for it."""
    assert answer.status_code < 500 or answer.status_code in _EXPECTED, answer.text
    described = document["paths"][operation.path][operation.method]["responses"]
    found = described.get(str(answer.status_code), described["default"])
    assert answer.status_code >= 400 or str(answer.status_code) in described, answer.status_code
    if not answer.content or operation.method == "head":
        return
    media = answer.headers["content-type"].partition(";")[0]
    assert media in found["content"], (media, answer.status_code)
    if media == "text/event-stream":
        assert answer.content.startswith(b"retry: ")
        return
    schema = found["content"][media]["schema"] | {"components": document["components"]}
    validator = jsonschema_rs.validator_for(schema)
    for one in answer.content.splitlines() if media == "application/x-ndjson" else [answer.content]:
        validator.validate(json.loads(one))


@pytest.mark.parametrize("operation", _operations(_DATA), ids=lambda operation: operation.label)
def test_data_plane(data: Data, operation: Any) -> None:
    """Every operation of a tenant: no failure of the server, and no answer of another form than the document describes."""
    _examine(data, _DATA, operation)


@pytest.mark.parametrize("operation", _operations(_ADMIN), ids=lambda operation: operation.label)
def test_admin_plane(administration: Administration, operation: Any) -> None:
    """Every operation of the administrators."""
    _examine(administration, _ADMIN, operation)
