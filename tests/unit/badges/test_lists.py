"""Status lists of other servers: whom they are fetched for, and what they say then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from scimsrv.badges import jws, signing, status_list
from scimsrv.openbadges.office import Office
from tests.unit.badges.test_verification import CREDENTIAL as DATED
from tests.unit.badges.test_verification import KEYS
from tests.unit.badges.web import HOST, Web

CREDENTIAL = {name: value for name, value in DATED.items() if name != "validUntil"}
URL = f"https://{HOST}/1"
ANOTHER = {"id": f"https://{HOST}/2", "type": "1EdTechRevocationList"}
BITS = {
    "type": "BitstringStatusListEntry",
    "statusPurpose": "revocation",
    "statusListIndex": "7",
    "statusListCredential": URL,
}
IDS = {"id": URL, "type": "1EdTechRevocationList"}


def _issuer() -> tuple[str, signing.SigningKey]:
    """An issuer that is its own key: its id, and the key."""
    key = signing.new_key("EdDSA")
    did = "did:key:" + signing.multikey_of(signing.public_jwk(key))
    return did, signing.SigningKey("EdDSA", f"{did}#{did.removeprefix('did:key:')}", key)


DID, KEY = _issuer()
OTHER, OTHER_KEY = _issuer()


def _credential(status: Any, key: signing.SigningKey = KEY, issuer: str = DID, **change: Any) -> bytes:
    return jws.sign(CREDENTIAL | {"issuer": {"id": issuer, "type": ["Profile"]}, "credentialStatus": status} | change, key).encode()


def _list(key: signing.SigningKey = KEY, issuer: str = DID, revoked: tuple[int, ...] = (7,), **change: Any) -> bytes:
    made = status_list.list_credential(URL, issuer, "2026-01-01T00:00:00Z", status_list.encode(revoked))
    made["credentialSubject"] |= change.pop("subject", {})
    return jws.sign(made | change, key).encode()


def _bare(**claims: Any) -> bytes:
    """A list that says no more than it has to: neither its id, nor from when on it holds."""
    made = orjson.loads(signing.base64url(_list().decode().split(".")[1]))
    said = {name: value for name, value in (made | claims).items() if name not in ("id", "jti", "validFrom", "nbf")}
    head = signing.to_base64url(orjson.dumps({"alg": KEY.alg, "kid": KEY.kid}))
    signed = f"{head}.{signing.to_base64url(orjson.dumps(said))}"
    return f"{signed}.{signing.to_base64url(KEY.sign(signed.encode()))}".encode()


def _ids(*revoked: str, issuer: str = DID) -> bytes:
    named = ",".join(f'{{"id":"{one}"}}' for one in revoked)
    return f'{{"id":"{URL}","issuer":"{issuer}","revokedCredential":[{named}]}}'.encode()


ID = str(CREDENTIAL["id"])


@pytest.mark.parametrize(
    ("status", "page", "verdict", "says"),
    [
        (BITS, _list(), "revoked", ""),
        (BITS, _list(revoked=(6, 8)), "active", ""),
        (BITS | {"statusListIndex": "131072"}, _list(), "unknown", "RANGE_ERROR"),
        (BITS | {"statusPurpose": "suspension"}, _list(), "unknown", "not about revocation"),
        (BITS, _list(OTHER_KEY, OTHER), "unknown", "not signed by the issuer"),
        (BITS, _list(OTHER_KEY), "unknown", "not signed by the issuer"),
        (BITS, _list()[:-6] + b"AAAAAA", "unknown", "not signed by the issuer"),
        (BITS, _list(validUntil="2026-01-02T00:00:00Z"), "unknown", "the status list is expired"),
        (BITS, _list(id="https://lists.example/other"), "unknown", "another id"),
        (BITS, _list(subject={"statusPurpose": "suspension"}), "unknown", "another purpose"),
        (BITS, _list(subject={"statusPurpose": ["suspension", "message"]}), "unknown", "another purpose"),
        (BITS, _list(subject={"statusPurpose": ["suspension", "revocation"], "type": ["BitstringStatusList"]}), "revoked", ""),
        (BITS, _bare(), "revoked", ""),
        (BITS, _bare(validUntil="2026-01-02T00:00:00Z", exp=1767312000), "unknown", "the status list is expired"),
        (BITS, b"<html>", "unknown", "JSON"),
        (IDS, _ids(ID), "revoked", ""),
        (IDS, _ids("urn:other"), "active", ""),
        (IDS, _ids(ID, issuer=OTHER), "unknown", "not the issuer's"),
    ],
)
async def test_what_lists_say(office: Callable[..., Office], status: Any, page: bytes, verdict: str, says: str) -> None:
    """A list that the issuer signed, or that names it, says what is revoked; any other says nothing, and neither does one that is over."""
    report = await office(Web(page1=page), HOST).verify(_credential(status))
    assert (report["signature"]["verdict"], report["issuerBinding"]["verdict"]) == ("valid", "proven")
    assert report["status"]["verdict"] == verdict, report
    assert says in report["status"].get("detail", "")


@pytest.mark.parametrize(
    ("payload", "hosts", "says"),
    [
        (_credential(BITS), (), "nothing is fetched"),
        (_credential(IDS), (), "nothing is fetched"),
        (_credential(IDS)[:-6] + b"AAAAAA", (HOST,), "whose signature and issuer hold"),
        (_credential(IDS, OTHER_KEY), (HOST,), "whose signature and issuer hold"),
        (_credential(BITS, replace(KEYS["ES256"], kid="https://elsewhere.example/key")), (HOST,), "whose signature and issuer hold"),
        (orjson.dumps(CREDENTIAL | {"issuer": DID, "credentialStatus": IDS}), (HOST,), "whose signature and issuer hold"),
    ],
    ids=["no hosts", "no hosts for ids", "invalid", "somebody else's", "unknown key", "unsigned"],
)
async def test_what_nothing_is_fetched_for(office: Callable[..., Office], payload: bytes, hosts: tuple[str, ...], says: str) -> None:
    """Without listed hosts, and for whatever is not its issuer's credential, nobody is asked."""
    web = Web(page1=_ids(ID))
    report = await office(web, *hosts).verify(payload)
    assert (web.asked, report["status"]["verdict"]) == ([], "unknown")
    assert says in report["status"]["detail"]


