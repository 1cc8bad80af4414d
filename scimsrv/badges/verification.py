"""What can be said of a credential, in four verdicts that are never mixed: its signature, whose key it was, its status, its schema.

Pure: who calls looks up the keys and the status list that `read` names, and `judge` says what follows from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote

from scimsrv.badges import integrity, jws, revocation_list, status_list
from scimsrv.badges.base58 import from_multikey
from scimsrv.badges.signing import jwk_of, verify
from scimsrv.badges.strict import UnreadableError, read_json
from scimsrv.badges.structure import faults

#: Why a key is not known where nobody says anything else.
UNFETCHED: Final = "keys of other servers' issuers are not fetched (setting badge_issuer_hosts)"

#: What a token's key is known by where the token brings it along and names none.
BROUGHT: Final = ""

#: Proofs of a document that are looked at.
_MOST_PROOFS: Final = 8

_DID_KEY: Final = "did:key:"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One of the verdicts, why, and how it was found."""

    verdict: str
    detail: str | None = None

    def shown(self) -> dict[str, Any]:
        """The verdict as JSON."""
        return {"verdict": self.verdict} | ({} if self.detail is None else {"detail": self.detail})


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A public key whose owner is known: `owner` is the issuer's id, `how` says from where that is known. What it made at or after
    `compromised` counts for nothing."""

    jwk: Mapping[str, Any]
    owner: str
    how: str
    compromised: datetime | None = None


@dataclass(frozen=True, slots=True)
class Presented:
    """A credential as it was presented: as a token, or as a document with proofs."""

    credential: dict[str, Any]
    token: jws.Token | None
    proofs: Sequence[Mapping[str, Any]]

    @property
    def issuer(self) -> str | None:
        """The id of the issuer that the credential names."""
        issuer = self.credential.get("issuer")
        found = issuer.get("id") if isinstance(issuer, dict) else issuer
        return found if isinstance(found, str) else None

    @property
    def methods(self) -> tuple[str, ...]:
        """The ids of the keys that the proofs name."""
        named = [self.token.header.get("kid")] if self.token is not None else [one.get("verificationMethod") for one in self.proofs]
        return tuple(name for name in named if isinstance(name, str))

    @property
    def form(self) -> str:
        """`VC-JWT`, `Data Integrity` or `unsigned`."""
        return "VC-JWT" if self.token is not None else "Data Integrity" if self.proofs else "unsigned"


@dataclass(frozen=True, slots=True)
class Report:
    """The verdicts, and what else was noticed."""

    signature: Verdict
    issuer_binding: Verdict
    status: Verdict
    structure: Sequence[str] = ()
    warnings: Sequence[str] = field(default=())

    @property
    def schema(self) -> Verdict:
        """Whether the credential is what the standard's schema and rules demand; `structure` has what is wrong."""
        return Verdict("invalid", self.structure[0]) if self.structure else Verdict("valid")

    @property
    def holds(self) -> bool:
        """Whether the credential is its issuer's, whatever became of it since."""
        return (self.signature.verdict, self.issuer_binding.verdict) == ("valid", "proven")

    def shown(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "signature": self.signature.shown(),
            "issuerBinding": self.issuer_binding.shown(),
            "status": self.status.shown(),
            "schema": self.schema.shown(),
            "structure": list(self.structure),
            "warnings": list(self.warnings),
        }


def read(payload: bytes) -> Presented:
    """Take apart what a file, a body or a picture holds. Raises UnreadableError where it is neither a token nor a JSON object."""
    if jws.looks_like_token(payload):
        try:
            token = jws.read(payload.strip().decode("ascii"))
        except UnicodeDecodeError as problem:
            raise UnreadableError("the token is not a compact JWS") from problem
        return Presented(token.credential, token, ())
    document = read_json(payload)
    proof = document.get("proof")
    proofs = [one for one in (proof if isinstance(proof, list) else [proof]) if isinstance(one, dict) and one]
    return Presented(document, None, proofs[:_MOST_PROOFS])


def same_id(id_: str) -> str:
    """An id as the standard compares it: without white space around it and with percent-escapes undone (Open Badges 3.0 §9)."""
    return unquote(id_.strip())


