"""What a credential that was good a while ago may do now."""

from __future__ import annotations

from scimsrv.errors import Kind, ScimError
from scimsrv.scopes import ROLES
from scimsrv.store.failure import guarded
from scimsrv.store.pool import Queries
from scimsrv.store.proof import Proof
from scimsrv.store.queries import load
from scimsrv.store.trusts import rules_of

_SQL = load("requests")


async def rights_now(by: Queries, tenant: int, actor: str, proof: Proof) -> tuple[frozenset[str], int]:
    """What the credential that sent a request may do now at most, and the revision of the tenant. Raises ScimError 401 when it, or what it
    was shown by, has ended, 403 when the tenant is suspended."""
    row = await guarded(lambda: by.fetchrow(_SQL["actor"], tenant, actor.partition("/")[0], proof.edition, proof.digest))
    if row is None or proof.has_ended:
        raise ScimError(Kind.UNAUTHORIZED, "The token that sent the request has ended")
    if row["status"] != "active":
        raise ScimError(Kind.FORBIDDEN, "The tenant is suspended")
    roles = () if row["roles"] is None else rules_of(row["roles"])
    return frozenset(row["scopes"]).union(*(ROLES[rule.role] for rule in roles)), row["revision"]
