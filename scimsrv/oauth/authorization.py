"""What applications send for an authorization code with PKCE (RFC 6749 §4.1, RFC 7636), for refreshing and for revoking (RFC 7009)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, urlencode

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749.errors import (
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    UnauthorizedClientError,
    UnsupportedGrantTypeError,
    UnsupportedResponseTypeError,
)
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from scimsrv.oauth.asking import basic
from scimsrv.store.applications import OFFLINE, ByCode, Wanted

Refused: TypeAlias = OAuth2Error
"""What is answered in the form of RFC 6749 §5.2."""

_MOST: Final = 40
_LONGEST: Final = 2_000
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True, slots=True)
class ByRefresh:
    """A refresh token that is to be replaced."""

    token: str = field(repr=False)


def query_of(query: bytes) -> dict[str, str]:
    """The parameters of a query. Raises InvalidRequestError for what is no query, doubled, or too long."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST, errors="strict")
    except ValueError:
        raise InvalidRequestError("The query cannot be read.") from None
    found = dict(pairs)
    if len(found) != len(pairs) or any(len(value) > _LONGEST or "\x00" in value for value in found.values()):
        raise InvalidRequestError("A parameter is given twice, is too long, or has the character U+0000.")
    return {name: value for name, value in found.items() if value}


def redirect_of(given: Mapping[str, str], metadata: Mapping[str, Any]) -> str:
    """Where the browser goes back to, which has to be one of the application's own. Raises InvalidRequestError, which nobody is sent
    anywhere with."""
    redirect = given.get("redirect_uri", "")
    if redirect not in metadata["redirect_uris"]:
        raise InvalidRequestError("redirect_uri is not one of those that the application registered.")
    return redirect


def read_authorization(given: Mapping[str, str], metadata: Mapping[str, Any]) -> Wanted:
    """What the application wants of a user. One that has not registered for refresh tokens (RFC 7591 §2) wants no `offline_access`, with
    which users would permit more than it gets. Raises an error of RFC 6749 §4.1.2.1, with which the browser goes back."""
    if given.get("response_type") != "code":
        raise UnsupportedResponseTypeError(given.get("response_type", ""))
    if not given.get("state"):
        raise InvalidRequestError("state is required.")
    if given.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(given.get("code_challenge", "")):
        raise InvalidRequestError("A code_challenge with the method S256 is required.")
    scopes = tuple(dict.fromkeys(given.get("scope", "").split()))
    if not scopes or not {*scopes} <= {*metadata["scope"].split()}:
        raise InvalidScopeError("scope must be some of the scopes that the application registered.")
    if not is_renewable(metadata):
        scopes = tuple(one for one in scopes if one != OFFLINE)
        if not scopes:
            raise InvalidScopeError(f"{OFFLINE} is for applications that registered the grant type refresh_token.")
    return Wanted(scopes, redirect_of(given, metadata), given["state"], given["code_challenge"])


def is_renewable(metadata: Mapping[str, Any]) -> bool:
    """Whether an application has registered for refresh tokens."""
    return "refresh_token" in metadata["grant_types"]


def read_exchange(given: Mapping[str, str], authorization: Sequence[bytes]) -> tuple[str, str, ByCode | ByRefresh]:
    """Id and secret of the application that asks for a token, and by what. Raises an error of RFC 6749 §5.2."""
    application, secret = authenticated(given, authorization)
    match given.get("grant_type"):
        case "authorization_code":
            verifier = given.get("code_verifier", "")
            if "code" not in given or "redirect_uri" not in given or not _VERIFIER.fullmatch(verifier):
                raise InvalidRequestError("code, redirect_uri and code_verifier are required.")
            return application, secret, ByCode(given["code"], given["redirect_uri"], create_s256_code_challenge(verifier))
        case "refresh_token" if "refresh_token" in given:
            return application, secret, ByRefresh(given["refresh_token"])
        case "refresh_token":
            raise InvalidRequestError("refresh_token is required.")
        case None:
            raise InvalidRequestError("grant_type is required.")
        case other:
            raise UnsupportedGrantTypeError(other)


def authenticated(given: Mapping[str, str], authorization: Sequence[bytes]) -> tuple[str, str]:
    """Id and secret of the application (client_secret_basic). Raises InvalidClientError and InvalidRequestError."""
    if len(authorization) != 1:
        raise InvalidClientError("The application authenticates by HTTP Basic.", status_code=401)
    shown = basic(authorization[0], given.get("client_id"))
    return shown.client, shown.secret


def not_granted() -> OAuth2Error:
    """The refusal of a code or a refresh token, whatever is wrong with it."""
    return InvalidGrantError("The code or token is not valid, was used before, or has expired.")


def not_known() -> OAuth2Error:
    """The refusal of an application, whatever is wrong with what it shows."""
    return InvalidClientError("The application is not known.", status_code=401)


def not_registered_for() -> OAuth2Error:
    """The refusal of a grant type that the application has not registered for (RFC 6749 §5.2)."""
    return UnauthorizedClientError("The application has not registered for refresh tokens (grant_types).")


def not_now(description: str) -> OAuth2Error:
    """The refusal of what would be one too many."""
    return OAuth2Error(description, error="temporarily_unavailable")


def refused_by_user() -> OAuth2Error:
    """What the application is told when the user said no."""
    return OAuth2Error("The user does not permit it.", error="access_denied")


def back(redirect: str, state: str, answer: OAuth2Error | str) -> str:
    """Where a browser goes back to with a code, or with an error; a query that the address has stays as it is (RFC 6749 §3.1.2)."""
    said = [("code", answer)] if isinstance(answer, str) else list(answer.get_body())
    joint = "?" if "?" not in redirect else "" if redirect[-1] in "?&" else "&"
    return redirect + joint + urlencode([*said, ("state", state)] if state else said)