def is_same(one: Presented, other: Presented) -> bool:
    """Whether two are the same credential, as their issuer issued it at one time or another."""
    ids = [(it.issuer, it.credential.get("id")) for it in (one, other)]
    issuer, id_ = ids[0]
    if not isinstance(issuer, str) or not isinstance(id_, str):
        return False
    return all(isinstance(held, str) and same_id(held) == same_id(mine) for held, mine in zip(ids[1], (issuer, id_), strict=True))


def is_newer(one: Presented, other: Presented) -> bool:
    """Whether one was issued later than the other."""
    begins = [_instant(it.credential.get("validFrom", it.credential.get("issuanceDate"))) for it in (one, other)]
    return begins[0] is not None and begins[1] is not None and begins[0] > begins[1]


def self_described(method: str) -> KnownKey | None:
    """The key that a did:key names, or None for every other kind of name."""
    did = method.partition("#")[0]
    if not did.startswith(_DID_KEY):
        return None
    try:
        from_multikey(did.removeprefix(_DID_KEY))
        return KnownKey(jwk_of(did.removeprefix(_DID_KEY)), did, "did:key")
    except ValueError:
        return None


def judge(
    presented: Presented,
    keys: Mapping[str, KnownKey],
    status: bool | str | None,
    now: datetime,
    canonicalizer: integrity.Canonicalizer,
    *,
    strict: bool = False,
    why: str = UNFETCHED,
) -> Report:
    """The verdicts. `keys` are those known of `presented.methods` (and by `BROUGHT` the one that a token brings along, where it is known
    whose that is), and `why` says why others are not; `status` says whether the status list has it as revoked, or why that is not known;
    None where the credential has no status."""
    warnings: list[str] = []
    if presented.token is not None:
        signature, key, made = _of_token(presented.token, keys, why, warnings, strict=strict)
    else:
        signature, key, made = _of_proofs(presented, keys, why, canonicalizer, now)
    if key is not None and key.compromised is not None and signature.verdict == "valid" and (made is None or made >= key.compromised):
        signature = Verdict("invalid", "the key was compromised before this was signed")
    return Report(
        signature,
        _binding(presented, key, signature, why),
        _status(presented.credential, status, now),
        faults(presented.credential),
        warnings,
    )


def with_status(report: Report, credential: Mapping[str, Any], revoked: bool | str | None, now: datetime) -> Report:
    """The report with what the credential's status list says, which is asked when the rest is known; `revoked` as `status` of `judge`."""
    return replace(report, status=_status(credential, revoked, now))


def _of_token(
    token: jws.Token, keys: Mapping[str, KnownKey], why: str, warnings: list[str], *, strict: bool
) -> tuple[Verdict, KnownKey | None, datetime | None]:
    if token.unsupported is not None:
        return Verdict("unsupported", token.unsupported), None, None
    alg = token.header["alg"]
    own = token.header.get("jwk")
    known = keys.get(token.header.get("kid", BROUGHT))
    jwk = known.jwk if known is not None else own
    if jwk is None:
        return Verdict("cannot verify", f"the key is not known here: {why}"), None, None
    try:
        if not verify(alg, jwk, token.signed, token.signature):
            return Verdict("invalid", "the signature does not match"), known, None
    except ValueError as problem:
        return Verdict("invalid", str(problem)), known, None
    wrong, tolerated = jws.contradictions(token, strict=strict)
    if wrong:
        return Verdict("invalid", "; ".join(wrong)), known, None
    warnings += tolerated
    made = _instant(token.credential.get("validFrom", token.credential.get("issuanceDate")))
    return Verdict("valid", f"{alg}, by a key that the token itself brought along" if known is None else alg), known, made


def _of_proofs(
    presented: Presented, keys: Mapping[str, KnownKey], why: str, canonicalizer: integrity.Canonicalizer, now: datetime
) -> tuple[Verdict, KnownKey | None, datetime | None]:
    """Of several proofs the best counts: any one that holds is enough."""
    if not presented.proofs:
        return Verdict("invalid", "there is no proof"), None, None
    once = integrity.Remembering(canonicalizer)
    found = [_of_proof(presented.credential, proof, keys, why, once, now) for proof in presented.proofs]
    return min(found, key=lambda one: (_ORDER.index(one[0].verdict), one[1] is None))


