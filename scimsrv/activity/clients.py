"""Which identity provider a request came from, by what it calls itself or by what its token is called."""

from __future__ import annotations

from typing import Final, NamedTuple


class Client(NamedTuple):
    """The word that is stored, what people call it, and what its User-Agent or the label of its token has in it, in lower case."""

    word: str
    name: str
    signs: tuple[str, ...]


CLIENTS: Final = (
    Client("entra", "Entra ID", ("entra", "azure", "microsoft")),
    Client("okta", "Okta", ("okta",)),
    Client("onelogin", "OneLogin", ("onelogin",)),
    Client("jumpcloud", "JumpCloud", ("jumpcloud",)),
    Client("ping", "Ping Identity", ("pingfederate", "pingone", "ping identity")),
    Client("sailpoint", "SailPoint", ("sailpoint",)),
    Client("google", "Google Workspace", ("google",)),
    Client("keycloak", "Keycloak", ("keycloak",)),
    Client("rauthy", "Rauthy", ("rauthy",)),
)
"""What is told apart, the first that fits; docs/activity.md is compared with this table."""

OTHER: Final = "other"

NAMES: Final = {one.word: one.name for one in CLIENTS}

#: Characters of a User-Agent that are looked at.
_LOOKED_AT: Final = 200


def client_of(text: str) -> str:
    """The word for the client that a User-Agent or a label names; `other` where it names none that is known."""
    text = text[:_LOOKED_AT].lower()
    return next((one.word for one in CLIENTS if any(sign in text for sign in one.signs)), OTHER)
