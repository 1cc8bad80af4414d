"""Embedded proofs: Data Integrity with the suite eddsa-rdfc-2022 (W3C Data Integrity EdDSA Cryptosuites §3.2).

PyLD expands JSON-LD into RDF; around it stands what it lacks: only contexts that are known by their digest, nothing that would be left
out of the signature in silence, no relative IRIs, and a bound on the work.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import orjson

from scimsrv.badges import contexts
from scimsrv.badges.base58 import from_multibase, multibase
from scimsrv.badges.rdfc import Quad, TooComplexError, canonical, iri, literal
from scimsrv.badges.signing import EDDSA, SigningKey, verify

SUITE: Final = "eddsa-rdfc-2022"
PROOF: Final = "DataIntegrityProof"

#: Suites that are read: the last ones differ from the first in name only.
_SUITES: Final = frozenset({(PROOF, SUITE), (PROOF, "eddsa-2022"), ("Ed25519Signature2020", None)})

#: What terms, and relative IRIs, would become that no context defines.
_UNDEFINED: Final = "undefined-term:/"
_RELATIVE: Final = "relative-iri:///"

_KEYWORDS: Final = frozenset({"@context", "@value", "@language", "@direction"})
_LANGUAGE: Final = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x20<>\"{}|\\^`]*")

_MOST_NODES: Final = 3_000
_DEEPEST: Final = 24

#: Contexts in one place and in all, and types of an object: PyLD's work grows faster than their number.
_MOST_CONTEXTS_HERE: Final = 4
_MOST_CONTEXTS: Final = 100
_MOST_TYPES: Final = 8

#: PyLD's caches are not made for several threads.
_LOCK: Final = threading.Lock()


class IntegrityError(ValueError):
    """A document cannot be signed or verified; the message says why."""


class UnsupportedError(IntegrityError):
    """The proof is of a kind that is not read here."""


class Canonicalizer:
    """Brings documents into the form that is hashed. `known` are the contexts by URL, as `contexts.load` finds them."""

    def __init__(self, known: Mapping[str, Mapping[str, Any]]) -> None:
        self._known = known
        self._cache: dict[str, Any] = {}

    def problem(self) -> str | None:
        """Why nothing can be canonicalised here, or None."""
        missing = [url for url in contexts.NEEDED if url not in self._known]
        if missing:
            return f"the JSON-LD context {missing[0]} is not there: set badge_contexts, or install a package that ships it"
        try:
            importlib.import_module("pyld")
        except ImportError:
            return "the package pyld is not installed: install scimsrv[data-integrity]"
        return None

    def canonical(self, document: Mapping[str, Any]) -> str:
        """The canonical N-Quads of a document. Raises IntegrityError for what the signature would not cover or cannot be told."""
        problem = self.problem()
        if problem is not None:
            raise IntegrityError(problem)
        self._check(document)
        jsonld = importlib.import_module("pyld.jsonld")
        resolver = importlib.import_module("pyld.context_resolver")
        with _LOCK:
            options = {
                "documentLoader": self._load,
                "contextResolver": resolver.ContextResolver(self._cache, self._load),
                "base": _RELATIVE,
                "processingMode": "json-ld-1.1",
            }
            try:
                guarded = {**document, "@context": [*_listed(document.get("@context")), {"@vocab": _UNDEFINED}]}
                _refuse_undefined(jsonld.expand(guarded, options))
                dataset = jsonld.to_rdf(jsonld.expand(dict(document), options), {**options, "base": ""})
            except jsonld.JsonLdError as error:
                raise IntegrityError(f"the document is not JSON-LD: {_cause(error)}") from error
            except (RecursionError, TypeError, KeyError, AttributeError) as error:
                raise IntegrityError("the document is not JSON-LD") from error
        try:
            return canonical(_quads(dataset))
        except TooComplexError as error:
            raise IntegrityError(str(error)) from error

    def _check(self, document: Mapping[str, Any]) -> None:
        """Refuse contexts that are not known, keywords that would be left out, and more than anybody needs.

        The signature covers statements, not JSON: the same statements under other names, or said elsewhere in the document, would keep
        the signature valid, and who reads `validUntil` or `credentialStatus` would not find them. So they have to be where they belong.
        """
        contexts_in_all = 0
        for count, (depth, name, value) in enumerate(_walk(document, 0)):
            if count > _MOST_NODES or depth > _DEEPEST:
                raise IntegrityError("the document is too large or too deep")
            if name == "type" and len(_listed(value)) > _MOST_TYPES:
                raise IntegrityError(f"an object has more than {_MOST_TYPES} types")
            if name == "@context":
                contexts_in_all += len(_listed(value))
                if len(_listed(value)) > _MOST_CONTEXTS_HERE or contexts_in_all > _MOST_CONTEXTS:
                    raise IntegrityError("the document names too many contexts")
                for context in _listed(value):
                    if not isinstance(context, str):
                        raise IntegrityError("a context that is written out in the document is not supported")
                    if context not in self._known:
                        raise IntegrityError(f"the context {context[:200]} is not known here")
            elif (name.startswith("@") and name not in _KEYWORDS) or ":" in name:
                raise IntegrityError(f"{name[:64]} is not supported: members must have the names that the contexts give them")
        _refuse_second_descriptions(document)

    def _load(self, url: str, _options: object) -> dict[str, Any]:
        if url not in self._known:
            raise IntegrityError(f"the context {url[:200]} is not known here")
        return {"contextUrl": None, "documentUrl": url, "contentType": "application/ld+json", "document": self._known[url]}


class Remembering(Canonicalizer):
    """A canonicalizer for the proofs of one document: what they have in common is brought into its form, or refused, once."""

    def __init__(self, other: Canonicalizer) -> None:
        self._other = other
        self._made: dict[bytes, str | IntegrityError] = {}

    def problem(self) -> str | None:
        """Why nothing can be canonicalised here, or None."""
        return self._other.problem()

    def canonical(self, document: Mapping[str, Any]) -> str:
        """The canonical N-Quads of a document. Raises IntegrityError."""
        text = orjson.dumps(document)
        made = self._made.get(text)
        if made is None:
            try:
                made = self._other.canonical(document)
            except IntegrityError as error:
                made = error
            self._made[text] = made
        if isinstance(made, IntegrityError):
            raise made
        return made


def hash_data(document: Mapping[str, Any], proof: Mapping[str, Any], canonicalize: Callable[[Mapping[str, Any]], str]) -> bytes:
    """What is signed: the digest of the proof's options, then that of the document without proofs (§3.2.3 to §3.2.5)."""
    unsigned = {name: value for name, value in document.items() if name != "proof"}
    options = {name: value for name, value in proof.items() if name != "proofValue"} | {"@context": document["@context"]}
    return b"".join(hashlib.sha256(canonicalize(part).encode()).digest() for part in (options, unsigned))


