"""Tokens and what is said of them: three verdicts, each right on its own, whatever was altered."""

from __future__ import annotations

import hmac
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from scimsrv.badges import contexts, jws, signing, status_list
from scimsrv.badges.base58 import multibase
from scimsrv.badges.elsewhere import found_in, whereabouts
from scimsrv.badges.integrity import Canonicalizer, hash_data, prove
from scimsrv.badges.places import Places, owner_of
from scimsrv.badges.profile import PublicKey, did_document, jwk_set, profile_document
from scimsrv.badges.strict import UnreadableError
from scimsrv.badges.verification import KnownKey, Presented, Report, judge, read, self_described, status_entry

PLACES = Places("https://badges.example.org", "acme")
ISSUER = PLACES.issuer("i1")
NOW = datetime(2026, 6, 1, tzinfo=UTC)
CREDENTIAL: dict[str, Any] = {
    "@context": [contexts.VC, contexts.OPEN_BADGES],
    "id": PLACES.award("t1"),
    "type": ["VerifiableCredential", "OpenBadgeCredential"],
    "issuer": {"id": ISSUER, "type": ["Profile"], "name": "Example"},
    "validFrom": "2026-01-31T09:00:00Z",
    "validUntil": "2027-01-31T09:00:00Z",
    "credentialSubject": {
        "id": "urn:uuid:5f0cf9a1-6d3f-4c43-b0f7-000000000000",
        "type": ["AchievementSubject"],
        "achievement": {
            "id": PLACES.achievement("a1"),
            "type": ["Achievement"],
            "name": "Teamwork",
            "description": "Works well with others.",
            "criteria": {"narrative": "Work well with others."},
        },
    },
}
CANONICALIZER = Canonicalizer(contexts.load(None))


def _key(alg: str) -> signing.SigningKey:
    made = signing.new_key(alg)
    return signing.SigningKey(alg, PLACES.key("i1", signing.thumbprint(made)), made)


KEYS = {alg: _key(alg) for alg in signing.ALGORITHMS}


def _known(key: signing.SigningKey, owner: str = ISSUER, compromised: datetime | None = None) -> dict[str, KnownKey]:
    return {key.kid: KnownKey(signing.public_jwk(key.key), owner, "the issuer's keys", compromised)}


def _token(header: dict[str, Any] | bytes, claims: dict[str, Any] | bytes, key: signing.SigningKey) -> bytes:
    parts = [signing.to_base64url(part if isinstance(part, bytes) else orjson.dumps(part)) for part in (header, claims)]
    signed = ".".join(parts)
    return f"{signed}.{signing.to_base64url(key.sign(signed.encode()))}".encode()


def _judged(payload: bytes, keys: dict[str, KnownKey], *, strict: bool = True, status: bool | str | None = False) -> Report:
    return judge(read(payload), keys, status, NOW, CANONICALIZER, strict=strict)


def _verdicts(report: Report) -> tuple[str, str, str]:
    return report.signature.verdict, report.issuer_binding.verdict, report.status.verdict


@pytest.mark.parametrize("alg", signing.ALGORITHMS)
def test_what_is_signed_verifies(alg: str) -> None:
    """Each algorithm's token says all that the profile demands, and verifies."""
    token = jws.sign(CREDENTIAL, KEYS[alg])
    report = _judged(token.encode(), _known(KEYS[alg]))
    assert _verdicts(report) == ("valid", "proven", "active")
    assert (report.structure, report.warnings) == ([], [])
    taken = jws.read(token)
    assert taken.header == {"alg": alg, "kid": KEYS[alg].kid, "typ": "JWT"}
    assert taken.credential == CREDENTIAL
    assert taken.claims == CREDENTIAL | {
        "iss": ISSUER,
        "jti": CREDENTIAL["id"],
        "nbf": 1769850000,
        "sub": CREDENTIAL["credentialSubject"]["id"],
        "exp": 1801386000,
    }


def test_a_time_between_two_seconds_is_not_signed() -> None:
    """NumericDate has whole seconds: what would be rounded is refused."""
    with pytest.raises(ValueError, match="whole seconds"):
        jws.sign(CREDENTIAL | {"validFrom": "2026-01-31T09:00:00.5Z"}, KEYS["EdDSA"])


