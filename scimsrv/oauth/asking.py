"""What a client sends to the token endpoint: parameters, and how it authenticates itself (RFC 6749 §2.3, RFC 7523 §2.2, RFC 8693 §2.1)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, unquote_plus

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidRequestError

from scimsrv.errors import ScimError
from scimsrv.limits import DEFAULT
from scimsrv.protocol.body import read_object

CLIENT_CREDENTIALS: Final = "client_credentials"
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a name
GRANTS: Final = (CLIENT_CREDENTIALS, TOKEN_EXCHANGE)

JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
SUBJECT_TOKENS: Final = (
    ACCESS_TOKEN,
    "urn:ietf:params:oauth:token-type:id_token",
    "urn:ietf:params:oauth:token-type:jwt",
)

_FORM: Final = "application/x-www-form-urlencoded"
_MOST: Final = 40
#: Characters of a value that is no token.
_LONGEST: Final = 2_000

_TOKENS: Final = frozenset({"client_assertion", "subject_token", "actor_token", "token"})


@dataclass(frozen=True, slots=True)
class Secret:
    """A client that shows its secret: in the header, or with the parameters."""

    client: str
    secret: str = field(repr=False)
    in_header: bool


@dataclass(frozen=True, slots=True)
class Assertion:
    """A JWT that says who the client is: signed by itself or by an issuer that the tenant trusts. `client` is the client_id, if sent."""

    client: str | None
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Subject:
    """A JWT of a trusted issuer that is to be exchanged."""

    token: str = field(repr=False)


Proof: TypeAlias = Secret | Assertion | Subject


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for an access token: by whom, for which scopes (None for all), and for which resources."""

    proof: Proof
    scope: tuple[str, ...] | None
    resources: tuple[str, ...]


def parameters(content_type: str | None, body: bytes) -> dict[str, str]:
    """The parameters of a form or a JSON object; those without a value count as left out (RFC 6749 §3.2).

    Raises InvalidRequestError for another type, a parameter that comes twice, or values that are no text or too long.
    """
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type == _FORM:
        found = _form(body)
    elif media_type == "application/json":
        try:
            found = read_object(body, DEFAULT)
        except ScimError:
            raise InvalidRequestError("The body is not a JSON object without doubled names.") from None
        if not all(isinstance(value, str) for value in found.values()):
            raise InvalidRequestError("Parameters are strings.")
    else:
        raise InvalidRequestError(f"The body must be {_FORM} or application/json.")
    for name, value in found.items():
        if name not in _TOKENS and len(value) > _LONGEST:
            raise InvalidRequestError("A parameter is too long.")
    return {name: value for name, value in found.items() if value}


def _form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=_MOST, errors="strict")
    except ValueError:
        raise InvalidRequestError("The body is not a form.") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidRequestError("A parameter is given twice.")
    if any("\x00" in value for value in found.values()):
        raise InvalidRequestError("A parameter has the character U+0000.")
    return found


def read_request(given: Mapping[str, str], authorization: Sequence[bytes]) -> Asked:
    """What the parameters and the Authorization header ask for. Raises an error of RFC 6749 §5.2."""
    grant = given.get("grant_type")
    if grant is None:
        raise InvalidRequestError("grant_type is needed.")
    proofs = _proofs(given, authorization)
    if grant == TOKEN_EXCHANGE:
        if proofs:
            raise InvalidRequestError("A token to be exchanged comes without authentication of a client.")
        proof: Proof = _subject(given)
    elif grant == CLIENT_CREDENTIALS:
        proof = _client(proofs)
    else:
        raise OAuth2Error(f"grant_type must be {' or '.join(GRANTS)}.", error="unsupported_grant_type")
    scope = tuple(given["scope"].split()) if "scope" in given else None
    return Asked(proof, scope, tuple(given[name] for name in ("resource", "audience") if name in given))


def read_revocation(given: Mapping[str, str], authorization: Sequence[bytes]) -> tuple[Secret | Assertion, str]:
    """Who asks for the revocation of which token (RFC 7009 §2.1); hints at its kind do not count. Raises an error of RFC 6749 §5.2."""
    if "token" not in given:
        raise InvalidRequestError("token is needed.")
    return _client(_proofs(given, authorization)), given["token"]


def _client(proofs: Sequence[Secret | Assertion]) -> Secret | Assertion:
    if len(proofs) > 1:
        raise InvalidRequestError("A client authenticates in one way.")
    if not proofs:
        raise InvalidClientError("Client authentication is needed.", status_code=401)
    return proofs[0]


def _proofs(given: Mapping[str, str], authorization: Sequence[bytes]) -> list[Secret | Assertion]:
    """Every way in which a client authenticates itself."""
    found: list[Secret | Assertion] = []
    if authorization:
        if len(authorization) > 1:
            raise InvalidRequestError("The Authorization header is given twice.")
        found.append(basic(authorization[0], given.get("client_id")))
    if "client_secret" in given:
        found.append(Secret(given.get("client_id", ""), given["client_secret"], in_header=False))
    if "client_assertion" in given or "client_assertion_type" in given:
        if given.get("client_assertion_type") != JWT_BEARER or "client_assertion" not in given:
            raise InvalidRequestError("client_assertion and its type for JWTs belong together.")
        found.append(Assertion(given.get("client_id"), given["client_assertion"]))
    return found


def basic(header: bytes, client_id: str | None) -> Secret:
    """The client of a Basic header, whose parts are form-encoded (RFC 6749 §2.3.1)."""
    scheme, _, value = header.decode("latin-1").strip().partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError
        name, colon, secret = base64.b64decode(value.strip(), validate=True).decode("utf-8").partition(":")
        if not colon:
            raise ValueError
    except (ValueError, binascii.Error):
        raise InvalidClientError("The Authorization header must have the scheme Basic.", status_code=401) from None
    client = unquote_plus(name)
    if "\x00" in client:
        raise InvalidClientError("The Authorization header names no client.", status_code=401)
    if client_id is not None and client_id != client:
        raise InvalidRequestError("client_id is not that of the Authorization header.")
    return Secret(client, unquote_plus(secret), in_header=True)


def _subject(given: Mapping[str, str]) -> Subject:
    if "subject_token" not in given or given.get("subject_token_type") not in SUBJECT_TOKENS:
        raise InvalidRequestError("subject_token and its type, that of a JWT, an ID token or an access token, are needed.")
    if "actor_token" in given or "actor_token_type" in given:
        raise InvalidRequestError("actor_token is not taken.")
    if given.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
        raise InvalidRequestError("Only access tokens are issued.")
    return Subject(given["subject_token"])
