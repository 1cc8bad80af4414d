"""OpenTelemetry traces, an extra (`scimsrv[otel]`): a span for each request and, below it, for each statement made for it.

Off unless OTEL_EXPORTER_OTLP_ENDPOINT is set, and then around the application and beside it: the application itself knows nothing of spans.
A span says what an observation says, which holds no text of a client's; of `traceparent` (W3C Trace Context) the ids are taken, and of
other such headers nothing.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scimsrv import __version__, observe
from scimsrv.observe import Exchange, Observation

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

log: Final = logging.getLogger("scimsrv")

#: Where spans are sent; the variables of the OpenTelemetry SDK say the rest: OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, …
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

_NANO: Final = 1_000_000_000

#: Seconds that the end of a server waits for spans to be sent.
_PATIENCE: Final = 3

#: The span of the request that the present task serves.
_SPAN: Final[ContextVar[Any]] = ContextVar("span", default=None)


class TracingError(Exception):
    """Traces are asked for and cannot be made; the message says what to do."""


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether traces are asked for. Raises TracingError where they are and the extra is not installed."""
    if not any(environ.get(name) for name in ENDPOINTS):
        return False
    if importlib.util.find_spec("opentelemetry") is None or importlib.util.find_spec("opentelemetry.sdk") is None:
        raise TracingError("OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, which are an extra: pip install 'scimsrv[otel]', or unset it.")
    return True


def exporting() -> TracerProvider:
    """A provider that sends spans to the endpoint, in batches from a thread of its own."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    ours = Resource.create({"service.name": "scimsrv", "service.version": __version__})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class Tracing:
    """Makes spans by a provider, from now until `stop`; what is left of them is sent when an application ends."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("scimsrv", __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._unproject = observe.project(self._finished)
        observe.watch_statements(self._statement)

    def stop(self) -> None:
        """Make no more."""
        self._unproject()
        observe.watch_statements(None)

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application with a span around each request, whose id the answer has in `traceparent`."""
        from opentelemetry.trace import SpanKind, set_span_in_context

        def flushed(send: Send) -> Send:
            async def sent(message: Message) -> None:
                if message["type"] == "lifespan.shutdown.complete":  # behind which the process may end at once
                    await asyncio.to_thread(self._provider.force_flush, _PATIENCE * 1_000)
                await send(message)

            return sent

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, flushed(send))
                return
            given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"]
            parent = self._propagator.extract({"traceparent": given[0]}) if len(given) == 1 else None
            span = self._tracer.start_span("request", parent, SpanKind.SERVER)
            carrier: dict[str, str] = {}
            self._propagator.inject(carrier, set_span_in_context(span))
            traceparent = carrier.get("traceparent", "")
            before = _SPAN.set(span)
            outgoing = observe.TRACEPARENT.set(traceparent)

            async def answered(message: Message) -> None:
                if message["type"] == "http.response.start" and traceparent:
                    message["headers"] = [*message["headers"], (b"traceparent", traceparent.encode("ascii"))]
                await send(message)

            try:
                await app(scope, receive, answered)
            finally:
                span.end()
                observe.TRACEPARENT.reset(outgoing)
                _SPAN.reset(before)

        return traced

    def _finished(self, observation: Observation) -> None:
        """Say of the request's span what is known when its answer is sent."""
        span: Span | None = _SPAN.get()
        if not isinstance(observation, Exchange) or span is None or not span.is_recording():
            return
        from opentelemetry.trace import StatusCode

        done = observation
        span.update_name(f"{done.method} {done.route}")
        said: dict[str, str | int | None] = {
            "http.request.method": done.method,
            "http.route": done.route,
            "http.response.status_code": done.status,
            "scim.plane": done.plane,
            "scim.tenant": done.tenant or None,
            "scim.request_id": done.request_id,
            "scim.failure": done.denial or done.failure,
            "scim.operations": done.bulk_ops if done.bulk_ops is not None else done.patch_ops,
        }
        if len(done.operations) == 1:
            one = done.operations[0]
            said |= {"scim.resource_type": one.resource_type, "scim.op": one.op, "scim.result": one.result}
        span.set_attributes({name: value for name, value in said.items() if value is not None})
        if done.status >= 500:
            span.set_status(StatusCode.ERROR)

    def _statement(self, name: str, seconds: float) -> None:
        """A span for a statement that has just ended, or for a transaction."""
        span: Span | None = _SPAN.get()
        if span is None or not span.is_recording():
            return
        from opentelemetry.trace import SpanKind, set_span_in_context

        ended = time.time_ns()
        kept: dict[str, str] = {"db.system.name": "postgresql", "db.operation.name": name or "composed"}
        child = self._tracer.start_span(
            name or "composed", set_span_in_context(span), SpanKind.CLIENT, kept, start_time=ended - int(seconds * _NANO)
        )
        child.end(ended)
