"""The tenant that embedded mode makes at its first start, and its token, which a file keeps so that it can be shown again."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scimsrv import tokens
from scimsrv.keys import TOKEN_PEPPER, ServerKeys
from scimsrv.scopes import expand
from scimsrv.store.connection import connect
from scimsrv.store.credentials import create_credential, list_credentials
from scimsrv.store.tenants import TenantError, create_tenant, find_tenant, list_tenants

SLUG: Final = "demo"
FILE_NAME: Final = "demo-token"


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo tenant; token is None when the kept one was revoked or its file is gone."""

    slug: str
    token: str | None


async def prepare_demo(dsn: str, data_dir: Path, keys: ServerKeys) -> Demo | None:
    """Make tenant demo and its token if there is no tenant at all, and return what can be shown; None when there are only others."""
    path = data_dir / FILE_NAME
    async with connect(dsn) as connection:
        if not await list_tenants(connection):
            token = tokens.new_token()
            # The file comes first: a start that is killed in between makes the tenant again, and a token that is not stored opens nothing.
            _keep(path, token.text)
            async with connection.transaction():
                tenant = await create_tenant(connection, SLUG)
                digest = tokens.digest(keys.derive(TOKEN_PEPPER), token.text)
                await create_credential(
                    connection, tenant.id, digest=digest, kid=token.kid, label=SLUG, scopes=expand(["scim"]), expires=None
                )
            return Demo(SLUG, token.text)
        try:
            tenant = await find_tenant(connection, SLUG)
        except TenantError:
            return None
        live = {one.kid for one in await list_credentials(connection, tenant.id)}
    text = _kept(path)
    return Demo(SLUG, text if text is not None and text.split("_")[1] in live else None)


def _keep(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text + "\n")


def _kept(path: Path) -> str | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return text if tokens.looks_like_token(text) else None
