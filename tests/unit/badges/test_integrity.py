"""Embedded proofs: the standard's worked example bit for bit, and everything that a signature must not let through."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import orjson
import pytest
from joserfc.jwk import OKPKey

from scimsrv.badges import contexts, integrity, signing
from scimsrv.badges.rdfc import Quad, TooComplexError, canonical, literal

VECTOR = orjson.loads((Path(__file__).parent / "eddsa_rdfc_2022.json").read_bytes())
DOCUMENT: dict[str, Any] = VECTOR["document"]

#: Folder with further published examples, for those who have one.
EXAMPLES = os.environ.get("BADGE_VECTORS")


def _canonicalizer() -> integrity.Canonicalizer:
    found = integrity.Canonicalizer(contexts.load(None))
    problem = found.problem()
    assert problem is None, problem
    return found


CANONICALIZER = _canonicalizer()
JWK = {"kty": "OKP", "crv": "Ed25519", "x": signing.to_base64url(bytes.fromhex(VECTOR["publicKey"]))}
KEY = signing.SigningKey(
    "EdDSA",
    VECTOR["proof"]["verificationMethod"],
    OKPKey.import_key({**JWK, "d": signing.to_base64url(bytes.fromhex(VECTOR["seed"]))}),
)
SIGNED = integrity.prove(DOCUMENT, KEY, VECTOR["proof"]["created"], CANONICALIZER)
PROOF = SIGNED["proof"][0]


def test_the_published_example_bit_for_bit() -> None:
    """The same document, key and options give the published hashes, signature and proof value."""
    assert integrity.hash_data(DOCUMENT, VECTOR["proof"], CANONICALIZER.canonical).hex() == VECTOR["proofHash"] + VECTOR["documentHash"]
    assert PROOF["proofValue"] == VECTOR["proofValue"]
    assert KEY.sign(bytes.fromhex(VECTOR["proofHash"] + VECTOR["documentHash"])).hex() == VECTOR["signature"]
    assert signing.multikey_of(JWK) == VECTOR["multikey"]
    assert signing.jwk_of(VECTOR["multikey"]) == JWK
    assert integrity.is_proven(SIGNED, PROOF, JWK, CANONICALIZER)


def _with(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    document = orjson.loads(orjson.dumps(SIGNED))
    change(document)
    found: dict[str, Any] = document
    return found


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it.update(id="http://example.com/credentials/3528"),
        lambda it: it.update(name="Teamwork badge"),
        lambda it: it.update(validFrom="2010-01-01T00:00:01Z"),
        lambda it: it.update(validUntil="2030-01-01T00:00:00Z"),
        lambda it: it["issuer"].update(id="https://example.edu/issuers/1"),
        lambda it: it["issuer"].update(name="Example"),
        lambda it: it["credentialSubject"].update(id="did:example:other"),
        lambda it: it["credentialSubject"]["achievement"].update(name="Leadership"),
        lambda it: it["credentialSubject"]["achievement"]["criteria"].update(narrative="None."),
        lambda it: it["type"].remove("OpenBadgeCredential"),
        lambda it: it["proof"][0].update(created="2010-01-01T19:23:25Z"),
        lambda it: it["proof"][0].update(proofValue=it["proof"][0]["proofValue"][:-1] + "A"),
        lambda it: it["proof"][0].update(proofValue="u" + it["proof"][0]["proofValue"][1:]),
        lambda it: it["proof"][0].update(proofValue="z"),
    ],
)
def test_what_was_changed_is_not_proven(change: Callable[[dict[str, Any]], object]) -> None:
    """Every member that a signed document has or gains is covered by the signature."""
    document = _with(change)
    assert not integrity.is_proven(document, document["proof"][0], JWK, CANONICALIZER)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda it: it.update(extra=1), "'extra' is defined by no context"),
        (lambda it: it["credentialSubject"].update(extra=1), "'extra' is defined by no context"),
        (lambda it: it["type"].append("Unheard"), "'Unheard' is defined by no context"),
        (lambda it: it["issuer"].update(id="issuers/1"), "is a relative IRI"),
        (lambda it: it["issuer"].update(id="http://a b"), "is no IRI"),
        (lambda it: it["@context"].append("https://example.com/context"), "is not known here"),
        (lambda it: it["@context"].append({"extra": "https://example.com/extra"}), "written out in the document"),
        (lambda it: it["issuer"].update({"@context": {"extra": None}}), "written out in the document"),
        (lambda it: it.update({"@included": []}), "@included is not supported"),
        (lambda it: it.update({"@reverse": {}}), "@reverse is not supported"),
        (lambda it: it.update({"_:b": "x"}), "not supported"),
        (lambda it: it.update({"@id": it.pop("id")}), "@id is not supported"),
        (lambda it: it.update({"https://www.w3.org/2018/credentials#validFrom": it.pop("validFrom")}), "names that the contexts give"),
        (lambda it: it["issuer"].update(parentOrg={"id": it["id"], "type": ["Profile"], "name": it.pop("name")}), "more than one place"),
        (
            lambda it: it.update(
                credentialStatus=[{"id": "urn:s", "type": "X"}], termsOfUse=[{"id": "urn:s", "statusPurpose": "suspension"}]
            ),
            "more than one place",
        ),
        (lambda it: it.update(evidence=[{"type": ["Evidence"]}] * 3_001), "too large or too deep"),
        (lambda it: it["proof"][0].update({"@context": []}), "context of its own"),
    ],
)
def test_what_a_signature_would_not_cover_is_refused(change: Callable[[dict[str, Any]], object], says: str) -> None:
    """What JSON-LD would leave out in silence, or read from elsewhere, is named and refused, not ignored."""
    document = _with(change)
    with pytest.raises(integrity.IntegrityError, match=says):
        integrity.is_proven(document, document["proof"][0], JWK, CANONICALIZER)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cryptosuite": "ecdsa-rdfc-2019"}, "'ecdsa-rdfc-2019' is not supported"),
        ({"cryptosuite": "eddsa-rdf-2022"}, "'eddsa-rdf-2022' is not supported"),
        ({"type": "RsaSignature2018"}, "is not supported"),
        ({"proofPurpose": "authentication"}, "not for making assertions"),
    ],
)
def test_other_proofs_are_unsupported(change: dict[str, str], says: str) -> None:
    """Another suite is not a bad signature: it is named as what is not supported."""
    with pytest.raises(integrity.UnsupportedError, match=says):
        integrity.is_proven(SIGNED, PROOF | change, JWK, CANONICALIZER)


def test_without_contexts_there_is_a_clear_answer() -> None:
    """Where the contexts are missing, what to do is said."""
    empty = integrity.Canonicalizer({})
    with pytest.raises(integrity.IntegrityError, match="set badge_contexts, or install a package that ships it"):
        integrity.prove(DOCUMENT, KEY, VECTOR["proof"]["created"], empty)


def test_contexts_are_taken_by_their_digest_alone(tmp_path: Path) -> None:
    """A folder's files are contexts when their bytes are; a changed one is not there."""
    found = contexts.load(None)
    assert set(contexts.NEEDED) <= set(found)
    (tmp_path / "a.json").write_bytes(orjson.dumps(found[contexts.VC]))
    (tmp_path / "b.txt").write_bytes(b"x")
    assert contexts.load(tmp_path) == {}


