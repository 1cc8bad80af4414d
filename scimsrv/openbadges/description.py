"""The service description of the Open Badges API (Open Badges 3.0 §7.2.2): a profile of OpenAPI 3.0, for whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from scimsrv import __version__
from scimsrv.store.applications import OFFLINE

SCOPE: Final = "https://purl.imsglobal.org/spec/ob/v3p0/scope/"

READ: Final = f"{SCOPE}credential.readonly"
KEEP: Final = f"{SCOPE}credential.upsert"
PROFILE: Final = f"{SCOPE}profile.readonly"
CHANGE: Final = f"{SCOPE}profile.update"

_SCOPES: Final = {
    READ: "Read your credentials.",
    KEEP: "Keep credentials for you.",
    PROFILE: "Read your profile.",
    CHANGE: "Change your profile.",
    OFFLINE: "Do this while you are away, until you end it.",
}

ALL_SCOPES: Final = tuple(_SCOPES)
"""The scopes of the standard."""


class Published(NamedTuple):
    """What the operator says of the service: URLs of its terms, of its privacy policy, and of a picture; None where there is none."""

    terms: str | None = None
    privacy: str | None = None
    image: str | None = None


def meanings(scopes: Sequence[str]) -> dict[str, str]:
    """What scopes mean, for the user who is asked."""
    return {scope: _SCOPES[scope] for scope in scopes}


def description(slug: str, base: str, published: Published) -> dict[str, Any]:
    """The document for a tenant whose API has this URL."""
    said = {
        "termsOfService": published.terms,
        "x-imssf-privacyPolicyUrl": published.privacy,
        "x-imssf-image": published.image,
    }
    return {
        "openapi": "3.0.1",
        "info": {"title": f"Open Badges API of {slug}", "version": __version__} | {name: url for name, url in said.items() if url},
        "servers": [{"url": base}],
        "paths": {
            "/credentials": {
                "get": _operation("getCredentials", "A page of the user's credentials.", READ, _ref("GetOpenBadgeCredentialsResponse"))
                | {"parameters": [_parameter("limit", 1), _parameter("offset", 0), _SINCE]},
                "post": _operation("upsertCredential", "The credential, which replaced the same one.", KEEP, _ANY, "201")
                | {"requestBody": {"required": True, "content": _ANY}},
            },
            "/profile": {
                "get": _operation("getProfile", "The user's profile.", PROFILE, _ref("Profile")),
                "put": _operation("putProfile", "The profile as it is now.", CHANGE, _ref("Profile"))
                | {"requestBody": {"required": True, "content": _ref("Profile")}},
            },
        },
        "components": {"securitySchemes": {"OAuth2ACG": _oauth(base)}, "schemas": _SCHEMAS},
    }


def _oauth(base: str) -> dict[str, Any]:
    flow = {"authorizationUrl": f"{base}/oauth/authorize", "tokenUrl": f"{base}/oauth/token", "refreshUrl": f"{base}/oauth/token"}
    return {
        "type": "oauth2",
        "description": "Authorization code with PKCE (S256). Tokens are revoked at x-imssf-revocationUrl (RFC 7009).",
        "x-imssf-registrationUrl": f"{base}/oauth/register",
        "x-imssf-revocationUrl": f"{base}/oauth/revoke",
        "flows": {"authorizationCode": flow | {"scopes": dict(_SCOPES)}},
    }


def _operation(id_: str, found: str, scope: str, content: dict[str, Any], created: str | None = None) -> dict[str, Any]:
    statuses = {"200": {"description": found, "content": content}}
    if created is not None:
        statuses[created] = {"description": "The credential, which is new.", "content": content}
    failed = {"description": "What is wrong.", "content": _ref("Imsx_StatusInfo")}
    return {"operationId": id_, "security": [{"OAuth2ACG": [scope]}], "responses": statuses | {"default": failed}}


def _ref(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _parameter(name: str, least: int) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": "integer", "minimum": least}}


_SINCE: Final = {"name": "since", "in": "query", "schema": {"type": "string", "format": "date-time"}}

_CREDENTIAL: Final[dict[str, Any]] = {"type": "object", "description": "An AchievementCredential with a proof."}
_TOKEN: Final[dict[str, Any]] = {"type": "string", "description": "An AchievementCredential as a compact JWS."}
_ANY: Final[dict[str, Any]] = {
    "application/json": {"schema": _CREDENTIAL},
    "application/vc+ld+json": {"schema": _CREDENTIAL},
    "text/plain": {"schema": _TOKEN},
}

_SCHEMAS: Final[dict[str, Any]] = {
    "GetOpenBadgeCredentialsResponse": {
        "type": "object",
        "properties": {
            "credential": {"type": "array", "items": _CREDENTIAL},
            "compactJwsString": {"type": "array", "items": _TOKEN},
        },
    },
    "Profile": {
        "type": "object",
        "required": ["id", "type"],
        "properties": {
            "type": {"type": "array", "items": {"type": "string"}},
            **{name: {"type": "string"} for name in ("id", "name", "givenName", "familyName", "email", "url")},
        },
    },
    "Imsx_StatusInfo": {
        "type": "object",
        "required": ["imsx_codeMajor", "imsx_severity"],
        "properties": {
            "imsx_codeMajor": {"type": "string", "enum": ["failure", "processing", "success", "unsupported"]},
            "imsx_severity": {"type": "string", "enum": ["error", "status", "warning"]},
            "imsx_description": {"type": "string"},
            "imsx_codeMinor": {"type": "object"},
        },
    },
}