def prove(document: Mapping[str, Any], key: SigningKey, created: str, canonicalizer: Canonicalizer) -> dict[str, Any]:
    """The document with a proof. `key` is an Ed25519 key whose kid is the verification method, `created` a dateTime.

    Raises IntegrityError.
    """
    if key.alg != EDDSA:
        raise IntegrityError("only Ed25519 keys make embedded proofs")
    proof = {
        "type": PROOF,
        "created": created,
        "verificationMethod": key.kid,
        "cryptosuite": SUITE,
        "proofPurpose": "assertionMethod",
    }
    signature = key.sign(hash_data(document, proof, canonicalizer.canonical))
    return {**document, "proof": [proof | {"proofValue": multibase(signature)}]}


def check_suite(proof: Mapping[str, Any]) -> None:
    """Raises UnsupportedError for a proof that is of none of the suites that are read, or not for making assertions."""
    types = _listed(proof.get("type"))
    kind = (types[0] if len(types) == 1 else None, proof.get("cryptosuite"))
    if not all(isinstance(part, str | None) for part in kind) or kind not in _SUITES:
        raise UnsupportedError(f"the suite {str(kind[1] or kind[0])[:64]!r} is not supported")
    if proof.get("proofPurpose") != "assertionMethod":
        raise UnsupportedError("the proof is not for making assertions")