@pytest.mark.parametrize(("contexts_", "refused"), [(4, False), (5, True), (2_000, True)])
def test_contexts_in_one_place(contexts_: int, refused: bool) -> None:
    """PyLD's work grows with the square of the contexts of an object, for minutes with 2,000 of them: more than four are refused."""
    document = DOCUMENT | {"@context": (DOCUMENT["@context"] * contexts_)[:contexts_]}
    if not refused:
        CANONICALIZER.canonical(document)
        return
    with pytest.raises(integrity.IntegrityError, match="too many contexts"):
        CANONICALIZER.canonical(document)


def test_contexts_in_all_and_types() -> None:
    """So are more than a hundred in a document, and an object of more than eight types."""
    urls = DOCUMENT["@context"][:2]
    parts = [{"@context": urls, "id": f"urn:uuid:{number}", "type": ["Evidence"]} for number in range(50)]
    with pytest.raises(integrity.IntegrityError, match="too many contexts"):
        CANONICALIZER.canonical(DOCUMENT | {"evidence": parts})
    with pytest.raises(integrity.IntegrityError, match="more than 8 types"):
        CANONICALIZER.canonical(DOCUMENT | {"type": [*DOCUMENT["type"], *["VerifiableCredential"] * 8]})


def _clique(size: int) -> list[Quad]:
    nodes = [f"_:n{number}" for number in range(size)]
    return [Quad(one, "<urn:p>", other, "") for one, other in permutations(nodes, 2)]


def test_what_takes_too_long_is_refused() -> None:
    """Nodes that cannot be told apart are refused instead of tried in every order; a few of them are no problem."""
    canonical(_clique(4))
    with pytest.raises(TooComplexError):
        canonical(_clique(8))


def test_the_canonical_form_is_that_of_the_statements() -> None:
    """Neither the names of blank nodes nor the order of statements matter: a chain and a circle under every naming."""
    for shape in ([(0, 1), (1, 2), (2, 3)], [(0, 1), (1, 2), (2, 0)], [(0, 1), (0, 2), (3, 3)]):
        forms = set()
        for names in permutations("abcd"):
            quads = [Quad(f"_:{names[one]}", "<urn:p>", f"_:{names[other]}", "") for one, other in shape]
            forms |= {canonical(quads), canonical(reversed(quads))}
        assert len(forms) == 1


def test_control_characters_in_literals() -> None:
    """Canonical N-Quads escape what RDFC-1.0 says, and nothing else."""
    assert literal('\x00\x08\t\n\x0b\x0c\r\x1f"\\\x7fé\u2028') == '"\\u0000\\b\\t\\n\\u000B\\f\\r\\u001F\\"\\\\\\u007Fé\u2028"'
    assert literal("a", "http://www.w3.org/2001/XMLSchema#string") == '"a"'
    assert literal("a", "urn:t") == '"a"^^<urn:t>'
    assert literal("a", None, "en") == '"a"@en'


@pytest.mark.skipif(EXAMPLES is None, reason="BADGE_VECTORS names no folder with further published examples")
def test_further_published_examples() -> None:
    """The canonical forms that were published with the worked example, and the proof as its guide prints it."""
    folder = Path(EXAMPLES or "")
    text = (folder / "spec-impl-guide" / "document-canon.txt").read_text(encoding="utf-8")
    assert CANONICALIZER.canonical(DOCUMENT) == text
    assert hashlib.sha256(text.encode()).hexdigest() == VECTOR["documentHash"]
    signed = orjson.loads((folder / "ob30-spec-examples" / "linked-data-proof-ob-3.json").read_bytes())
    assert integrity.is_proven(signed, signed["proof"], JWK, CANONICALIZER)