@pytest.mark.parametrize("name", ["iss", "jti", "nbf", "sub", "exp"])
def test_each_claim_has_to_agree(name: str) -> None:
    """A claim that differs from the credential, has another type, or is missing makes the token invalid, though its signature matches."""
    key = KEYS["EdDSA"]
    header, claims = {"alg": "EdDSA", "kid": key.kid, "typ": "JWT"}, jws.claims_of(CREDENTIAL)
    wrong = claims[name] + 1 if isinstance(claims[name], int) else claims[name] + "x"
    for altered in (claims | {name: wrong}, claims | {name: [claims[name]]}, {other: claims[other] for other in claims if other != name}):
        report = _judged(_token(header, altered, key), _known(key))
        assert report.signature.verdict == "invalid"
        assert name in (report.signature.detail or "")
        assert report.issuer_binding.verdict == "unproven"


def test_a_subject_without_id_is_tolerated_where_others_do() -> None:
    """Without an id of the subject there is no `sub`: refused when strict, else a warning."""
    key = KEYS["ES256"]
    subject = {name: value for name, value in CREDENTIAL["credentialSubject"].items() if name != "id"}
    claims = {name: value for name, value in jws.claims_of(CREDENTIAL).items() if name != "sub"} | {"credentialSubject": subject}
    token = _token({"alg": "ES256", "kid": key.kid}, claims, key)
    assert _judged(token, _known(key), strict=True).signature.verdict == "invalid"
    report = _judged(token, _known(key), strict=False)
    assert (report.signature.verdict, report.warnings) == ("valid", ["the claim sub is missing"])


def _hs256(claims: dict[str, Any]) -> bytes:
    """Signed with the issuer's public key as if it were a secret."""
    key = KEYS["RS256"]
    head = ".".join(signing.to_base64url(orjson.dumps(part)) for part in ({"alg": "HS256", "kid": key.kid}, claims))
    mark = hmac.digest(orjson.dumps(signing.public_jwk(key.key)), head.encode(), "sha256")
    return f"{head}.{signing.to_base64url(mark)}".encode()


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "PS256"},
        {"alg": "RS256", "crit": ["b64"]},
        {"alg": "RS256", "b64": False},
        {"alg": "RS256", "jku": "https://evil.example/jwks.json"},
        {"alg": "RS256", "x5u": "https://evil.example/cert"},
        {"alg": "RS256", "typ": "at+jwt"},
        {"alg": "RS256", "jwk": {"kty": "oct", "k": "AA"}},
        {"alg": "RS256", "kid": 5},
    ],
)
def test_headers_beyond_the_profile(header: dict[str, Any]) -> None:
    """Other algorithms and headers are unsupported, even where the signature would match, and prove nothing about the issuer."""
    key = KEYS["RS256"]
    report = _judged(_token({"kid": key.kid} | header, jws.claims_of(CREDENTIAL), key), _known(key))
    assert _verdicts(report) == ("unsupported", "unproven", "active")


@pytest.mark.parametrize("type_", [["JWT"], {"JWT": 1}, 1, None])
def test_a_type_that_is_no_text(type_: Any) -> None:
    """A header whose typ is anything but a text is not one of the profile; it fails nothing."""
    key = KEYS["EdDSA"]
    report = _judged(_token({"alg": "EdDSA", "kid": key.kid, "typ": type_}, jws.claims_of(CREDENTIAL), key), _known(key))
    assert report.signature.verdict == "unsupported"


