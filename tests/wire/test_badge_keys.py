"""Keys of badge issuers: sealed where they lie, rotated with an overlap, retired, compromised, and never shown."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from scimsrv.badges import jws, signing
from scimsrv.badges.places import Places
from scimsrv.keys import ServerKeys
from scimsrv.openbadges.signer import Signer
from scimsrv.sealing import keyring_of
from scimsrv.store import badge_keys, signatures
from tests.wire.admin_support import admin_api, assert_problem
from tests.wire.badges import Badges, badges
from tests.wire.support import PUBLIC, Server, Starter, assert_error


async def _jwt(made: Badges) -> jws.Token:
    user = await made.client.new_user()
    award = await made.award(user["id"], await made.achievement())
    return jws.read((await made.client.get(f"/Awards/{award['id']}/credential.jwt")).text)


async def _verdict(made: Badges, token: jws.Token) -> str:
    text = f"{token.signed.decode()}.{signing.to_base64url(token.signature)}"
    report = (await made.client.request("POST", "/badges/verify", content=text.encode())).json()
    return f"{report['signature']['verdict']} {report['issuerBinding']['verdict']}"


async def test_rotation(server: Server) -> None:
    """A new key is published before it signs; afterwards the old one signs nothing more, and what it signed still verifies."""
    made = await badges(server)
    first = await _jwt(made)
    async with admin_api(server.pool, server.settings) as admin:
        path = f"/tenants/{made.client.slug}/badge-keys"
        pending = (await admin.ask("POST", f"{path}/{made.issuer}/rotate", {"alg": "ES256", "overlap": 3600})).json()
        assert (pending["state"], pending["alg"]) == ("pending", "ES256")
        published = (await made.client.http.get(f"/badges/{made.client.slug}/issuers/{made.issuer}/jwks.json")).json()["keys"]
        assert [one["alg"] for one in published] == ["RS256", "ES256"]
        assert (await _jwt(made)).header["alg"] == "RS256"
        made_now = await admin.ask("POST", f"{path}/{made.issuer}/rotate", {"alg": "EdDSA", "overlap": 0})
        assert made_now.status_code == 201
        second = await _jwt(made)
        assert second.header["alg"] == "EdDSA"
        assert await _verdict(made, first) == await _verdict(made, second) == "valid proven"
        listed = (await admin.ask("GET", f"{path}?issuer={made.issuer}")).json()["keys"]
        assert [one["state"] for one in listed] == ["retired", "pending", "active"]
        retired = await admin.ask("POST", f"{path}/{made.issuer}/{pending['thumbprint']}/retire")
        assert retired.json()["state"] == "retired"
        assert (await admin.noted("badge-key.retire"))["subject"] == pending["thumbprint"]


async def test_a_key_is_not_compromised_in_time_to_come(server: Server) -> None:
    """A time to come is refused: until then whatever a thief signs would hold, by a key that administrators take for blocked."""
    made = await badges(server)
    token = await _jwt(made)
    async with admin_api(server.pool, server.settings) as admin:
        path = f"/tenants/{made.client.slug}/badge-keys/{made.issuer}/{token.header['kid'].rsplit('/', 1)[1]}/compromise"
        since = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        assert_problem(await admin.ask("POST", path, {"since": since}), 400, "time to come")
    assert await _verdict(made, token) == "valid proven"


@pytest.mark.parametrize("rotated", [0, 3600, None])
async def test_a_compromised_key(server: Server, rotated: int | None) -> None:
    """From the time on since which others have it a key counts for nothing: it is published no more, copies are invalid, and what is kept
    here is signed by the next key: one that signs already, one that was to sign later, or one that is made for it."""
    made = await badges(server)
    first = await _jwt(made)
    thumbprint = first.header["kid"].rsplit("/", 1)[1]
    since = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    async with admin_api(server.pool, server.settings) as admin:
        path = f"/tenants/{made.client.slug}/badge-keys/{made.issuer}"
        if rotated is not None:
            await admin.ask("POST", f"{path}/rotate", {"overlap": rotated})
        answer = await admin.ask("POST", f"{path}/{thumbprint}/compromise", {"since": since})
        assert answer.json()["state"] == "compromised", answer.text
        assert (await admin.noted("badge-key.compromise"))["subject"] == thumbprint
    assert await _verdict(made, first) == "invalid unproven"
    base = f"/badges/{made.client.slug}/issuers/{made.issuer}"
    assert (await made.client.http.get(f"{base}/keys/{thumbprint}")).status_code == 404
    assert thumbprint not in (await made.client.http.get("/.well-known/jwks.json")).text
    award = (await server.pool.fetchval("SELECT award FROM badge_credential WHERE tenant = $1", made.client.id)) or ""
    again = jws.read((await made.client.get(f"/Awards/{award}/credential.jwt")).text)
    assert (again.credential, again.header["kid"] != first.header["kid"]) == (first.credential, True)
    assert await _verdict(made, again) == "valid proven"
    status = again.credential["credentialStatus"]["statusListCredential"]
    list_ = await made.client.http.get(status.removeprefix(server.settings.base_url))
    assert await _verdict(made, jws.read(list_.text)) == "valid proven"


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("{issuer}/rotate", {"alg": "HS256"}, 400, "alg"),
        ("{issuer}/rotate", {"purpose": "proof", "alg": "RS256"}, 400, "EdDSA"),
        ("{issuer}/rotate", {"overlap": -1}, 400, "overlap"),
        ("nobody/rotate", {}, 404, "no issuer"),
        ("{issuer}/nothing/retire", None, 404, "no key"),
        ("{issuer}/nothing/compromise", {}, 404, "no key"),
    ],
)
async def test_what_is_refused(server: Server, path: str, body: Any, status: int, says: str) -> None:
    """Keys of other kinds, of nobody, or that there are not, are refused by name."""
    made = await badges(server)
    async with admin_api(server.pool, server.settings) as admin:
        where = f"/tenants/{made.client.slug}/badge-keys/{path.format(issuer=made.issuer)}"
        assert_problem(await admin.ask("POST", where, body), status, says)


async def test_private_keys_stay_here(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """The private half is in no answer and no log, and in the database only sealed for its row."""
    caplog.set_level("DEBUG")
    made = await badges(server)
    token = await _jwt(made)
    keyring = keyring_of(ServerKeys.load(server.settings))
    row = await server.pool.fetchrow("SELECT * FROM badge_key WHERE tenant = $1", made.client.id)
    assert row is not None
    key = await keyring.signing_key(server.pool, made.client.id, made.issuer, "token", lambda thumbprint, _: thumbprint)
    secret = orjson.loads(signing.private_text(key.key))["d"]
    assert signing.base64url(secret) not in row["sealed"]
    seen = [caplog.text, orjson.dumps(token.claims).decode(), repr(key), row["public"]]
    base = f"/badges/{made.client.slug}/issuers/{made.issuer}"
    seen += [(await made.client.http.get(base + rest)).text for rest in ("", "/jwks.json", "/did.json")]
    async with admin_api(server.pool, server.settings) as admin:
        seen.append((await admin.ask("GET", f"/tenants/{made.client.slug}/badge-keys")).text)
    assert not [text for text in seen if secret in text]
    await server.pool.execute("UPDATE badge_key SET issuer = 'other' WHERE tenant = $1", made.client.id)
    with pytest.raises(ValueError, match="sealed"):
        await keyring_of(ServerKeys.load(server.settings)).signing_key(server.pool, made.client.id, "other", "token", lambda t, _: t)


async def test_a_new_server_key(start: Starter) -> None:
    """After the server's own key was rotated, issuers' keys that were sealed under the old one still sign."""
    async with start() as server:
        made = await badges(server)
        first = await _jwt(made)
        row = await server.pool.fetchrow("SELECT thumbprint FROM badge_key WHERE tenant = $1", made.client.id)
    async with start(secret_key="1:" + "A" * 43 + ",2:" + "B" * 42 + "A") as server:
        keyring = keyring_of(ServerKeys.load(server.settings))
        key = await keyring.signing_key(server.pool, made.client.id, made.issuer, "token", lambda thumbprint, _: thumbprint)
        assert row is not None
        assert key.kid == row["thumbprint"] == first.header["kid"].rsplit("/", 1)[1]


async def test_the_first_key_is_made_once(server: Server) -> None:
    """Of several who need an issuer's first key at the same time one makes it, and the others use that one."""
    made = await badges(server)
    keyrings = [keyring_of(ServerKeys.load(server.settings)) for _ in range(8)]
    barrier = asyncio.Barrier(8)

    async def need(keyring: badge_keys.Keyring) -> str:
        await barrier.wait()
        found = await keyring.signing_key(server.pool, made.client.id, made.issuer, "token", lambda thumbprint, _: thumbprint)
        return found.kid

    assert len(set(await asyncio.gather(*map(need, keyrings)))) == 1
    assert await server.pool.fetchval("SELECT count(*) FROM badge_key WHERE tenant = $1", made.client.id) == 1


