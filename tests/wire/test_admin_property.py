"""Whatever is sent to the admin API is answered by what its OpenAPI document promises, and never by a fault of the server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scimsrv.admin.app import AdminApp
from scimsrv.admin.routes import ROUTES
from scimsrv.settings import Settings
from tests.wire.admin_support import API, admin_token
from tests.wire.support import KEY, PUBLIC

_SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8
)
_WORDS = st.sampled_from(["acme", "User", "title", "default", "0", "-1", "²", "%00", "%2F", "..", "a" * 300, "userName", "1"]) | st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=10
).map(lambda text: quote(text, safe=""))


def _names(model: Any) -> list[str]:
    return list(getattr(model, "model_fields", {}))


@st.composite
def _requests(draw: st.DrawFn) -> tuple[str, str, Any, dict[str, str], str]:
    """A route with anything in its path, query, body and If-Match; members and parameters often have known names."""
    route = draw(st.sampled_from(ROUTES))
    path = route.path
    for name in ("tenant", "kid", "type", "attribute", "urn", "name", "number", "id"):
        path = path.replace(f"{{{name}}}", draw(st.just("acme") | _WORDS) if name == "tenant" else draw(_WORDS))
    known = [*_names(route.body), "profile", "patch_body", "strict_uris"]
    body = draw(st.dictionaries(st.sampled_from(known) | st.text(max_size=8), _VALUES, max_size=5) | _VALUES)
    parameters = [*_names(route.query), "x"]
    query = draw(st.dictionaries(st.sampled_from(parameters), st.text(max_size=8), max_size=2))
    return route.method, path, body, query, draw(st.sampled_from(['"1"', "*", "", 'W/"1"', '"' + "9" * 40 + '"']))


@pytest.fixture(scope="module")
def api(database: str) -> Iterator[tuple[asyncio.AbstractEventLoop, httpx.AsyncClient]]:
    """Yield a loop and a client of an API with the tenant acme."""
    loop = asyncio.new_event_loop()
    made = Settings(database_url=database, secret_key=KEY, public_url=PUBLIC)
    app = AdminApp(made, stopping=lambda: True)  # so that streams of events end at their first look

    async def begin() -> httpx.AsyncClient:
        await app.open()
        async with asyncpg.create_pool(database, min_size=1, max_size=1) as pool:
            token = await admin_token(pool, made)
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), headers={"Authorization": f"Bearer {token}"})
        assert (await client.post(f"http://admin.test{API}/tenants", json={"slug": "acme"})).status_code == 201
        return client

    client = loop.run_until_complete(begin())
    yield loop, client
    loop.run_until_complete(client.aclose())
    loop.run_until_complete(app.close())
    loop.close()


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(asked=_requests())
def test_nothing_is_a_fault(
    api: tuple[asyncio.AbstractEventLoop, httpx.AsyncClient], asked: tuple[str, str, Any, dict[str, str], str]
) -> None:
    """Every answer has a status below 500 and is JSON, or lines of it, or a stream of events; a refusal is a problem document."""
    loop, client = api
    method, path, body, query, tags = asked
    kind = "application/json"
    request = client.build_request(
        method, f"http://admin.test{API}{path}", params=query, json=body, headers={"Content-Type": kind, "If-Match": tags}
    )
    answer = loop.run_until_complete(client.send(request))
    assert answer.status_code < 500, answer.text
    assert "Traceback" not in answer.text
    if answer.headers["content-type"] == "application/x-ndjson":
        assert (method, answer.status_code) == ("GET", 200)
        assert all(isinstance(orjson.loads(line), dict) for line in answer.content.splitlines())
        return
    if answer.headers["content-type"].startswith("text/event-stream"):
        assert (method, answer.status_code, answer.content[:7]) == ("GET", 200, b"retry: ")
        return
    assert answer.headers["content-type"] == ("application/problem+json" if answer.status_code >= 400 else kind), answer.text
    assert isinstance(answer.json(), dict)