def _a_proof() -> tuple[str, dict[str, Any], KnownKey]:
    """A proof in the right form that proves nothing, by the method of a key that is its own name, and that key."""
    method = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
    proof: dict[str, Any] = {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-rdfc-2022",
        "proofPurpose": "assertionMethod",
        "verificationMethod": method,
    }
    proof |= {"created": "2026-01-31T09:00:00Z", "proofValue": "z" + "2" * 80}
    known = self_described(method)
    assert known is not None
    return method, proof, known


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"type": ["DataIntegrityProof"]}, "invalid"),
        ({"type": ["DataIntegrityProof", "Other"]}, "unsupported"),
        ({"type": {}}, "unsupported"),
        ({"type": None}, "unsupported"),
        ({"cryptosuite": ["eddsa-rdfc-2022"]}, "unsupported"),
        ({"cryptosuite": {}}, "unsupported"),
    ],
)
def test_suites_in_other_forms(change: dict[str, Any], verdict: str) -> None:
    """A type may be a list of one; what is no text is not supported, and fails nothing."""
    method, proof, known = _a_proof()
    report = _judged(orjson.dumps(CREDENTIAL | {"proof": proof | change}), {method: known})
    assert report.signature.verdict == verdict
    assert _judged(orjson.dumps(CREDENTIAL | {"id": {}, "proof": proof}), {method: known}).signature.verdict in ("invalid", "cannot verify")


def test_what_proofs_share_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight proofs of a document cost as much as one: the document is canonicalised once, or refused once."""
    method, proof, known = _a_proof()
    asked: list[Any] = []
    own = CANONICALIZER.canonical

    def counted(document: Any) -> str:
        asked.append(document)
        return own(document)

    monkeypatch.setattr(CANONICALIZER, "canonical", counted)
    _judged(orjson.dumps(CREDENTIAL | {"proof": [proof] * 8}), {method: known})
    assert len(asked) == 2  # the options of the proof, and the document
    asked.clear()
    _judged(orjson.dumps(CREDENTIAL | {"undefined": 1, "proof": [proof] * 8}), {method: known})
    assert len(asked) == 2


def test_keys_are_not_mixed_up() -> None:
    """HS256 with the public key as secret, and another algorithm than the key's, are not verified."""
    assert _verdicts(_judged(_hs256(jws.claims_of(CREDENTIAL)), _known(KEYS["RS256"])))[:2] == ("unsupported", "unproven")
    rsa, ec = KEYS["RS256"], KEYS["ES256"]
    token = _token({"alg": "RS256", "kid": ec.kid}, jws.claims_of(CREDENTIAL), rsa)
    assert _verdicts(_judged(token, _known(ec)))[:2] == ("invalid", "unproven")


def test_a_key_that_the_token_brings_along_proves_nothing() -> None:
    """A matching key in the header makes the signature valid, and says nothing of whose it is."""
    key = _key("ES256")
    token = _token({"alg": "ES256", "jwk": signing.public_jwk(key.key)}, jws.claims_of(CREDENTIAL), key)
    assert _verdicts(_judged(token, {})) == ("valid", "unproven", "active")


def test_another_issuers_key() -> None:
    """A good signature by somebody else's key contradicts the issuer that the credential names."""
    key = KEYS["ES256"]
    report = _judged(jws.sign(CREDENTIAL, key).encode(), _known(key, PLACES.issuer("i2")))
    assert _verdicts(report) == ("valid", "contradicted", "active")


def test_a_key_that_nobody_knows() -> None:
    """What cannot be looked up here cannot be verified: that is not the same as invalid."""
    report = _judged(jws.sign(CREDENTIAL, KEYS["ES256"]).encode(), {})
    assert _verdicts(report) == ("cannot verify", "unproven", "active")


def test_a_compromised_key() -> None:
    """What a key made before it was compromised holds; from that moment on nothing does."""
    key = KEYS["ES256"]
    token = jws.sign(CREDENTIAL, key).encode()
    at = datetime(2026, 1, 31, 9, tzinfo=UTC)
    assert _judged(token, _known(key, compromised=at + timedelta(seconds=1))).signature.verdict == "valid"
    assert _verdicts(_judged(token, _known(key, compromised=at)))[:2] == ("invalid", "unproven")


