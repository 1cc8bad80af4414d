"""One request of an identity provider and its answer, or why there was none; the token is sent to the address that was given only."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, quote, urlencode, urlsplit

import orjson

#: Seconds that an answer may take: an identity provider gives up after 60.
PATIENCE: Final = 30.0

_MOST_BYTES: Final = 1024 * 1024
_SCIM: Final = "application/scim+json"
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `kind` is the media type without parameters, `body` the JSON value of the content, None where it is none."""

    status: int
    kind: str
    text: str
    body: Any
    location: str = ""
    challenge: str = ""
    seconds: float = 0.0

    @property
    def detail(self) -> str:
        """What the error says of itself, in short."""
        said = self.body.get("detail") if isinstance(self.body, dict) else None
        return said[:_SHOWN] if isinstance(said, str) else ""

    @property
    def is_page(self) -> bool:
        """Whether it is a web page."""
        return "html" in self.kind or self.text.lstrip()[:15].lower().startswith(("<!doctype html", "<html"))


@dataclass(frozen=True, slots=True)
class Silence:
    """There was no answer: `reason` is the name of a row of judging.SILENCES, `said` what the system says of it."""

    reason: str
    said: str = ""


@dataclass(frozen=True, slots=True)
class Prober:
    """Asks a server below its tenant URL, whose query goes with every request. Raises ValueError for what is no URL, or no
    token."""

    url: str
    token: str = field(repr=False)
    parts: SplitResult = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        usual = parts.scheme in ("http", "https") and parts.hostname and parts.username is None and self.url.isascii()
        if not usual or " " in self.url:
            raise ValueError("The URL must look like https://scim.example.com/scim/acme/v2.")
        _ = parts.port  # raises ValueError
        if not self.token.isascii() or not self.token.isprintable() or " " in self.token or not self.token:
            raise ValueError("The token is empty, or has spaces, line breaks or other characters that no token has.")
        object.__setattr__(self, "parts", parts)

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None = None,
        body: object = None,
        *,
        token: str | None = None,
        base: str | None = None,
    ) -> Answer | Silence:
        """Send a request; `token` instead of the real one, `base` instead of the tenant URL's path."""
        parts = self.parts
        above = parts.path.rstrip("/") if base is None else base
        asked = "&".join(text for text in (urlencode(query or {}, quote_via=quote), parts.query) if text)
        headers = {"Authorization": f"Bearer {self.token if token is None else token}", "Accept": f"{_SCIM}, application/json"}
        content = None if body is None else orjson.dumps(body)
        if content is not None:
            headers["Content-Type"] = _SCIM
        connection = self._connection()
        begun = time.monotonic()
        try:
            connection.request(method, f"{above}{path}{f'?{asked}' if asked else ''}", content, headers)
            answer = connection.getresponse()
            text = answer.read(_MOST_BYTES).decode(errors="replace").replace(self.token, "…")
        except Exception as problem:
            return _silence(problem)
        finally:
            connection.close()
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            value = None
        kind = (answer.getheader("content-type") or "").partition(";")[0].strip().lower()
        location = (answer.getheader("location") or "").replace(self.token, "…")
        challenge = (answer.getheader("www-authenticate") or "").partition(" ")[0]
        return Answer(answer.status, kind, text, value, location, challenge, time.monotonic() - begun)

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self.parts.hostname or "", self.parts.port
        if self.parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=PATIENCE)
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=context)


#: OpenSSL's numbers of what is wrong with a certificate that has expired, or is not good yet.
_EXPIRED: Final = frozenset({9, 10})


def _silence(problem: Exception) -> Silence:
    match problem:
        case ssl.SSLCertVerificationError() if problem.verify_code in _EXPIRED:
            return Silence("certificate-expired")
        case ssl.SSLCertVerificationError() if "match" in problem.verify_message:
            return Silence("certificate-name", problem.verify_message)
        case ssl.SSLCertVerificationError():
            return Silence("certificate-untrusted", problem.verify_message)
        case ssl.SSLError() if problem.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
            return Silence("tls-not-spoken")
        case ssl.SSLError():
            return Silence("tls-refused", (problem.reason or "").replace("_", " ").lower())
        case socket.gaierror():
            return Silence("host-unknown")
        case TimeoutError():
            return Silence("no-answer")
        case ConnectionRefusedError():
            return Silence("refused")
        case http.client.RemoteDisconnected() | ConnectionError():
            return Silence("cut")
        case http.client.HTTPException() | ValueError():
            return Silence("no-http")
        case OSError():
            return Silence("unreachable", problem.strerror or "")
        case _:
            raise problem
