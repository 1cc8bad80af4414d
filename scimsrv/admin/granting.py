"""The administrator's verbs on a tenant's OAuth clients and on the issuers that it trusts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson

from scimsrv import tokens
from scimsrv.admin import granting_models as models
from scimsrv.admin.acting import Acting
from scimsrv.keys import SECRET_PEPPER
from scimsrv.oauth.jose import parse_keys
from scimsrv.oauth.trusting import check_trust
from scimsrv.schema.attribute import fold_name
from scimsrv.scopes import expand
from scimsrv.store import clients, trusts
from scimsrv.store.credentials import CredentialError
from scimsrv.store.identity import load_catalog
from scimsrv.store.narrowing import Network, parse_networks


class Granting(Acting):
    """Verbs about who gets access."""

    async def create_client(self, slug: str, asked: models.ClientCreation) -> models.NewClient:
        """Make an OAuth client. Raises TenantMissing and CredentialError."""
        tenant = await self._key(slug)
        id_, secret = tokens.new_id(tokens.CLIENT), None
        jwks = _keys(asked.jwks)
        async with self._connection.transaction():
            await clients.create_client(
                self._connection,
                tenant,
                id_=id_,
                label=asked.label,
                scopes=scopes_of(asked.scopes),
                types=await self.types_of(tenant, asked.types),
                networks=networks_of(asked.networks),
                lifetime=asked.lifetime,
                jwks=jwks,
            )
            if jwks is None:
                secret = await self._add_secret(tenant, id_, asked.expires)
            made = await clients.find_client(self._connection, tenant, id_)
            said = asdict(made)
            await self._note("client.create", slug, id_, {name: said[name] for name in ("label", "scopes", "types", "networks", "signs")})
        return self._new_client(slug, made, secret)

    async def rotate_client(self, slug: str, client: str, asked: models.ClientRotation) -> models.NewClient:
        """Give a client its next secret, or one that signs its next keys. Raises TenantMissing, CredentialMissing and CredentialError."""
        tenant, secret = await self._key(slug), None
        jwks = _keys(asked.jwks)
        async with self._connection.transaction():
            if jwks is None:
                secret = await self._add_secret(tenant, client, asked.expires)
                said: dict[str, Any] = {"secret": secret.kid, "expires": asked.expires}
            else:
                await clients.replace_keys(self._connection, tenant, client, jwks)
                said = {"keys": [key.kid for key in parse_keys(jwks, strict=True)]}
            made = await clients.find_client(self._connection, tenant, client)
            await self._note("client.rotate", slug, client, said)
        return self._new_client(slug, made, secret)

    async def list_clients(self, slug: str) -> models.ClientList:
        """The tenant's OAuth clients. Raises TenantMissing."""
        found = await clients.list_clients(self._connection, await self._key(slug))
        return models.ClientList(clients=[models.Client.model_validate(asdict(one)) for one in found])

    async def revoke_client(self, slug: str, client: str, secret: str | None = None) -> models.ClientRevocation:
        """End a client, or one of its secrets, and the access tokens of the client at once. Raises TenantMissing and CredentialMissing."""
        tenant = await self._key(slug)
        async with self._connection.transaction():
            if secret is None:
                await clients.revoke_client(self._connection, tenant, client)
                await self._note("client.revoke", slug, client)
            else:
                await clients.revoke_secret(self._connection, tenant, client, secret)
                await self._note("client.secret.revoke", slug, client, {"secret": secret})
        return models.ClientRevocation(revoked=secret or client)

    async def add_trust(self, slug: str, asked: models.TrustCreation) -> models.Trust:
        """Trust an issuer. Raises TenantMissing and CredentialError."""
        tenant = await self._key(slug)
        trust = trusts.Trust(
            id=tokens.new_id(tokens.TRUST),
            label=asked.label,
            issuer=asked.issuer,
            audiences=tuple(asked.audiences),
            pins={claim: tuple(values) for claim, values in asked.pins.items()},
            algorithms=tuple(asked.algorithms),
            jwks=None if asked.jwks is None else orjson.dumps(asked.jwks).decode(),
            jwks_uri=asked.jwks_uri,
            uses=frozenset(asked.uses),
            single_use=asked.single_use,
            scopes=scopes_of(asked.scopes),
            types=tuple(await self.types_of(tenant, asked.types) or ()),
            networks=tuple(networks_of(asked.networks) or ()),
            roles=tuple(trusts.RoleRule(**rule.model_dump()) for rule in asked.roles),
            lifetime=asked.lifetime,
        )
        try:
            check_trust(trust)
        except ValueError as problem:
            raise CredentialError(str(problem)) from None
        async with self._connection.transaction():
            made = _trust(await trusts.add_trust(self._connection, tenant, trust))
            await self._note("trust.add", slug, trust.id, made.model_dump(exclude={"id", "created", "last_used", "jwks"}))
        return made

    async def list_trusts(self, slug: str) -> models.TrustList:
        """What the tenant trusts. Raises TenantMissing."""
        found = await trusts.list_trusts(self._connection, await self._key(slug))
        return models.TrustList(trusts=[_trust(one) for one in found])

    async def remove_trust(self, slug: str, trust: str) -> models.TrustRemoval:
        """Trust an issuer no more, which ends what it led to at once. Raises TenantMissing and CredentialMissing."""
        async with self._connection.transaction():
            await trusts.remove_trust(self._connection, await self._key(slug), trust)
            await self._note("trust.remove", slug, trust)
        return models.TrustRemoval(removed=trust)

    async def types_of(self, tenant: int, names: Sequence[str]) -> list[str] | None:
        """The tenant's resource types of these names, None for none. Raises CredentialError naming one that there is not."""
        if not names:
            return None
        _, catalog = await load_catalog(self._connection, tenant)
        known = {fold_name(name): name for name in catalog.by_name}
        for name in names:
            if fold_name(name) not in known:
                raise CredentialError(f"There is no resource type {name[:64]!r}; there are {', '.join(known.values())}.")
        return [known[fold_name(name)] for name in names]

    async def _add_secret(self, tenant: int, client: str, expires: Any) -> tokens.Token:
        secret = tokens.new_token(tokens.SECRET)
        digest = tokens.digest(self._derive(SECRET_PEPPER), secret.text)
        await clients.add_secret(self._connection, tenant, client, kid=secret.kid, digest=digest, expires=expires)
        return secret

    def _new_client(self, slug: str, made: clients.Client, secret: tokens.Token | None) -> models.NewClient:
        url = self._url(slug)
        issuer = url.removesuffix("/v2")
        shown = {"secret": None if secret is None else secret.text, "url": url, "issuer": issuer, "token_endpoint": f"{issuer}/oauth/token"}
        return models.NewClient.model_validate(asdict(made) | shown)


def _keys(given: dict[str, Any] | None) -> str | None:
    """A JWK Set as text. Raises CredentialError for one that cannot be used."""
    if given is None:
        return None
    text = orjson.dumps(given).decode()
    try:
        parse_keys(text, strict=True)
    except ValueError as problem:
        raise CredentialError(f"jwks: {problem}.") from None
    return text


def scopes_of(names: Sequence[str]) -> tuple[str, ...]:
    """The scopes of these names. Raises CredentialError naming an unknown one."""
    try:
        return expand(names)
    except ValueError as error:
        raise CredentialError(str(error)) from None


def networks_of(texts: Sequence[str]) -> list[Network] | None:
    """The networks of these texts, None for none. Raises CredentialError naming a text that is none."""
    try:
        return parse_networks(texts)
    except ValueError as error:
        raise CredentialError(str(error)) from None


def _trust(one: trusts.Trust) -> models.Trust:
    keys = None if one.jwks is None else orjson.loads(one.jwks)
    lists = {"uses": sorted(one.uses), "networks": [str(network) for network in one.networks]}
    return models.Trust.model_validate(asdict(one) | lists | {"jwks": keys})