@pytest.mark.parametrize(
    ("change", "status", "verdict"),
    [
        ({}, None, "active"),
        ({}, False, "active"),
        ({}, True, "revoked"),
        ({}, "the list cannot be had", "unknown"),
        ({"validUntil": "2026-02-28T00:00:00Z"}, False, "expired"),
        ({"validUntil": "2026-02-28T00:00:00Z"}, True, "revoked"),
        ({"validUntil": "2026-06-01T00:00:00Z"}, False, "expired"),
        ({"validFrom": "2026-06-01T00:00:01Z"}, False, "not yet valid"),
        ({"validFrom": "2026-06-01T00:00:00Z"}, False, "active"),
        ({"validFrom": "yesterday"}, False, "unknown"),
    ],
)
def test_status_and_dates(change: dict[str, str], status: bool | str | None, verdict: str) -> None:
    """Revoked goes before everything, dates before what is not known."""
    presented = Presented(CREDENTIAL | change, None, ())
    assert judge(presented, {}, status, NOW, CANONICALIZER).status.verdict == verdict


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"hello",
        b'{"a": 1, "a": 2}',
        b"eyJ.eyJ",
        b"eyJhbGciOiJSUzI1NiJ9.e30",
        b"eyJhbGciOiJSUzI1NiJ9.e30.!",
        b"eyJhbGciOiJSUzI1NiJ9=.e30.",
        ("eyJhbGciOiJSUzI1NiJ9.é.").encode(),
        _token(b'{"alg":"none","alg":"RS256","kid":"k"}', {}, KEYS["RS256"]),
        _token(b'{"alg":"RS256","kid":"k"}', b'{"iss":"a","iss":"b"}', KEYS["RS256"]),
        b"eyJ" + b"a" * (1024 * 1024) + b".e30.e30",
    ],
)
def test_what_cannot_be_read(payload: bytes) -> None:
    """What is neither a token nor a JSON object, is ambiguous or too large, is refused before anything is verified."""
    with pytest.raises(UnreadableError):
        read(payload)


def test_version_1_of_the_data_model() -> None:
    """Tokens of version 1.1 carry the credential under `vc`, with other names for its dates."""
    key = KEYS["ES256"]
    old = {name: value for name, value in CREDENTIAL.items() if name not in ("validFrom", "validUntil")}
    old |= {"@context": [contexts.VC_1, contexts.OPEN_BADGES], "issuanceDate": "2026-01-31T09:00:00Z"}
    claims = {name: value for name, value in jws.claims_of(CREDENTIAL).items() if name in ("iss", "jti", "nbf", "sub")}
    report = _judged(_token({"alg": "ES256", "kid": key.kid}, claims | {"vc": old}, key), _known(key))
    assert _verdicts(report) == ("valid", "proven", "active")
    assert report.structure == []


@pytest.mark.parametrize(("ends", "verdict"), [("2026-06-01T00:00:00Z", "invalid"), ("2026-06-01T00:00:01Z", "valid"), ("soon", "invalid")])
def test_a_proof_that_ends(ends: str, verdict: str) -> None:
    """A proof proves nothing once it has expired (Data Integrity §2.1)."""
    key = signing.SigningKey("EdDSA", PLACES.method("i1", signing.multikey_of(signing.public_jwk(KEYS["EdDSA"].key))), KEYS["EdDSA"].key)
    proof = prove(CREDENTIAL, key, "2026-01-31T09:00:00Z", CANONICALIZER)["proof"][0] | {"expires": ends}
    proof["proofValue"] = multibase(key.sign(hash_data(CREDENTIAL, proof, CANONICALIZER.canonical)))
    assert _judged(orjson.dumps({**CREDENTIAL, "proof": [proof]}), _known(key)).signature.verdict == verdict


