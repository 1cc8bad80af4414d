"""The metadata of a tenant's authorization server (RFC 8414): made of the slug alone, the same whether there is such a tenant or not."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from scimsrv.oauth.access_tokens import AccessTokens
from scimsrv.oauth.asking import GRANTS
from scimsrv.oauth.jose import ALGORITHMS
from scimsrv.scopes import ALIASES, SCOPES

AUTHENTICATION: tuple[str, ...] = ("client_secret_basic", "client_secret_post", "private_key_jwt")
"""How clients may authenticate themselves."""


def metadata(tokens: AccessTokens, slug: str) -> dict[str, Any]:
    """The document for the tenant with this slug."""
    issuer = tokens.issuer(slug)
    return dict(
        AuthorizationServerMetadata(
            issuer=issuer,
            token_endpoint=f"{issuer}/oauth/token",
            token_endpoint_auth_methods_supported=list(AUTHENTICATION),
            token_endpoint_auth_signing_alg_values_supported=list(ALGORITHMS),
            revocation_endpoint=f"{issuer}/oauth/revoke",
            revocation_endpoint_auth_methods_supported=list(AUTHENTICATION),
            revocation_endpoint_auth_signing_alg_values_supported=list(ALGORITHMS),
            grant_types_supported=list(GRANTS),
            response_types_supported=["none"],
            scopes_supported=[*ALIASES, *SCOPES],
        )
    )
