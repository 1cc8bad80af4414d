"""What a tenant may be made to trust: rules on an issuer, so that no oversight lets in everybody whom that issuer knows."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from scimsrv.oauth.jose import ALGORITHMS, parse_keys
from scimsrv.scopes import ME, ROLES
from scimsrv.store.trusts import BEARER, EXCHANGE, Trust

ENTRA_AUDIENCE: Final = "8adf8e6e-67b2-4cf2-a259-e3dc5476c621"
"""The audience of the tokens by which Entra ID provisions into every application that is not of its gallery, whosever it is."""

#: Issuers of Entra ID in its clouds: one for each directory, whose id must be in the token too.
_ENTRA: Final = frozenset(
    {"sts.windows.net", "sts.chinacloudapi.cn"}
    | {f"login.{domain}" for domain in ("microsoftonline.com", "microsoftonline.us", "partner.microsoftonline.cn", "windows.net")}
)
_DIRECTORY: Final = re.compile(r"/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:/|/v2\.0)?")

_PRINTED: Final = re.compile(r"[\x21-\x7e]{1,500}")
_CLAIM: Final = re.compile(r"[\x21-\x7e]{1,100}")


def check_trust(trust: Trust) -> None:
    """Raises ValueError that names what is wrong with a trust."""
    _check_issuer(trust)
    if not trust.audiences or not all(_PRINTED.fullmatch(one) for one in trust.audiences):
        raise ValueError("audiences: at least one is needed, of printable ASCII characters.")
    if not trust.algorithms or not set(trust.algorithms) <= set(ALGORITHMS):
        raise ValueError(f"algorithms: known are {', '.join(ALGORITHMS)}.")
    if not trust.uses or not trust.uses <= {BEARER, EXCHANGE}:
        raise ValueError(f"uses: known are {BEARER} and {EXCHANGE}.")
    if not trust.scopes and not trust.roles:
        raise ValueError("scopes: at least one is needed where there are no roles.")
    for claim, values in trust.pins.items():
        if _CLAIM.fullmatch(claim) is None or not values or not all(0 < len(value) <= 500 for value in values):
            raise ValueError("pins: each has the name of a claim and the values that it may have.")
    for rule in trust.roles:
        if _CLAIM.fullmatch(rule.claim) is None or rule.role not in ROLES:
            raise ValueError(f"roles: each has a claim, its value and a role; roles are {', '.join(ROLES)}.")
    if not trust.pins and not set(trust.scopes) <= {ME}:
        raise ValueError("pins: at least one is needed, such as sub or azp, as every token of the issuer would do otherwise.")
    _check_keys(trust)


def _check_issuer(trust: Trust) -> None:
    try:
        parts = urlsplit(trust.issuer)
    except ValueError:
        parts = urlsplit("")
    if _PRINTED.fullmatch(trust.issuer) is None or parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("issuer: must be an https URL, exactly as the tokens have it in iss.")
    if parts.hostname in _ENTRA:
        directory = _DIRECTORY.fullmatch(parts.path)
        if directory is None or trust.pins.get("tid") != (directory[1],):
            raise ValueError("issuer: one of Entra ID has the id of a directory in lower case, and the pin tid has the same.")
    if ENTRA_AUDIENCE in trust.audiences and trust.pins.keys().isdisjoint({"appid", "azp", "oid"}):
        raise ValueError("pins: appid or oid is needed, as the audience is that of all applications.")


def _check_keys(trust: Trust) -> None:
    if (trust.jwks is None) == (trust.jwks_uri is None):
        raise ValueError("jwks: either the keys or jwks_uri is needed.")
    if trust.jwks is not None:
        try:
            parse_keys(trust.jwks, strict=True)
        except ValueError as problem:
            raise ValueError(f"jwks: {problem}.") from None
    elif _PRINTED.fullmatch(trust.jwks_uri or "") is None or urlsplit(trust.jwks_uri).scheme != "https":
        raise ValueError("jwks_uri: must be an https URL.")