def test_embedded_proofs() -> None:
    """Of several proofs one that holds is enough; a changed document has none; keys by did:key are their own."""
    key = signing.SigningKey("EdDSA", PLACES.method("i1", signing.multikey_of(signing.public_jwk(KEYS["EdDSA"].key))), KEYS["EdDSA"].key)
    signed = prove(CREDENTIAL, key, "2026-01-31T09:00:00Z", CANONICALIZER)
    assert _verdicts(_judged(orjson.dumps(signed), _known(key))) == ("valid", "proven", "active")
    spoilt = {**signed["proof"][0], "proofValue": "z1"}
    assert _verdicts(_judged(orjson.dumps({**signed, "proof": [spoilt, *signed["proof"]]}), _known(key)))[0] == "valid"
    assert _verdicts(_judged(orjson.dumps({**signed, "proof": spoilt}), _known(key)))[:2] == ("invalid", "unproven")
    assert _verdicts(_judged(orjson.dumps({**signed, "name": "x"}), _known(key)))[:2] == ("invalid", "unproven")
    assert _verdicts(_judged(orjson.dumps({**signed, "extra": "x"}), _known(key)))[:2] == ("cannot verify", "unproven")
    assert _verdicts(_judged(orjson.dumps(CREDENTIAL), {}))[:2] == ("invalid", "unproven")

    did = "did:key:" + signing.multikey_of(signing.public_jwk(key.key))
    method = f"{did}#{did.removeprefix('did:key:')}"
    own = self_described(method)
    assert own is not None
    named = prove(CREDENTIAL | {"issuer": did}, signing.SigningKey("EdDSA", method, key.key), "2026-01-31T09:00:00Z", CANONICALIZER)
    assert _verdicts(_judged(orjson.dumps(named), {method: own})) == ("valid", "proven", "active")
    borrowed = prove(CREDENTIAL, signing.SigningKey("EdDSA", method, key.key), "2026-01-31T09:00:00Z", CANONICALIZER)
    assert _verdicts(_judged(orjson.dumps(borrowed), {method: own})) == ("valid", "contradicted", "active")
    assert self_described("did:key:z6Mk!") is None
    assert self_described("https://example.org#k") is None


def test_what_an_issuer_publishes() -> None:
    """Keys by their URLs; Ed25519 ones as Multikey, all others as JsonWebKey by the id that tokens name; a compromised key is published no
    more."""
    keys = [PublicKey(signing.thumbprint(key.key), signing.public_jwk(key.key)) for key in KEYS.values()]
    gone = [PublicKey("gone", signing.public_jwk(_key(alg).key), NOW) for alg in ("EdDSA", "ES256")]
    listed = jwk_set(PLACES, "i1", [*keys, *gone])["keys"]
    assert [one["kid"] for one in listed] == [key.kid for key in KEYS.values()]
    assert all(one["iss"] == ISSUER and "d" not in one for one in listed)
    profile = profile_document(PLACES, "i1", {"id": ISSUER, "type": ["Profile"], "name": "Example"}, [*keys, *gone])
    did = did_document(PLACES, "i1", [*keys, *gone])
    assert did["id"] == "did:web:badges.example.org:badges:acme:issuers:i1"
    for document in (profile, did):
        methods = document["verificationMethod"]
        assert document["assertionMethod"] == [method["id"] for method in methods]
        assert {method["controller"] for method in methods} == {document["id"]}
        assert {*document["@context"]} >= {contexts.DID, contexts.MULTIKEY, contexts.JSON_WEB_KEY}
        for key, alg, method in zip(keys, KEYS, methods, strict=True):
            said: tuple[str, dict[str, Any]]
            if alg == "EdDSA":
                said = ("Multikey", {"publicKeyMultibase": signing.multikey_of(key.jwk)})
            else:
                said = ("JsonWebKey", {"publicKeyJwk": {**key.jwk, "kid": key.thumbprint, "alg": alg}})
            assert (method["type"], {name: value for name, value in method.items() if name.startswith("publicKey")}) == said
    assert [method["id"] for method in profile["verificationMethod"] if method["type"] == "JsonWebKey"] == [
        key.kid for key in KEYS.values() if key.alg != "EdDSA"
    ]
    assert all(method["id"].startswith(f"{did['id']}#") for method in did["verificationMethod"])
    assert Places("http://127.0.0.1:8080", "acme").did("i1") == "did:web:127.0.0.1%3A8080:badges:acme:issuers:i1"


@pytest.mark.parametrize("alg", signing.ALGORITHMS)
def test_a_verifier_finds_the_key_in_the_did_document(alg: str) -> None:
    """What reads the documents of other issuers finds each kind of key in ours, by the id that it has there."""
    key = PublicKey(signing.thumbprint(KEYS[alg].key), signing.public_jwk(KEYS[alg].key))
    did = did_document(PLACES, "i1", [key])
    (method,) = did["assertionMethod"]
    found = found_in(orjson.dumps(did), whereabouts(did["id"], token=True), did["id"], method, None, NOW)
    assert (signing.public_part(found.jwk), found.owner) == (key.jwk, did["id"])


