"""Who may do what: every route with every method under every kind of credential; only an allow-list is open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from scimsrv import tokens
from tests.wire.support import SEARCH, Client, Server, assert_error, group, patch, user

#: What has rules of its own beyond the credential.
_OTHERS = [
    "/.requests/0123456789abcdef0123456789abcdef",
    "/.audit",
    "/.audit/rows",
    "/Awards/{user}/badge.png",
    "/Achievements/{user}/image",
    "/badges/verify",
    "/badges/extract",
    "/ims/ob/v3p0/credentials",
    "/ims/ob/v3p0/profile",
]
_ROUTES = [
    *_OTHERS,
    "",
    "/",
    "/.search",
    "/Users",
    "/Users/",
    "/Users/.search",
    "/Users/{user}",
    "/Groups",
    "/Groups/.search",
    "/Groups/{group}",
    "/Schemas",
    "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User",
    "/ResourceTypes",
    "/ResourceTypes/User",
    "/ServiceProviderConfig",
    "/Bulk",
    "/Me",
    "/Unknown",
    "/Unknown/1",
]
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
_OPEN = {("GET", "/ServiceProviderConfig"), ("HEAD", "/ServiceProviderConfig"), ("OPTIONS", "/ServiceProviderConfig")}

#: A JWT without a signature (RFC 7515 appendix A.5 has its like).
_UNSIGNED = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJpc3MiOiJodHRwczovL3NjaW0uZXhhbXBsZS5jb20iLCJzdWIiOiJhZGEiLCJleHAiOjk5OTk5OTk5OTl9."

Headers = Sequence[tuple[str, str]]
Answers = dict[tuple[str, str], httpx.Response]


async def ask_everything(client: Client, headers: Headers) -> Answers:
    """The answer of every route to every method, in the name of whoever these headers say."""
    full = client
    ada = (await full.new_user())["id"]
    admins = (await full.new_group(ada))["id"]
    anonymous = client.with_token(None)
    found: Answers = {}
    for route in _ROUTES:
        for method in _METHODS:
            path = route.format(user=ada, group=admins)
            body: object = None
            if method == "PATCH":
                body = patch({"op": "replace", "path": "displayName", "value": "changed"})
            elif route.endswith(".search"):
                body = {"schemas": [SEARCH]}
            elif method in ("POST", "PUT"):
                body = user() if "Users" in route else group()
            found[method, route] = await anonymous.request(method, path, body, headers=headers)
    return found


def _bearer(token: str) -> Headers:
    return [("Authorization", f"Bearer {token}")]


async def _count(server: Server, client: Client) -> list[int]:
    rows = await server.pool.fetchrow("SELECT count(*), sum(version)::int FROM resource WHERE tenant = $1", client.id)
    assert rows is not None
    return list(rows)


async def test_without_credentials_nothing_but_the_allow_list_is_open(client: Client) -> None:
    """Only ServiceProviderConfig answers; everything else is 401 with a challenge."""
    for (method, route), answer in (await ask_everything(client, [])).items():
        if (method, route) in _OPEN:
            assert answer.is_success, (method, route)
        elif route == "/ServiceProviderConfig":
            assert answer.status_code == 405
        else:
            assert answer.status_code == 401, (method, route)
            assert answer.headers["www-authenticate"] == 'Bearer realm="scim"'


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", "Bearer")],
        _bearer("x"),
        [("Authorization", "Basic YWRhOmFkYQ==")],
        _bearer("x" * 20_000),
        _bearer("e" * 70_000),
        _bearer(tokens.new_token().text),
        _bearer(tokens.new_token(tokens.SECRET).text),
        [("Authorization", tokens.new_token(tokens.SECRET).text)],
        _bearer(_UNSIGNED),
        _bearer(f"{_UNSIGNED}c2lnbmF0dXJl"),
        [("Authorization", "Basic c2NjXzAwMDAwMDAwMDAwMDAwMDA6c2NrX3g=")],
    ],
    ids=["no token", "x", "Basic", "20 kB", "70 kB", "never issued", "secret", "bare secret", "unsigned", "forged", "client by Basic"],
)
async def test_a_bad_credential_opens_nothing(server: Server, client: Client, headers: Headers) -> None:
    """A header that names no live token is 401 everywhere, on the open endpoint too: a failed credential is not ignored."""
    for (method, route), answer in (await ask_everything(client, headers)).items():
        assert answer.status_code == 401, (method, route)
        assert answer.headers["www-authenticate"].startswith('Bearer realm="scim"')
    assert await _count(server, client) == [2, 2]


async def test_two_headers_are_refused(client: Client) -> None:
    """Two Authorization headers are 400 on every route, even when one of them or both are good: nobody picks one."""
    assert client.token is not None
    for answer in (await ask_everything(client, [*_bearer(client.token), *_bearer("x")])).values():
        assert answer.status_code == 400
    for headers in ([*_bearer(client.token)] * 2, [*_bearer("x"), *_bearer(client.token)]):
        assert_error(await client.with_token(None).request("GET", "/Users", headers=headers), 400, None, "given twice")


async def test_dead_tokens_open_nothing(server: Server, client: Client) -> None:
    """Expired and revoked tokens are 401 everywhere."""
    expired = await server.token(client, expires=datetime.now(UTC) - timedelta(seconds=1))
    revoked = await server.token(client)
    await server.pool.execute("DELETE FROM credential WHERE kid = $1", revoked.split("_")[1])
    for token in (expired, revoked):
        for key, answer in (await ask_everything(client, _bearer(token))).items():
            assert answer.status_code == 401, key
            assert answer.headers["www-authenticate"] == 'Bearer realm="scim", error="invalid_token"'


async def test_another_tenants_token_finds_nothing(server: Server, client: Client) -> None:
    """A good token of another tenant gets 404 on every route, and nothing is changed."""
    other = await server.tenant()
    assert other.token is not None
    for key, answer in (await ask_everything(client, _bearer(other.token))).items():
        assert answer.status_code == 404, key
    assert await _count(server, client) == [2, 2]


async def test_a_token_for_reading(server: Server, client: Client) -> None:
    """A token that may read gets 403 for whatever writes, and for the audit trail, and changes nothing."""
    answers = await ask_everything(client, _bearer(await server.token(client, "scim:read")))
    writes = {("POST", "/Users"), ("POST", "/Users/"), ("POST", "/Groups")}
    writes |= {(method, route) for method in ("PUT", "PATCH", "DELETE") for route in ("/Users/{user}", "/Groups/{group}")}
    writes |= {("POST", "/Bulk")}
    trail = {(method, path) for method in ("GET", "HEAD") for path in ("/.audit", "/.audit/rows")}
    assert {key for key, answer in answers.items() if answer.status_code == 403} == writes | trail
    assert not [key for key, answer in answers.items() if answer.status_code == 401]
    reads = {"/Users", "/Users/{user}", "/Groups", "/Groups/{group}", "/Schemas", "/ResourceTypes", "/ServiceProviderConfig", ""}
    assert all(answers[method, route].status_code == 200 for route in reads for method in ("GET", "HEAD"))
    assert all(answers["POST", route].status_code == 200 for route in ("/.search", "/Users/.search", "/Groups/.search"))
    assert await _count(server, client) == [2, 2]


async def test_a_token_for_writing(server: Server, client: Client) -> None:
    """A token that may write gets 403 for whatever reads: searches by POST are reading."""
    answers = await ask_everything(client, _bearer(await server.token(client, "scim:write")))
    for route in _ROUTES:
        if not route.startswith("/Unknown") and not route.endswith(".search") and route not in ("/Bulk", "/Me", *_OTHERS):
            assert {answers[method, route].status_code for method in ("GET", "HEAD")} == {403}, route
    assert {answers["POST", route].status_code for route in ("/.search", "/Users/.search")} == {403}
    assert answers["POST", "/Users"].status_code == 201
    assert answers["DELETE", "/Users/{user}"].status_code == 204


async def test_unknown_scopes_grant_nothing(server: Server, client: Client) -> None:
    """A scope that this server does not enforce gives no right to anything."""
    token = await server.token(client, "scim:unknown")
    assert_error(await client.with_token(token).get("/Users"), 403, None, "scim:read")
    assert_error(await client.with_token(token).post("/Users", user()), 403, None, "scim:write")


@pytest.mark.parametrize("form", ["{}", "Bearer {}", "bearer {}", "BEARER {}", "Bearer  {} "])
async def test_forms_of_a_good_header(client: Client, form: str) -> None:
    """The scheme is compared without case; a token of ours alone is accepted too, as one client sends it."""
    headers = [("Authorization", form.format(client.token))]
    assert (await client.with_token(None).request("GET", "/Users", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "value", ["", " ", "Bearer ", "x", "Digest username=ada", "Bearer éé", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."]
)
async def test_odd_headers(client: Client, value: str) -> None:
    """Headers of other schemes, of no scheme, without a token or with one that nobody could have issued are 401, whoever else vouches."""
    headers = {"Authorization": value, "Cookie": "session=x", "X-Forwarded-User": "ada"}
    for path in ("/Users", "/ServiceProviderConfig"):
        assert_error(await client.with_token(None).request("GET", path, headers=headers), 401)


@pytest.mark.parametrize("form", ["Basic {}", "Token {}", "{}x", "x{}", "{0} {0}", "Bearer Bearer {}", "Bearer {},", "Bearer\t{}"])
async def test_forms_of_a_header_that_are_refused(client: Client, form: str) -> None:
    """A good token in another wrapping is not looked for."""
    headers = [("Authorization", form.format(client.token))]
    assert_error(await client.with_token(None).request("GET", "/Users", headers=headers), 401)


async def test_the_length_of_the_header(client: Client) -> None:
    """A header up to the limit is read, however odd; beyond it is refused and not cut."""
    padded = f"Bearer {client.token}"
    at = padded + " " * (16_384 - len(padded))
    anonymous = client.with_token(None)
    assert (await anonymous.request("GET", "/Users", headers=[("Authorization", at)])).status_code == 200
    assert_error(await anonymous.request("GET", "/Users", headers=[("Authorization", at + " ")]), 401, None, "too long")


async def test_tokens_in_other_places_are_not_looked_for(client: Client) -> None:
    """A token in the query, in a cookie or in the body is none."""
    anonymous = client.with_token(None)
    assert_error(await anonymous.get("/Users", access_token=client.token), 401)
    assert_error(await anonymous.request("GET", "/Users", headers={"Cookie": f"token={client.token}"}), 401)
    assert_error(await anonymous.request("GET", "/Users", headers={"X-Api-Key": f"{client.token}"}), 401)
