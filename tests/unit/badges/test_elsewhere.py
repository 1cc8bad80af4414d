"""Issuers of other servers: where their keys are looked for, and what is proven by what is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pytest

from scimsrv.badges import jws, signing
from scimsrv.badges.base58 import multikey
from scimsrv.badges.elsewhere import UnknownKeyError, whereabouts
from scimsrv.badges.integrity import prove
from scimsrv.badges.signing import SigningKey
from scimsrv.oauth.fetching import Fetcher, FetchError
from scimsrv.openbadges.office import Office
from tests.unit.badges.test_verification import CANONICALIZER
from tests.unit.badges.test_verification import CREDENTIAL as DATED
from tests.unit.badges.web import Web

CREDENTIAL = {name: value for name, value in DATED.items() if name != "validUntil"}
HOST = "issuers.example"
ISSUER = f"https://{HOST}/issuers/1"
OTHER = f"https://{HOST}/issuers/2"
SET = f"https://{HOST}/.well-known/jwks.json"
DID = f"did:web:{HOST}:issuers:1"
DOCUMENT = f"https://{HOST}/issuers/1/did.json"

TOKEN_KEY, PROOF_KEY = signing.new_key("ES256"), signing.new_key("EdDSA")
JWK, MULTIKEY = signing.public_jwk(TOKEN_KEY), signing.multikey_of(signing.public_jwk(PROOF_KEY))
KID = f"https://{HOST}/keys/1"


def _token(issuer: str = ISSUER, kid: str = KID) -> bytes:
    return jws.sign(CREDENTIAL | {"issuer": {"id": issuer, "type": ["Profile"]}}, SigningKey("ES256", kid, TOKEN_KEY)).encode()


def _brought(issuer: str = ISSUER) -> bytes:
    """A token that brings its key along and names none."""
    head = signing.to_base64url(orjson.dumps({"alg": "ES256", "jwk": JWK}))
    body = signing.to_base64url(orjson.dumps(jws.claims_of(CREDENTIAL | {"issuer": {"id": issuer, "type": ["Profile"]}})))
    signed = f"{head}.{body}"
    return f"{signed}.{signing.to_base64url(SigningKey('ES256', '', TOKEN_KEY).sign(signed.encode()))}".encode()


def _proof(issuer: str = ISSUER, method: str = "#1") -> bytes:
    whole = issuer + method if method.startswith("#") else method
    document = CREDENTIAL | {"issuer": {"id": issuer, "type": ["Profile"]}}
    return orjson.dumps(prove(document, SigningKey("EdDSA", whole, PROOF_KEY), "2026-01-31T09:00:00Z", CANONICALIZER))


def _set(*keys: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"keys": keys})


def _document(id_: str = ISSUER, key: Mapping[str, Any] | None = None, **change: Any) -> bytes:
    method: dict[str, Any] = {"id": f"{id_}#1", "type": "Multikey", "controller": id_, "publicKeyMultibase": MULTIKEY} | dict(key or {})
    return orjson.dumps({"id": id_, "verificationMethod": [method], "assertionMethod": [f"{id_}#1"]} | change)


OWN, ITS = JWK | {"kid": KID, "iss": ISSUER}, JWK | {"kid": KID, "iss": OTHER}
UNKNOWN, VALID = "cannot verify", "valid"


@pytest.mark.parametrize(
    ("payload", "url", "page", "verdicts", "says"),
    [
        (_token(), SET, _set(OWN), (VALID, "proven"), "the JWK set of the issuer's authority"),
        (_token(), SET, _set(JWK | {"kid": KID}), (VALID, "proven"), "the JWK set of the issuer's authority"),
        (_token(), SET, _set(ITS, OWN), (VALID, "proven"), "the JWK set of the issuer's authority"),
        (_token(), SET, _set(ITS), (VALID, "contradicted"), OTHER),
        (_token(), SET, _set(JWK | {"kid": "urn:x:1"}), (UNKNOWN, "unproven"), "the key is not in the JWK set"),
        (_token(), SET, _set(OWN | {"use": "enc"}), (UNKNOWN, "unproven"), "the key is not in the JWK set"),
        (_token(), SET, _set(signing.public_jwk(signing.new_key("ES256")) | {"kid": KID}), ("invalid", "unproven"), "is not valid"),
        (_token(), SET, b"<html>", (UNKNOWN, "unproven"), "cannot be read"),
        (_token(), SET, b'{"keys": 7}', (UNKNOWN, "unproven"), "the key is not in the JWK set"),
        (_token(), ISSUER, _document(), (UNKNOWN, "unproven"), "the issuer's keys cannot be had"),
        (_brought(), SET, _set(OWN), (VALID, "proven"), "the JWK set of the issuer's authority"),
        (_brought(), SET, _set(ITS), (VALID, "contradicted"), OTHER),
        (_brought(), SET, _set(), (VALID, "unproven"), "the key is not in the JWK set"),
        (_proof(), ISSUER, _document(), (VALID, "proven"), "the issuer's profile"),
        (_proof(), ISSUER, _document(assertionMethod=["#1"]), (VALID, "proven"), "the issuer's profile"),
        (_proof(), ISSUER, _document(OTHER), (UNKNOWN, "unproven"), "has another id"),
        (_proof(), ISSUER, _document(assertionMethod=[]), (UNKNOWN, "unproven"), "does not list the key in assertionMethod"),
        (_proof(), ISSUER, _document(key={"controller": OTHER}), (UNKNOWN, "unproven"), "that the issuer controls"),
        (_proof(), ISSUER, _document(key={"revoked": "2026-02-01T00:00:00Z"}), (UNKNOWN, "unproven"), "was revoked"),
        (_proof(), ISSUER, _document(key={"expires": "9999-02-01T00:00:00Z"}), (VALID, "proven"), "the issuer's profile"),
        (_proof(), ISSUER, _document(key={"publicKeyMultibase": multikey(bytes(32))}), ("invalid", "unproven"), "is not valid"),
        (_proof(), ISSUER, _document(key={"publicKeyMultibase": "zzz"}), (UNKNOWN, "unproven"), "of a kind that is not supported"),
        (_proof(method=f"{OTHER}#1"), ISSUER, _document(), (UNKNOWN, "unproven"), "does not list the key"),
        (_proof(DID), DOCUMENT, _document(DID), (VALID, "proven"), "the issuer's did:web document"),
        (_proof(DID), DOCUMENT, _document(ISSUER), (UNKNOWN, "unproven"), "has another id"),
        (
            *(_token(DID, f"{DID}#1"), DOCUMENT),
            *(_document(DID, {"publicKeyJwk": JWK, "publicKeyMultibase": None}), (VALID, "proven"), "the issuer's did:web document"),
        ),
        (_token("urn:x:issuer"), SET, _set(OWN), (UNKNOWN, "unproven"), "neither an https URL nor a did:web"),
        (_token("http://issuers.example/1"), SET, _set(OWN), (UNKNOWN, "unproven"), "neither an https URL nor a did:web"),
    ],
)
async def test_what_is_published_elsewhere(
    office: Callable[..., Office], payload: bytes, url: str, page: bytes, verdicts: tuple[str, str], says: str
) -> None:
    """A key counts where the issuer's own authority, profile or DID document has it as the issuer's, and nowhere else."""
    web = Web()
    web.pages[url] = page
    report = await office(web, issuers=(HOST,)).verify(payload)
    assert (report["signature"]["verdict"], report["issuerBinding"]["verdict"]) == verdicts, report
    assert says in report["issuerBinding"]["detail"]


async def test_nothing_is_fetched_by_default(office: Callable[..., Office]) -> None:
    """Without the setting nobody is asked, and the verdict says that the binding was not checked."""
    for payload, signature in ((_token(), UNKNOWN), (_brought(), VALID), (_proof(), UNKNOWN)):
        web = Web()
        report = await office(web, HOST).verify(payload)
        assert (web.asked, report["signature"]["verdict"], report["issuerBinding"]["verdict"]) == ([], signature, "unproven")
        assert report["issuerBinding"]["detail"].startswith("not checked")
        assert "badge_issuer_hosts" in report["issuerBinding"]["detail"]


async def test_how_often_keys_are_fetched(office: Callable[..., Office]) -> None:
    """Once a minute for an authority; one verification asks three at most; an issuer of this server is never asked for by its URL."""
    web = Web()
    web.pages[SET] = _set(OWN)
    desk = office(web, issuers=(HOST,))
    for _ in range(3):
        assert (await desk.verify(_token()))["issuerBinding"]["verdict"] == "proven"
    assert web.asked == [SET]
    others = [CREDENTIAL | {"id": f"urn:{number}", "issuer": f"https://{number}.{HOST}/1"} for number in range(4)]
    endorsements = [jws.sign(one, SigningKey("ES256", f"{one['id']}#key", TOKEN_KEY)) for one in others]
    body = jws.sign(CREDENTIAL | {"issuer": ISSUER, "endorsementJwt": endorsements}, SigningKey("ES256", KID, TOKEN_KEY)).encode()
    report = await desk.verify(body)
    assert web.asked[1:] == [f"https://{number}.{HOST}/.well-known/jwks.json" for number in range(2)]
    assert "more than 3 issuers" in report["endorsements"][2]["issuerBinding"]["detail"]


@pytest.mark.parametrize(
    ("did", "url"),
    [
        ("did:web:example.com", "https://example.com/.well-known/did.json"),
        ("did:web:example.com%3A8443:a:b%20c", "https://example.com:8443/a/b%20c/did.json"),
        ("did:web:", None),
        ("did:web:example.com/a", None),
        ("did:web:example.com%2Fa", None),
        ("did:web:user%40example.com", None),
        ("did:web:example.com%3A443%2Fa:b", None),
        ("did:web:example.com::a", None),
        ("https://", None),
        ("https://[", None),
        ("did:example:1", None),
    ],
)
def test_where_a_did_leads(did: str, url: str | None) -> None:
    """A did:web is a host and a path; what is malformed leads nowhere."""
    if url is None:
        with pytest.raises(UnknownKeyError):
            whereabouts(did, token=True)
    else:
        assert whereabouts(did, token=True).url == url


@pytest.mark.parametrize(
    ("hosts", "url", "permitted"),
    [
        (("*",), "https://example.com/x", True),
        (("*",), "https://example.com:8443/x", False),
        (("*",), "http://example.com/x", False),
        (("*",), "https://user@example.com/x", False),
        (("example.com",), "https://example.com:8443/x", True),
        (("example.com",), "https://example.org/x", False),
    ],
)
def test_any_host_at_the_usual_port(hosts: tuple[str, ...], url: str, permitted: bool) -> None:
    """`*` permits every name at the port of https, and no other; what is said of addresses holds for it too."""
    fetcher = Fetcher(hosts, setting="badge_issuer_hosts")
    if permitted:
        assert fetcher.check(url)[0] == "example.com"
    else:
        with pytest.raises(FetchError):
            fetcher.check(url)


REFRESH = f"https://{HOST}/new/1"


def _refreshable(valid_from: str = "2026-01-31T09:00:00Z", **change: Any) -> bytes:
    service = {"id": REFRESH, "type": "1EdTechCredentialRefresh"}
    document = CREDENTIAL | {"issuer": ISSUER, "refreshService": service, "validFrom": valid_from} | change
    return jws.sign(document, SigningKey("ES256", KID, TOKEN_KEY)).encode()


LATER = "2026-03-01T09:00:00Z"


@pytest.mark.parametrize(
    ("sent", "page", "verdict", "valid_from"),
    [
        (_refreshable(), _refreshable(LATER), "refreshed", LATER),
        (_refreshable(), _refreshable(LATER, id=CREDENTIAL["id"].replace("acme", "%61cme")), "refreshed", LATER),
        (_refreshable(), _refreshable(), "current", "2026-01-31T09:00:00Z"),
        (_refreshable(), _refreshable("2026-01-01T09:00:00Z"), "current", "2026-01-31T09:00:00Z"),
        (_refreshable(), _refreshable(LATER, id="urn:x:2"), "unknown", "2026-01-31T09:00:00Z"),
        (_refreshable(), _refreshable(LATER, issuer=OTHER), "unknown", "2026-01-31T09:00:00Z"),
        (_refreshable(), _refreshable(LATER)[:-6] + b"AAAAAA", "unknown", "2026-01-31T09:00:00Z"),
        (_refreshable(), b"<html>", "unknown", "2026-01-31T09:00:00Z"),
        (_refreshable(), None, "unknown", "2026-01-31T09:00:00Z"),
        (_refreshable()[:-6] + b"AAAAAA", _refreshable(LATER), "unknown", "2026-01-31T09:00:00Z"),
        (_token(), _refreshable(LATER), None, "2026-01-31T09:00:00Z"),
    ],
    ids=[
        "newer",
        "newer, escaped",
        "the same",
        "older",
        "another",
        "somebody else's",
        "forged",
        "unreadable",
        "away",
        "not proven",
        "none",
    ],
)
async def test_newer_ones(office: Callable[..., Office], sent: bytes, page: bytes | None, verdict: str | None, valid_from: str) -> None:
    """The newer one is reported on where it is the same issuer's and holds; in every other case the one that was sent. What does not hold
    has nothing fetched."""
    web = Web()
    web.pages |= {SET: _set(OWN)} | ({} if page is None else {REFRESH: page})
    report = await office(web, issuers=(HOST,)).verify(sent, renew=True)
    assert (report.get("refresh", {}).get("verdict"), report["credential"]["validFrom"]) == (verdict, valid_from), report
    asked = report["signature"]["verdict"] == VALID and verdict is not None
    assert (REFRESH in web.asked) == asked
    assert "refresh" not in await office(web, issuers=(HOST,)).verify(sent)
    unasked = Web()
    assert (await office(unasked).verify(sent, renew=True)).get("refresh", {}).get("verdict") == (None if verdict is None else "unknown")
    assert unasked.asked == []
