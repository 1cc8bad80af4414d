"""Two servers know the same clients and trusts: what one is told ends at the other within a second, and an assertion is used once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.distributed.site import Site
from tests.processes import run
from tests.wire.oauth_support import ASSERTION, RSA, Issuer, ask, public_keys
from tests.wire.support import PUBLIC, Client, until_seen

#: Requests after which every worker of a server has met some, each over a connection of its own.
_EVERY_WORKER = 12


@pytest.fixture
async def pair(site: Site, http: httpx.AsyncClient) -> tuple[Client, Client]:
    """Return clients of a fresh tenant, one for each server."""
    one, other = await site.tenant(http)
    return one, other


def _command(site: Site, folder: Path, *arguments: str) -> Any:
    done = run(*arguments, "--json", cwd=folder, **site.settings)
    assert done.returncode == 0, done.stderr
    return orjson.loads(done.stdout)


async def _token(client: Client, **parameters: str) -> httpx.Response:
    return await ask(client.http, client.base.removesuffix("/v2") + "/oauth/token", {"grant_type": "client_credentials"} | parameters)


async def _statuses(pair: tuple[Client, Client], token: str) -> set[int]:
    """What all workers answer to a token."""
    answers = await asyncio.gather(*(client.with_token(token).get("/Users", count=0) for client in pair for _ in range(_EVERY_WORKER)))
    return {answer.status_code for answer in answers}


async def test_access_tokens_are_good_at_both_until_they_are_not(site: Site, pair: tuple[Client, Client], tmp_path: Path) -> None:
    """A token that one server issued opens the other; revoked and suspended, it opens no worker of either after a second."""
    slug = pair[0].slug
    made = _command(site, tmp_path, "client", "create", "--tenant", slug, "--label", "pair")
    answer = await _token(pair[0], client_id=made["id"], client_secret=made["secret"])
    assert answer.status_code == 200, answer.text
    token = answer.json()["access_token"]
    assert await _statuses(pair, token) == {200}
    for command, status in (("suspend", 403), ("resume", 200)):
        done = run("tenant", command, slug, cwd=tmp_path, **site.settings)
        assert done.returncode == 0, done.stderr
        await until_seen(asyncio.get_running_loop().time())
        assert await _statuses(pair, token) == {status}
    _command(site, tmp_path, "client", "revoke", "--tenant", slug, made["id"])
    await until_seen(asyncio.get_running_loop().time())
    assert await _statuses(pair, token) == {401}
    assert {(await _token(client, client_id=made["id"], client_secret=made["secret"])).status_code for client in pair} == {401}


async def test_trusted_tokens_are_good_at_both_until_they_are_not(site: Site, pair: tuple[Client, Client], tmp_path: Path) -> None:
    """A token of a trusted issuer opens both servers, and neither a second after the trust has ended."""
    slug = pair[0].slug
    keys = tmp_path / "keys.json"
    keys.write_bytes(orjson.dumps(public_keys(RSA)))
    issuer = Issuer()
    named = ("--issuer", issuer.issuer, "--audience", issuer.audience, "--pin", "azp=app-1", "--jwks", str(keys), "--use", "bearer")
    trust = _command(site, tmp_path, "trust", "add", "--tenant", slug, *named)
    token = issuer.token()
    await until_seen(asyncio.get_running_loop().time())
    assert await _statuses(pair, token) == {200}
    _command(site, tmp_path, "trust", "remove", "--tenant", slug, trust["id"])
    await until_seen(asyncio.get_running_loop().time())
    assert await _statuses(pair, token) == {401}


async def test_an_assertion_is_used_once_at_both(site: Site, pair: tuple[Client, Client], tmp_path: Path) -> None:
    """Of many uses of one assertion at the same time, over all workers of both servers, one gets a token."""
    slug = pair[0].slug
    keys = tmp_path / "keys.json"
    keys.write_bytes(orjson.dumps(public_keys(RSA)))
    made = _command(site, tmp_path, "client", "create", "--tenant", slug, "--jwks", str(keys))
    signer = Issuer(made["id"], f"{PUBLIC}/scim/{slug}", {"sub": made["id"]})
    for _ in range(3):
        shown = {"client_assertion_type": ASSERTION, "client_assertion": signer.token(exp=int(time.time()) + 60)}
        answers = await asyncio.gather(*(_token(pair[number % 2], **shown) for number in range(16)))
        assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 15}
