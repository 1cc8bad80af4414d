"""Applications that register themselves (RFC 7591), in the profile of the Open Badges API: all their URLs are https, and of one host."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc7591 import ClientMetadataClaims, InvalidClientMetadataError, InvalidRedirectURIError
from joserfc.errors import JoseError

#: How applications authenticate themselves, and what they may use.
BASIC: Final = "client_secret_basic"
GRANTS: Final = ("authorization_code", "refresh_token")

#: What an application has to say of itself, beside what has a default (Open Badges 3.0 §7.3.1).
_NEEDED: Final = (
    *("client_name", "client_uri", "logo_uri", "tos_uri", "policy_uri", "software_id", "software_version", "redirect_uris", "scope"),
)
_URLS: Final = ("client_uri", "logo_uri", "tos_uri", "policy_uri")
_DEFAULTS: Final[Mapping[str, Any]] = {
    "token_endpoint_auth_method": BASIC,
    "grant_types": ["authorization_code"],
    "response_types": ["code"],
}
_MOST: Final = 10
_LONGEST: Final = 500

#: The characters of a URL (RFC 3986 §2), and of a host, which stands in a header that the browser acts on: it has none that means something
#: there, and none that browsers read as the end of a host.
_CHARACTERS: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
_HOSTNAME: Final = re.compile(r"[a-z0-9.-]{1,253}")


def read_registration(body: Mapping[str, Any], scopes: Collection[str]) -> dict[str, Any]:
    """What an application says of itself, with defaults and without what is not known here. `scopes` are those that there are.

    Raises InvalidClientMetadataError and InvalidRedirectURIError (RFC 7591 §3.2.2).
    """
    given = {name: body[name] for name in (*_NEEDED, *_DEFAULTS, "contacts") if body.get(name) not in (None, "", [])}
    for name in _NEEDED:
        if name not in given:
            raise InvalidClientMetadataError(f"{name} is required.")
    for name, value in given.items():
        texts = value if isinstance(value, list) else [value]
        if isinstance(value, list) != (name in _LISTS) or len(texts) > _MOST or not all(_fits(one) for one in texts):
            raise InvalidClientMetadataError(f"{name} must be {'a list of texts' if name in _LISTS else 'a text'}, and not too long.")
    made = {**_DEFAULTS, **given}
    if made["token_endpoint_auth_method"] != BASIC:
        raise InvalidClientMetadataError(f"token_endpoint_auth_method must be {BASIC}.")
    if made["response_types"] != ["code"] or not {"authorization_code"} <= {*made["grant_types"]} <= {*GRANTS}:
        raise InvalidClientMetadataError(f"response_types must be code, grant_types authorization_code and, if wanted, {GRANTS[1]}.")
    unknown = sorted({*made["scope"].split()} - {*scopes})
    if unknown or not made["scope"].split():
        raise InvalidClientMetadataError(f"scope: {unknown[0] if unknown else 'nothing'} is not a scope of this server.")
    hosts = {_host(made[name]) for name in _URLS}
    if None in hosts or len(hosts) > 1:
        raise InvalidClientMetadataError(f"{', '.join(_URLS)} must be https URLs of one host.")
    if {_host(uri) for uri in made["redirect_uris"]} != hosts or any("#" in uri for uri in made["redirect_uris"]):
        raise InvalidRedirectURIError("redirect_uris must be https URLs without fragments, of the host of client_uri.")
    try:
        ClientMetadataClaims(dict(made), {}).validate()
    except (JoseError, OAuth2Error) as problem:
        raise InvalidClientMetadataError(str(problem)) from None
    return made


_LISTS: Final = frozenset({"redirect_uris", "grant_types", "response_types", "contacts"})


def _fits(text: Any) -> bool:
    return isinstance(text, str) and 0 < len(text) <= _LONGEST and text.isprintable()


def _host(url: str) -> str | None:
    """The host of an https URL; None for every other kind."""
    if _CHARACTERS.fullmatch(url) is None:
        return None
    try:
        parts = urlsplit(url)
        if parts.scheme != "https" or parts.username is not None or parts.port == 0:
            return None
    except ValueError:
        return None
    host = parts.hostname
    return host if host is not None and _HOSTNAME.fullmatch(host) is not None else None
