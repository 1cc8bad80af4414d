"""Traces: a span for each request and below it one for each statement, joined to the caller's trace, of words and ids alone."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest

from scimsrv.tracing import Tracing, TracingError, wanted
from tests.wire.support import Client, Server, patch, user

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

_TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
_PARENT: Final = "00f067aa0ba902b7"


class Traced:
    """A client whose requests are traced, and the spans that were made."""

    def __init__(self, client: Client, spans: InMemorySpanExporter) -> None:
        self.client = client
        self._spans = spans

    async def ask(self, method: str, path: str, *args: Any, **options: Any) -> tuple[httpx.Response, ReadableSpan, list[ReadableSpan]]:
        """The answer, the request's span, and those of its statements."""
        self._spans.clear()
        answer = await self.client.request(method, path, *args, **options)
        found = self._spans.get_finished_spans()
        (request,) = [span for span in found if span.kind is SpanKind.SERVER]
        return answer, request, [span for span in found if span.kind is SpanKind.CLIENT]


@pytest.fixture
async def traced(server: Server) -> AsyncIterator[Traced]:
    """Yield a client of a fresh tenant whose requests are traced."""
    made = await server.tenant()
    spans = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tracing = Tracing(provider)
    try:
        transport = httpx.ASGITransport(tracing.around(server.app))
        async with httpx.AsyncClient(transport=transport, base_url="http://scim.test") as http:
            yield Traced(Client(http, made.slug, made.id, made.token), spans)
    finally:
        tracing.stop()
        provider.shutdown()


def _id(number: int | None) -> str:
    return f"{number or 0:032x}"


async def test_a_request_and_its_statements(traced: Traced) -> None:
    """The span says by which template, of which tenant, what was done to what and with which result; statements lie within it."""
    await traced.ask("GET", "/Users")
    answer, request, statements = await traced.ask("POST", "/Users", user("ana@example.com"))
    assert request.name == "POST /Users"
    said = dict(request.attributes or {})
    assert said.pop("scim.request_id") == answer.headers["x-request-id"]
    assert said == {
        "http.request.method": "POST",
        "http.route": "/Users",
        "http.response.status_code": 201,
        "scim.plane": "data",
        "scim.tenant": traced.client.slug,
        "scim.resource_type": "User",
        "scim.op": "create",
        "scim.result": "ok",
    }
    assert request.parent is None
    assert statements
    assert request.context is not None
    for one in statements:
        assert one.parent is not None
        assert one.parent.span_id == request.context.span_id
        assert request.start_time is not None
        assert one.start_time is not None
        assert one.end_time is not None
        assert request.end_time is not None
        assert request.start_time <= one.start_time <= one.end_time <= request.end_time
        assert dict(one.attributes or {}).keys() == {"db.system.name", "db.operation.name"}
        assert re.fullmatch(r"[a-z_]+(\.[a-z_0-9]+)?", one.name), one.name


async def test_the_callers_trace_goes_on(traced: Traced) -> None:
    """What a caller sends as traceparent is the parent, and the answer names the request's own span."""
    given = {"traceparent": f"00-{_TRACE}-{_PARENT}-01", "tracestate": "ana=lima"}
    answer, request, _ = await traced.ask("GET", "/Users", headers=given)
    assert request.context is not None
    assert request.parent is not None
    assert (_id(request.context.trace_id), f"{request.parent.span_id:016x}") == (_TRACE, _PARENT)
    assert answer.headers["traceparent"] == f"00-{_TRACE}-{request.context.span_id:016x}-01"
    assert not request.context.trace_state


@pytest.mark.parametrize("given", ["nonsense", f"00-{'0' * 32}-{_PARENT}-01", f"00-{_TRACE}-{_PARENT}", "ana@example.com"])
async def test_what_is_no_traceparent_begins_a_trace(traced: Traced, given: str) -> None:
    """It is ignored, and the request served."""
    answer, request, _ = await traced.ask("GET", "/Users", headers={"traceparent": given})
    assert answer.status_code == 200
    assert request.parent is None


async def test_nothing_of_a_client_is_in_a_span(traced: Traced) -> None:
    """Neither filters nor names nor ids nor unknown paths nor what is wrong with them."""
    seen = ""
    for method, path, body in (
        ("GET", '/Users?filter=userName eq "kanarienvogel"', None),
        ("GET", '/Users?filter=title co "kanarienvogel"', None),
        ("GET", "/Users/kanarienvogel", None),
        ("GET", "/kanarienvogel/kanarienvogel?kanarienvogel", None),
        ("KANARIENVOGEL", "/Users", None),
        ("POST", "/Users", user("kanarienvogel", kanarienvogel=1)),
        ("PATCH", "/Users/kanarienvogel", patch({"op": "kanarienvogel"})),
    ):
        _, request, statements = await traced.ask(
            method, path, body, headers={"tracestate": "kanarienvogel=1", "baggage": "kanarienvogel=1"}
        )
        seen += request.to_json() + "".join(one.to_json() for one in statements)
    assert "GET /Users/{id}" in seen
    assert "kanarienvogel" not in seen.lower()


async def test_a_failure_of_ours_is_an_error(traced: Traced, server: Server) -> None:
    """A status of 5xx, and no other, marks the span."""
    _, request, _ = await traced.ask("GET", "/Users/nobody")
    assert (request.status.status_code, (request.attributes or {})["scim.result"]) == (StatusCode.UNSET, "notfound")
    await server.pool.execute("ALTER TABLE unique_key RENAME TO gone")
    try:
        _, request, _ = await traced.ask("GET", '/Users?filter=userName eq "x"')
    finally:
        await server.pool.execute("ALTER TABLE gone RENAME TO unique_key")
    assert request.status.status_code is StatusCode.ERROR
    assert not request.events


def test_off_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an endpoint nothing is made; with one and without the extra the server says what to install."""
    assert not wanted({"OTEL_SERVICE_NAME": "scim"})
    assert not wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": ""})
    assert wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(TracingError, match=r"pip install 'scimsrv\[otel\]'"):
        wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