async def test_how_often_lists_are_fetched(office: Callable[..., Office]) -> None:
    """Once a minute; one that cannot be had is not asked for again at once; one verification asks for three lists at most."""
    web = Web(page1=_ids(ID))
    desk = office(web, HOST)
    for _ in range(3):
        assert (await desk.verify(_credential(IDS)))["status"]["verdict"] == "revoked"
        assert "it is away" in (await desk.verify(_credential(ANOTHER)))["status"]["detail"]
    assert web.asked == [URL, ANOTHER["id"]]
    endorsements = [_credential(IDS | {"id": f"https://{HOST}/{number}"}, id=f"urn:{number}").decode() for number in range(3, 8)]
    report = await desk.verify(_credential(IDS, endorsementJwt=endorsements))
    assert web.asked[2:] == [f"https://{HOST}/{number}" for number in (3, 4)]
    assert "more than 3 lists" in report["endorsements"][2]["status"]["detail"]


def _endorsement(number: int, *carried: str) -> str:
    """A signed endorsement of the credential or endorsement that carries it, which is numbered, and those that it carries itself."""
    made = CREDENTIAL | {"id": f"urn:{number}", "name": "x", "issuer": DID}
    made |= {"type": ["VerifiableCredential", "EndorsementCredential"]}
    made |= {"credentialSubject": {"id": ID, "type": ["EndorsementSubject"]}} | ({"endorsementJwt": [*carried]} if carried else {})
    return jws.sign(made, KEY)


def _shape(report: Any) -> Any:
    """The ids of endorsements, each with those of what it carries."""
    return [(one["id"], *_shape(one)) for one in report.get("endorsements", [])]


@pytest.mark.parametrize(
    ("carried", "shape"),
    [
        ([_endorsement(1, _endorsement(2, _endorsement(3, _endorsement(4))))], [("urn:1", ("urn:2", ("urn:3",)))]),
        (
            [_endorsement(1, *(_endorsement(number) for number in range(10, 20))), *(_endorsement(number) for number in range(2, 8))],
            [("urn:1", ("urn:10",), ("urn:11",), ("urn:12",)), *((f"urn:{number}",) for number in range(2, 8))],
        ),
    ],
    ids=["deep", "many"],
)
async def test_endorsements_of_endorsements(office: Callable[..., Office], carried: list[str], shape: Any) -> None:
    """Each is judged by itself, three deep and ten in all, those that the credential carries first."""
    report = await office(Web()).verify(_credential(IDS, endorsementJwt=carried))
    assert _shape(report) == shape
    first = report["endorsements"][0]
    assert first["signature"]["verdict"] == "valid"
    assert first["endorsements"][0]["structure"] == ["credentialSubject.id is not what it is carried by"]