@pytest.mark.parametrize(
    ("url", "owner"),
    [
        (ISSUER, ("acme", "i1")),
        (PLACES.key("i1", "t"), ("acme", "i1")),
        (f"{ISSUER}#z6Mk", ("acme", "i1")),
        (PLACES.status_list("a/b", 2), ("acme", "a/b")),
        (PLACES.achievement("a1"), None),
        ("https://badges.example.org.evil.example/badges/acme/issuers/i1", None),
        ("https://badges.example.org/badges/acme/issuers/", None),
        ("https://badges.example.org/badges/acme/issuers/%00#z6Mk", None),
        ("https://badges.example.org/badges/a\x00/issuers/i1", None),
        ("urn:uuid:1", None),
    ],
)
def test_whose_url_it_is(url: str, owner: tuple[str, str] | None) -> None:
    """From a URL of this server to tenant and issuer, and from no other."""
    assert owner_of(url, PLACES.public) == owner


def test_where_the_status_is() -> None:
    """The first entry about revocation counts; none is no status."""
    assert status_entry(CREDENTIAL) is None
    entry = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation", "statusListIndex": "7", "statusListCredential": "urn:l"}
    found = status_entry(CREDENTIAL | {"credentialStatus": [entry | {"statusPurpose": "suspension"}, entry]})
    assert isinstance(found, status_list.StatusEntry)
    assert (found.url, found.index) == ("urn:l", 7)


def test_keys_in_the_log_show_nothing() -> None:
    """What a key prints of itself holds nothing of the private half."""
    for key in KEYS.values():
        private = orjson.loads(signing.private_text(key.key))["d"]
        assert private not in repr(key)
        assert signing.read_private(signing.private_text(key.key)).as_dict(private=True)["d"] == private


def test_weak_keys() -> None:
    """RSA below 2048 bits, whatever stands before them, and other curves, are refused."""
    for jwk in (
        {"kty": "RSA", "n": signing.to_base64url(b"\xff" * 128), "e": "AQAB"},
        {"kty": "RSA", "n": signing.to_base64url(bytes(128) + b"\xff" * 128), "e": "AQAB"},
        {"kty": "RSA", "n": signing.to_base64url(b"\x7f" + b"\xff" * 255), "e": "AQAB"},
        {"kty": "RSA", "n": signing.to_base64url(b"\xff" * 1025), "e": "AQAB"},
        {"kty": "RSA", "n": "A" * 9_000, "e": "AQAB"},
        {"kty": "RSA", "n": "not base64url", "e": "AQAB"},
        {"kty": "EC", "crv": "P-384"},
        {"kty": "oct", "k": "AA"},
        {"kty": "OKP", "crv": "X25519"},
    ):
        with pytest.raises(ValueError, match=r"RSA keys must|neither RSA"):
            signing.alg_of(jwk)


#: Folder with published examples, for those who have one.
EXAMPLES = os.environ.get("BADGE_VECTORS")


@pytest.mark.skipif(EXAMPLES is None, reason="BADGE_VECTORS names no folder of published vectors")
def test_a_suite_that_is_not_known() -> None:
    """An example with a misspelt suite is not supported, rather than wrongly signed."""
    started = read((Path(EXAMPLES or "") / "ob30-spec-examples" / "getting-started-5.json").read_bytes())
    assert judge(started, {}, None, NOW, CANONICALIZER).signature.verdict == "unsupported"


def test_the_schema_is_a_verdict_of_its_own() -> None:
    """What lacks a member that the standard demands is signed by its issuer, and no valid credential for all that."""
    key = KEYS["ES256"]
    achievement = {name: value for name, value in CREDENTIAL["credentialSubject"]["achievement"].items() if name != "criteria"}
    lacking = CREDENTIAL | {"credentialSubject": CREDENTIAL["credentialSubject"] | {"achievement": achievement}}
    for document, verdict in ((CREDENTIAL, "valid"), (lacking, "invalid")):
        report = _judged(jws.sign(document, key).encode(), _known(key))
        assert _verdicts(report) == ("valid", "proven", "active")
        assert (report.schema.verdict, report.shown()["schema"]["verdict"]) == (verdict, verdict)
    assert report.schema.detail == "credentialSubject.achievement.criteria is required"
