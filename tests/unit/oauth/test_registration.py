"""What applications say of themselves, and of what they want: each rule with what breaks it."""

from __future__ import annotations

from typing import Any

import pytest
from authlib.oauth2.base import OAuth2Error

from scimsrv.oauth.asking import parameters
from scimsrv.oauth.authorization import back, query_of, read_authorization, read_exchange, refused_by_user
from scimsrv.oauth.registration import read_registration
from scimsrv.openbadges.description import ALL_SCOPES, KEEP, READ
from scimsrv.store.applications import OFFLINE

METADATA: dict[str, Any] = {
    "client_name": "Backpack",
    "client_uri": "https://app.example/",
    "logo_uri": "https://app.example/logo.png",
    "tos_uri": "https://app.example/terms",
    "policy_uri": "https://app.example/privacy",
    "software_id": "c88b6ed8",
    "software_version": "1.0",
    "redirect_uris": ["https://app.example/back?x=1"],
    "scope": f"{READ} {OFFLINE}",
}


def _at(host: str) -> dict[str, Any]:
    """Metadata whose URLs are all of this host."""
    names = ("client_uri", "logo_uri", "tos_uri", "policy_uri")
    return dict.fromkeys(names, f"https://{host}/") | {"redirect_uris": [f"https://{host}/back"]}


ASKED = {
    "response_type": "code",
    "client_id": "sba_a",
    "redirect_uri": "https://app.example/back?x=1",
    "scope": READ,
    "state": "s",
    "code_challenge": "a" * 43,
    "code_challenge_method": "S256",
}


REGISTERED = read_registration(METADATA, ALL_SCOPES)
RENEWABLE = read_registration(METADATA | {"grant_types": ["authorization_code", "refresh_token"]}, ALL_SCOPES)


def test_what_is_registered() -> None:
    """What is left out has the defaults of RFC 7591 §2, and what is not known is not kept."""
    made = read_registration(METADATA | {"jwks_uri": "https://app.example/keys", "contacts": ["a@app.example"]}, ALL_SCOPES)
    defaults = {"token_endpoint_auth_method": "client_secret_basic", "grant_types": ["authorization_code"], "response_types": ["code"]}
    assert made == METADATA | defaults | {"contacts": ["a@app.example"]}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        *(({name: None}, "invalid_client_metadata") for name in METADATA),
        ({"client_name": 5}, "invalid_client_metadata"),
        ({"client_name": "a\nb"}, "invalid_client_metadata"),
        ({"client_name": "x" * 501}, "invalid_client_metadata"),
        ({"redirect_uris": "https://app.example/back"}, "invalid_client_metadata"),
        ({"redirect_uris": ["https://app.example/back"] * 11}, "invalid_client_metadata"),
        ({"redirect_uris": ["https://other.example/back"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://app.example/back"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://app.example/back#x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://eve@app.example/back"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://app.example/a b"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://app.example/zur\u00fcck"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://app.example/a\\b"]}, "invalid_redirect_uri"),
        *(
            (_at(host), "invalid_client_metadata")
            for host in ("app.example; frame-ancestors *", "eve.example\\.app.example", "b\u00fccher.example")
        ),
        ({"logo_uri": "https://other.example/logo.png"}, "invalid_client_metadata"),
        ({"tos_uri": "http://app.example/terms"}, "invalid_client_metadata"),
        ({"policy_uri": "javascript:alert(1)"}, "invalid_client_metadata"),
        ({"scope": f"{READ} scim:write"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "none"}, "invalid_client_metadata"),
        ({"grant_types": ["authorization_code", "implicit"]}, "invalid_client_metadata"),
        ({"grant_types": ["refresh_token"]}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
    ],
)
def test_what_is_not_registered(change: dict[str, Any], error: str) -> None:
    """Every field of the standard is needed, all URLs are https and of one host, and nothing beyond the code grant is to be had."""
    with pytest.raises(OAuth2Error) as refused:
        read_registration(METADATA | change, ALL_SCOPES)
    assert refused.value.error == error


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"state": ""}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": "a" * 42}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": f"{READ} {KEEP}"}, "invalid_scope"),
        ({"scope": OFFLINE}, "invalid_scope"),
        ({"redirect_uri": "https://app.example/back"}, "invalid_request"),
    ],
)
def test_what_is_not_asked(change: dict[str, str], error: str) -> None:
    """PKCE with S256, a state, an exact redirect_uri and registered scopes are what a request needs."""
    assert read_authorization(ASKED, REGISTERED).scopes == (READ,)
    with pytest.raises(OAuth2Error) as refused:
        read_authorization(ASKED | change, REGISTERED)
    assert refused.value.error == error


@pytest.mark.parametrize(("metadata", "scopes"), [(REGISTERED, (READ,)), (RENEWABLE, (READ, OFFLINE))])
def test_who_may_refresh(metadata: dict[str, Any], scopes: tuple[str, ...]) -> None:
    """A user is asked for access without the user by applications alone that registered for refresh tokens."""
    assert read_authorization(ASKED | {"scope": f"{READ} {OFFLINE}"}, metadata).scopes == scopes


@pytest.mark.parametrize(
    ("given", "header", "error"),
    [
        ({"grant_type": "authorization_code"}, [], "invalid_client"),
        ({"grant_type": "authorization_code"}, [b"Bearer x"], "invalid_client"),
        ({}, [b"Basic YTpi"], "invalid_request"),
        ({"grant_type": "password"}, [b"Basic YTpi"], "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, [b"Basic YTpi"], "invalid_request"),
        ({"grant_type": "authorization_code", "code": "c", "redirect_uri": "r"}, [b"Basic YTpi"], "invalid_request"),
        ({"grant_type": "authorization_code", "code": "c", "redirect_uri": "r", "code_verifier": "x"}, [b"Basic YTpi"], "invalid_request"),
    ],
)
def test_what_is_not_exchanged(given: dict[str, str], header: list[bytes], error: str) -> None:
    """An application authenticates itself by HTTP Basic and shows a verifier."""
    with pytest.raises(OAuth2Error) as refused:
        read_exchange(given, header)
    assert refused.value.error == error


def test_the_way_back() -> None:
    """Code or error go to the redirect_uri beside what that has already, with the state as it came."""
    assert back("https://app.example/back?x=1", "a b&c", "soc_1") == "https://app.example/back?x=1&code=soc_1&state=a+b%26c"
    assert back("https://app.example/back?a=b/c;d&e=%20", "s", "c") == "https://app.example/back?a=b/c;d&e=%20&code=c&state=s"
    assert back("https://app.example/back", "s", refused_by_user()).startswith("https://app.example/back?error=access_denied&")


def test_what_no_column_takes() -> None:
    """The character U+0000, which the database has no place for, is refused wherever it may come."""
    form = "application/x-www-form-urlencoded"
    for read in (
        lambda: query_of(b"client_id=a%00"),
        lambda: parameters(form, b"code=a%00"),
        lambda: read_exchange({"grant_type": "refresh_token", "refresh_token": "r"}, [b"Basic YSUwMDpi"]),
    ):
        with pytest.raises(OAuth2Error):
            read()
