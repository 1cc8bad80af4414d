"""Endorsements that a credential carries, and revocation lists of other issuers: what is found, and what says nothing."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from scimsrv.badges import contexts, jws
from scimsrv.badges.checking import check_catalogue
from scimsrv.badges.endorsements import MOST, Endorsement, carried, comment, faults
from scimsrv.badges.revocation_list import ENTRY, ListEntry, is_listed
from scimsrv.badges.signing import SigningKey, new_key
from scimsrv.badges.status_list import StatusListError
from scimsrv.badges.verification import status_entry
from scimsrv.errors import ScimError
from tests.unit.badges.test_verification import CREDENTIAL, ISSUER

URL = "https://lists.example/1"
LIST: dict[str, Any] = {
    "id": URL,
    "issuer": ISSUER,
    "revokedCredential": [{"id": "urn:a"}, {"id": "urn:b", "revoked": False}, {"id": "urn:c", "revoked": True}],
}


def test_where_endorsements_are() -> None:
    """On the credential, its achievement and its issuer, as documents or tokens; no more than ten are looked at."""
    achievement = CREDENTIAL["credentialSubject"]["achievement"] | {"endorsementJwt": ["eyJ.x.y"]}
    found = carried(
        CREDENTIAL
        | {"endorsement": [{"id": "urn:1"}, "urn:2"], "issuer": CREDENTIAL["issuer"] | {"endorsement": {"id": "urn:3"}}}
        | {"credentialSubject": CREDENTIAL["credentialSubject"] | {"achievement": achievement}}
    )
    assert found == [
        Endorsement("credential", CREDENTIAL["id"], b'{"id":"urn:1"}'),
        Endorsement("achievement", achievement["id"], b"eyJ.x.y"),
        Endorsement("issuer", ISSUER, b'{"id":"urn:3"}'),
    ]
    assert len(carried(CREDENTIAL | {"endorsementJwt": ["x"] * 50})) == MOST
    assert carried({"credentialSubject": [], "issuer": "urn:i", "endorsement": 5}) == []


def test_what_an_endorsement_has_to_be() -> None:
    """It is of the type, and about what carries it."""
    made = {"type": ["VerifiableCredential", "EndorsementCredential"], "credentialSubject": {"id": "urn:x", "endorsementComment": "Good"}}
    assert (faults(made, "urn:x"), comment(made)) == ([], "Good")
    assert faults(made, "urn:y") == ["credentialSubject.id is not what it is carried by"]
    assert len(faults({"type": "OpenBadgeCredential"}, None)) == 2
    assert comment({"credentialSubject": {"endorsementComment": 5}}) is None


@pytest.mark.parametrize(("credential", "revoked"), [("urn:a", True), ("urn:b", False), ("urn:c", True), ("urn:d", False)])
def test_who_is_on_a_revocation_list(credential: str, revoked: bool) -> None:
    """What is listed is revoked, unless the list says that it is not."""
    entry = status_entry(CREDENTIAL | {"credentialStatus": {"id": URL, "type": ENTRY}})
    assert entry == ListEntry(URL)
    assert is_listed(orjson.dumps(LIST), URL, ISSUER, credential) is revoked


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "no revocation list"),
        (b'{"a":1,"a":2}', "no revocation list"),
        (orjson.dumps(LIST | {"id": "https://lists.example/2"}), "not the issuer's"),
        (orjson.dumps(LIST | {"issuer": "urn:other"}), "not the issuer's"),
        (orjson.dumps(LIST | {"revokedCredential": ["urn:a"]}), "a list of objects"),
    ],
)
def test_lists_that_say_nothing(body: bytes, says: str) -> None:
    """A list that is another's, or no list, does not revoke and does not clear."""
    with pytest.raises(StatusListError, match=says):
        is_listed(body, URL, ISSUER, "urn:a")


@pytest.mark.parametrize("status", [{"type": ENTRY}, {"type": ENTRY, "id": "file:///etc/passwd"}, {"type": ENTRY, "id": 5}])
def test_entries_that_name_no_list(status: dict[str, Any]) -> None:
    """The id is the URL of the list."""
    with pytest.raises(StatusListError, match="must be its URL"):
        status_entry({"credentialStatus": status})


def test_what_was_endorsed_stays_when_the_server_is_called_something_else() -> None:
    """An endorsement that a resource had before is kept with the URL that it is about; a new one is about the URL that holds now."""
    key = SigningKey("EdDSA", "urn:key", new_key("EdDSA"))

    def about(public: str) -> str:
        said = {
            "@context": [contexts.VC, contexts.OPEN_BADGES],
            "id": "urn:uuid:3f6b3a30-0000-4000-8000-000000000001",
            "type": ["VerifiableCredential", "EndorsementCredential"],
            "name": "Endorsement",
            "issuer": {"id": "https://elsewhere.example/", "type": ["Profile"]},
            "validFrom": "2026-01-31T09:00:00Z",
            "credentialSubject": {"id": f"{public}/badges/acme/issuers/i1", "type": ["EndorsementSubject"]},
        }
        return jws.sign(said, key)

    then, now = about("https://then.example"), about("https://now.example/scim")
    issuer = {"id": "i1", "displayName": "Institute", "endorsements": [then]}
    base = "https://now.example/scim/scim/acme/v2"
    with pytest.raises(ScimError, match="one is about something else"):
        check_catalogue("BadgeIssuer", issuer, base)
    check_catalogue("BadgeIssuer", issuer | {"displayName": "Other", "endorsements": [then, now]}, base, issuer)
    with pytest.raises(ScimError, match=r"is about something else: .* https://now\.example/scim/badges/acme/issuers/i1"):
        check_catalogue("BadgeIssuer", issuer, base, issuer | {"endorsements": [now]})
