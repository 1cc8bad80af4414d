"""What the server issues verifies elsewhere, and what others issue is read here: compared with a stock verifier in its own process."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from joserfc.jwk import import_key

from scimsrv.badges import jws, signing
from tests.unit.badges.test_verification import CREDENTIAL
from tests.wire.admin_support import admin_api
from tests.wire.badges import badges
from tests.wire.support import Server
from tests.wire.test_credentials import PIXEL, SVG


def _ask(*checks: dict[str, Any]) -> list[str]:
    """The stock verifier's answers."""
    script = str(Path(__file__).parent / "stock_verifier.py")
    run = subprocess.run([sys.executable, script], input=json.dumps(checks), capture_output=True, text=True, timeout=60, check=True)
    answers: list[str] = json.loads(run.stdout)
    return answers


def _pem(jwk: dict[str, Any]) -> str:
    key = import_key({name: value for name, value in jwk.items() if name in ("kty", "crv", "n", "e", "x", "y")})
    return key.as_pem(private=False).decode()  # type: ignore[union-attr]  # every asymmetric key has that form


@pytest.mark.parametrize("alg", signing.ALGORITHMS)
async def test_our_tokens_verify_elsewhere(server: Server, alg: str) -> None:
    """A token of each algorithm verifies with the published key, before and not after its revocation, and not when it is altered."""
    made = await badges(server)
    async with admin_api(server.pool, server.settings) as admin:
        await admin.ask("POST", f"/tenants/{made.client.slug}/badge-keys/{made.issuer}/rotate", {"alg": alg, "overlap": 0})
    user = await made.client.new_user(emails=[{"value": "ada@example.com"}])
    award = await made.award(user["id"], await made.achievement())
    token = (await made.client.get(f"/Awards/{award['id']}/credential.jwt")).text
    taken = jws.read(token)
    keys = await made.client.http.get(taken.header["kid"].removeprefix(server.settings.base_url))
    url = taken.credential["credentialStatus"]["statusListCredential"].removeprefix(server.settings.base_url)
    check = {"token": token, "pem": _pem(keys.json())}
    before = (await made.client.http.get(url)).text
    await made.client.patch(f"/Awards/{award['id']}", {"op": "replace", "value": {"status": "revoked", "revocationReason": "x"}})
    after = (await made.client.http.get(url)).text
    valid, listed, revoked, altered = _ask(
        {"check": "token"} | check,
        {"check": "status", "list": before} | check,
        {"check": "status", "list": after} | check,
        {"check": "token"} | check | {"token": token[:-8] + ("AAAAAAAA" if not token.endswith("AAAAAAAA") else "BBBBBBBB")},
    )
    assert (valid, listed) == ("valid", "valid")
    assert "is set at index" in revoked
    assert altered.startswith("refused")


async def test_our_documents_and_pictures_elsewhere(server: Server) -> None:
    """Embedded proofs verify, and pictures give the token back."""
    made = await badges(server)
    achievement = await made.achievement()
    award = await made.award((await made.client.new_user())["id"], achievement)
    document = (await made.client.get(f"/Awards/{award['id']}/credential.json")).json()
    method = document["proof"][0]["verificationMethod"].rpartition("#")[2]
    checks: list[dict[str, Any]] = [{"check": "document", "document": document, "pem": _pem(signing.jwk_of(method))}]
    checks.append(checks[0] | {"document": document | {"name": "Another"}})
    for picture, name in ((PIXEL, "badge.png"), (SVG, "badge.svg")):
        await made.client.request("PUT", f"/Achievements/{achievement}/image", content=picture)
        baked = (await made.client.get(f"/Awards/{award['id']}/{name}")).content
        checks.append({"check": "extract", "picture": base64.b64encode(baked).decode()})
    valid, altered, *extracted = _ask(*checks)
    assert valid == "valid"
    assert altered.startswith("refused")
    assert set(extracted) == {(await made.client.get(f"/Awards/{award['id']}/credential.jwt")).text}


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
async def test_their_tokens_here(server: Server, alg: str) -> None:
    """A token that the stock signer makes, with its key in the header, has a valid signature here, and proves nothing of the issuer."""
    made = await badges(server)
    private = signing.new_key(alg).as_pem(private=True).decode()
    (token,) = _ask({"check": "sign", "alg": alg, "private": private, "payload": jws.claims_of(CREDENTIAL)})
    report = (await made.client.request("POST", "/badges/verify", content=token.encode())).json()
    assert (report["signature"]["verdict"], report["issuerBinding"]["verdict"]) == ("valid", "unproven"), report
    assert orjson.loads(signing.base64url(token.split(".")[0]))["alg"] == alg