async def test_an_issuer_that_cannot_sign_holds_up_nobody(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Where an issuer's key cannot be opened, its credentials wait and the reason is in the log; those of others are signed."""
    made = await badges(server)
    await _jwt(made)
    await server.pool.execute("UPDATE badge_key SET sealed = 'x' WHERE tenant = $1", made.client.id)
    await server.app.badges.signer.stop()
    other = await made.new("BadgeIssuer", displayName="Another")
    user = (await made.client.new_user())["id"]
    for issuer in (made.issuer, other):
        await made.award(user, await made.achievement(creator={"value": issuer}))
    signer = Signer(server.app.pool, keyring_of(ServerKeys.load(server.settings)))
    signer.start()
    signer.wake()
    unsigned = "SELECT array_agg(issuer) FROM badge_credential WHERE tenant = $1 AND jwt IS NULL"
    try:
        async with asyncio.timeout(10):
            while await server.pool.fetchval(unsigned, made.client.id) != [made.issuer]:
                await asyncio.sleep(0.05)
    finally:
        await signer.stop()
    assert f"issuer {made.issuer}" in caplog.text


async def test_a_credential_that_cannot_be_signed(server: Server) -> None:
    """It is set aside with the reason while the others of its batch are signed; it is seen, counted, tried again, and answered 409 until
    it can be signed."""
    made = await badges(server)
    await _jwt(made)
    user = (await made.client.new_user())["id"]
    await server.app.badges.signer.stop()
    awards = [(await made.award(user, await made.achievement()))["id"] for _ in range(4)]
    broken = [awards[0], awards[2]]
    sound = await server.pool.fetchval("SELECT credential FROM badge_credential WHERE award = $1", awards[2])
    await server.pool.execute(
        "UPDATE badge_credential SET credential = regexp_replace(credential, 'Z\"', '.5Z\"', 'g') WHERE award = $1", awards[0]
    )
    await server.pool.execute("UPDATE badge_credential SET credential = '{}' WHERE award = $1", awards[2])
    keyring = keyring_of(ServerKeys.load(server.settings))
    due = "SELECT array_agg(award ORDER BY created) FROM badge_credential WHERE tenant = $1 AND jwt IS NULL"
    for _ in range(2):  # the second time none is due
        assert await signatures.sign_waiting(server.pool, keyring, made.client.id, made.issuer) is False
        assert await server.pool.fetchval(due, made.client.id) == broken
    assert (made.client.id, made.issuer) not in await signatures.issuers_with_unsigned(server.pool)
    async with admin_api(server.pool, server.settings) as admin:
        listed = (await admin.ask("GET", f"/tenants/{made.client.slug}/badges/unsigned")).json()["credentials"]
    assert {one["award"]: one["failures"] for one in listed} == dict.fromkeys(broken, 1)
    assert {one["award"]: one["problem"] for one in listed}[awards[2]] == "it is not a credential with an issuer"
    assert "whole seconds" in {one["award"]: one["problem"] for one in listed}[awards[0]]
    assert_error(await made.client.get(f"/Awards/{awards[2]}/credential.jwt"), 409, says="cannot be signed: it is not a credential")
    await server.pool.execute("UPDATE badge_credential SET credential = $2, again = now() WHERE award = $1", awards[2], sound)
    await signatures.sign_waiting(server.pool, keyring, made.client.id, made.issuer)
    assert await server.pool.fetchval(due, made.client.id) == awards[:1]


async def test_the_last_key_is_retired(server: Server) -> None:
    """The next one is made: credentials and status lists have to be signed for as long as there are any."""
    made = await badges(server)
    first = await _jwt(made)
    thumbprint = first.header["kid"].rsplit("/", 1)[1]
    async with admin_api(server.pool, server.settings) as admin:
        path = f"/tenants/{made.client.slug}/badge-keys"
        assert (await admin.ask("POST", f"{path}/{made.issuer}/{thumbprint}/retire")).json()["state"] == "retired"
        listed = (await admin.ask("GET", f"{path}?issuer={made.issuer}")).json()["keys"]
        assert [(one["state"], one["alg"]) for one in listed] == [("retired", "RS256"), ("active", "RS256")]
    assert (await _jwt(made)).header["kid"] != first.header["kid"]
    assert await _verdict(made, first) == "valid proven"
    award = jws.read(first.signed.decode() + "." + signing.to_base64url(first.signature)).credential
    status = await made.client.http.get("/badges/" + award["credentialStatus"]["statusListCredential"].split("/badges/")[1])
    assert status.status_code == 200


@pytest.mark.parametrize("meanwhile", ["replaced", "compromised"])
async def test_what_is_signed_while_it_changes(server: Server, meanwhile: str) -> None:
    """A signature over what was replaced meanwhile, or by a key that was given up, is not stored: a forgotten person stays forgotten."""
    made = await badges(server)
    await _jwt(made)
    await server.app.badges.signer.stop()
    award = await made.award((await made.client.new_user())["id"], await made.achievement())
    own = keyring_of(ServerKeys.load(server.settings))
    found = own.signing_key

    async def slow(db: Any, *place: Any) -> signing.SigningKey:
        key = await found(db, *place)
        if meanwhile == "replaced":
            await server.pool.execute(
                "UPDATE badge_credential SET credential = replace(credential, 'validFrom', 'changed') WHERE award = $1", award["id"]
            )
        else:
            await badge_keys.compromise_key(db, made.client.id, made.issuer, key.kid.rsplit("/", 1)[1], datetime.now(UTC))
            await badge_keys.unsign(db, made.client.id, made.issuer, key.kid.rsplit("/", 1)[1])
        return key

    own.signing_key = slow  # type: ignore[method-assign, assignment]
    await signatures.sign_waiting(server.pool, own, made.client.id, made.issuer)
    assert await server.pool.fetchval("SELECT jwt FROM badge_credential WHERE award = $1", award["id"]) is None


async def test_a_status_list_that_is_signed_while_its_key_is_given_up(server: Server) -> None:
    """It is signed anew by the next key, and nobody is given the other one: that key signs nothing that counts any more."""
    made = await badges(server)
    first = await _jwt(made)
    own = keyring_of(ServerKeys.load(server.settings))
    found, given_up = own.signing_key, first.header["kid"].rsplit("/", 1)[1]

    async def slow(db: Any, *place: Any) -> signing.SigningKey:
        key = await found(db, *place)
        await own.add(db, made.client.id, made.issuer, "token", "ES256", 0)
        await badge_keys.compromise_key(db, made.client.id, made.issuer, given_up, datetime.now(UTC))
        return key

    own.signing_key = slow  # type: ignore[method-assign, assignment]
    places = Places(PUBLIC, made.client.slug)
    token = await signatures.status_token(server.pool, own, made.client.id, places, made.issuer, 1)
    stored = await server.pool.fetchval("SELECT jwt FROM badge_status_list WHERE tenant = $1 AND issuer = $2", made.client.id, made.issuer)
    assert token == stored
    assert not jws.read(stored).header["kid"].endswith(given_up)