_ORDER: Final = ("valid", "cannot verify", "unsupported", "invalid")


def _of_proof(
    document: Mapping[str, Any],
    proof: Mapping[str, Any],
    keys: Mapping[str, KnownKey],
    why: str,
    canonicalizer: integrity.Canonicalizer,
    now: datetime,
) -> tuple[Verdict, KnownKey | None, datetime | None]:
    try:
        integrity.check_suite(proof)
        known = keys.get(str(proof.get("verificationMethod")))
        if known is None:
            return Verdict("cannot verify", f"the key is not known here: {why}"), None, None
        if not integrity.is_proven(document, proof, known.jwk, canonicalizer):
            return Verdict("invalid", "the signature does not match"), known, None
    except integrity.UnsupportedError as problem:
        return Verdict("unsupported", str(problem)), None, None
    except integrity.IntegrityError as problem:
        return Verdict("cannot verify", str(problem)), None, None
    if "expires" in proof:  # Data Integrity §2.1
        ends = _instant(proof["expires"])
        if ends is None or ends <= now:
            return Verdict("invalid", "the proof has expired" if ends is not None else "the proof's expires is not a dateTime"), known, None
    return Verdict("valid", integrity.SUITE), known, _instant(proof.get("created"))


def _binding(presented: Presented, key: KnownKey | None, signature: Verdict, why: str) -> Verdict:
    """Whether the key is the issuer's: that is known of the key, or not at all."""
    if presented.issuer is None:
        return Verdict("contradicted", "the credential names no issuer")
    if key is None or signature.verdict in ("unsupported", "cannot verify"):
        unchecked = "not checked: nothing known here says whose key it is, and "
        return Verdict("unproven", unchecked + why if why is UNFETCHED else why)
    if key.owner != presented.issuer:
        return Verdict("contradicted", f"the key belongs to {key.owner[:200]}")
    if signature.verdict != "valid":
        return Verdict("unproven", "the signature is not valid")
    return Verdict("proven", key.how)


def _status(credential: Mapping[str, Any], revoked: bool | str | None, now: datetime) -> Verdict:
    """Revoked goes before expired, and both before what is not known."""
    if revoked is True:
        return Verdict("revoked")
    start, end = credential.get("validFrom", credential.get("issuanceDate")), credential.get("validUntil", credential.get("expirationDate"))
    begins, ends = _instant(start), _instant(end)
    if (begins is None and start is not None) or (ends is None and end is not None):
        return Verdict("unknown", "validFrom or validUntil is not a dateTime")
    if begins is None:
        return Verdict("unknown", "validFrom is missing")
    if begins > now:
        return Verdict("not yet valid", f"valid from {start}")
    if ends is not None and ends <= now:
        return Verdict("expired", f"valid until {end}")
    if isinstance(revoked, str):
        return Verdict("unknown", revoked)
    return Verdict("active", "the credential has no status list" if revoked is None else None)


def _instant(text: Any) -> datetime | None:
    try:
        when = datetime.fromisoformat(text) if isinstance(text, str) and len(text) <= 40 else None
    except ValueError:
        return None
    return when if when is not None and when.tzinfo is not None else None


def status_entry(credential: Mapping[str, Any]) -> status_list.StatusEntry | revocation_list.ListEntry | None:
    """Where the credential's status is found, None where it has none. Raises StatusListError for what is not supported."""
    status = credential.get("credentialStatus")
    if status is None:
        return None
    entries = status if isinstance(status, list) else [status]
    for one in entries[:_MOST_PROOFS]:
        if isinstance(one, dict) and one.get("type") == revocation_list.ENTRY:
            return revocation_list.read_entry(one)
        if isinstance(one, dict) and one.get("statusPurpose", status_list.REVOCATION) == status_list.REVOCATION:
            return status_list.read_entry(one)
    raise status_list.StatusListError("the status is not about revocation")