def is_proven(document: Mapping[str, Any], proof: Mapping[str, Any], jwk: Mapping[str, Any], canonicalizer: Canonicalizer) -> bool:
    """Whether the proof was made by this key over this document. Raises IntegrityError where that cannot be told."""
    check_suite(proof)
    if "@context" in proof and proof["@context"] != document.get("@context"):
        raise IntegrityError("a proof with a context of its own is not supported")
    value = proof.get("proofValue")
    if not isinstance(value, str) or "@context" not in document:
        return False
    try:
        signature = from_multibase(value)
    except ValueError:
        return False
    data = hash_data(document, proof, partial(_canonical, canonicalizer))
    try:
        return len(signature) == 64 and verify(EDDSA, jwk, data, signature)
    except ValueError:
        return False


def _canonical(canonicalizer: Canonicalizer, document: Mapping[str, Any]) -> str:
    return canonicalizer.canonical(document)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _walk(value: Any, depth: int) -> Iterator[tuple[int, str, Any]]:
    """Depth, name and value of every member, also of objects in arrays."""
    if depth > _DEEPEST + 1:
        return
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield depth, name, member
            yield from _walk(member, depth + 1)
    elif isinstance(value, list):
        for member in value:
            yield depth, "", member
            yield from _walk(member, depth + 1)


def _refuse_second_descriptions(document: Mapping[str, Any]) -> None:
    """Refuse further objects about the credential itself, or about its status."""
    status = [one for one in _listed(document.get("credentialStatus")) if isinstance(one, Mapping)]
    about = {str(one["id"]) for one in (document, *status) if one.get("id") is not None}
    proper = [id(one) for one in status]
    for _, _, value in _walk(document, 0):
        if isinstance(value, Mapping) and str(value.get("id")) in about and id(value) not in proper and not _READ.isdisjoint(value):
            raise IntegrityError(f"{str(value['id'])[:200]!r} is described in more than one place")


#: What is read of a credential and its status.
_READ: Final = frozenset(
    {
        *("issuer", "validFrom", "validUntil", "issuanceDate", "expirationDate", "credentialStatus", "credentialSubject", "name"),
        *("statusPurpose", "statusListIndex", "statusListCredential", "statusSize"),
    }
)


def _refuse_undefined(expanded: Any) -> None:
    """Refuse what no context defines: without this, it could be added to a signed document and the signature would still hold."""
    for _, name, value in _walk(expanded, 0):
        if name.startswith(_UNDEFINED):
            raise IntegrityError(f"{name.removeprefix(_UNDEFINED)[:64]!r} is defined by no context")
        if name.startswith("_:"):
            raise IntegrityError("a property must not be a blank node")
        if name and not name.startswith("@") and _ABSOLUTE.fullmatch(name) is None:
            raise IntegrityError(f"{name[:64]!r} is no IRI")
        if name in ("@id", "@type"):
            for one in _listed(value):
                _check_iri(one)
        if name == "@language" and (not isinstance(value, str) or _LANGUAGE.fullmatch(value) is None):
            raise IntegrityError("a language is not a language tag")


def _check_iri(value: Any) -> None:
    text = str(value)
    for prefix, what in ((_UNDEFINED, "is defined by no context"), (_RELATIVE, "is a relative IRI")):
        if text.startswith(prefix):
            raise IntegrityError(f"{text.removeprefix(prefix)[:64]!r} {what}")
    if not text.startswith("_:") and text not in ("@json", "@none") and _ABSOLUTE.fullmatch(text) is None:
        raise IntegrityError(f"{text[:64]!r} is no IRI")


def _cause(error: BaseException) -> str:
    """What PyLD, or the loader inside it, said first."""
    found: BaseException = error
    while found.__cause__ is not None:
        found = found.__cause__
    return str(getattr(found, "args", ["?"])[0] if getattr(found, "args", None) else type(found).__name__)[:200]


def _quads(dataset: Mapping[str, Any]) -> Iterator[Quad]:
    """PyLD's dataset as statements."""
    for name, triples in dataset.items():
        graph = "" if name == "@default" else name if name.startswith("_:") else iri(name)
        for triple in triples:
            yield Quad(_term(triple["subject"]), _term(triple["predicate"]), _term(triple["object"]), graph)


def _term(term: Mapping[str, Any]) -> str:
    match term["type"]:
        case "IRI":
            return iri(term["value"])
        case "literal":
            return literal(str(term["value"]), term.get("datatype"), term.get("language"))
    return str(term["value"])
