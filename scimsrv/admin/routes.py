"""The table of the admin API: every route with what it takes, what it does and what it answers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from scimsrv import __version__
from scimsrv.admin import activity_models, badge_models, granting_models, models
from scimsrv.admin.access import AUDIT, READ, WRITE
from scimsrv.admin.following import EVENT_STREAM, events
from scimsrv.admin.operations import Operations
from scimsrv.admin.problems import Refusal
from scimsrv.admin.verbs import PolicyState
from scimsrv.audit.export import LINES
from scimsrv.schema.policy import policy_schema
from scimsrv.schema.redefinition import Subject
from scimsrv.store.pool import Queries

PREFIX: Final = "/admin/v1"

_TAGS: Final = re.compile(r'"(\d{1,18})"')


@dataclass(frozen=True, slots=True)
class Call:
    """A request that fits its route: path parameters, the models of query and body (None where the route has none), the values of
    If-Match and Last-Event-ID; `still` is whether whoever asks still may, and the server does not stop; `headers` go into the answer."""

    verbs: Operations
    path: Mapping[str, str]
    query: Any
    body: Any
    if_match: str | None
    pool: Queries
    last_event: str | None
    still: Callable[[], Awaitable[bool]]
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def tenant(self) -> str:
        """The slug in the path."""
        return self.path["tenant"]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path below PREFIX. `name` is its operationId; `merges` marks a body that is a JSON merge patch; `lines`, where
    there are any, are streamed in place of the answer, which is the model of each, as this `media_type`; `scope` is enough beside the
    usual one."""

    method: str
    path: str
    name: str
    summary: str
    run: Callable[[Call], Awaitable[BaseModel]]
    answer: type[BaseModel]
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    status: int = 200
    versioned: bool = False
    merges: bool = False
    lines: Callable[[Call], Awaitable[AsyncIterator[bytes]]] | None = None
    scope: str | None = None
    media_type: str = "application/json"

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes of which a token needs one."""
        usual = READ if self.method == "GET" else WRITE
        return (usual,) if self.scope is None else (usual, self.scope)


async def _service(call: Call) -> BaseModel:
    return models.Service(version=__version__)


async def _policy_schema(call: Call) -> BaseModel:
    return models.JsonSchema(policy_schema())


async def _presets(call: Call) -> BaseModel:
    return call.verbs.list_presets()


async def _create_tenant(call: Call) -> BaseModel:
    made = await call.verbs.create_tenant(call.body)
    call.headers["Location"] = f"{PREFIX}/tenants/{made.slug}"
    return made


async def _delete_tenant(call: Call) -> BaseModel:
    if call.query.confirm != call.tenant:
        raise Refusal(400, f"Deleting a tenant cannot be undone: confirm with ?confirm={call.tenant}")
    return await call.verbs.delete_tenant(call.tenant)


async def _show_policy(call: Call) -> BaseModel:
    return _policy(call, await call.verbs.show_policy(call.tenant, effective=call.query.effective))


async def _replace_policy(call: Call) -> BaseModel:
    return _policy(call, await call.verbs.write_policy(call.tenant, call.body.root, merge=False, if_match=_versions(call.if_match)))


async def _merge_policy(call: Call) -> BaseModel:
    return _policy(call, await call.verbs.write_policy(call.tenant, call.body.root, merge=True, if_match=_versions(call.if_match)))


def _policy(call: Call, state: PolicyState) -> BaseModel:
    call.headers["ETag"] = f'"{state.version}"'
    call.headers["Link"] = f'<{PREFIX}/policy-schema>; rel="describedby"'
    return models.Policy(state.document)


def _define(subject: Subject, name: str | None) -> Callable[[Call], Awaitable[BaseModel]]:
    """What creates, replaces or deletes a definition: `name` is the parameter of its path."""

    async def run(call: Call) -> BaseModel:
        done = await call.verbs.define(
            *(call.tenant, subject, None if name is None else call.path[name], None if call.body is None else call.body.root),
            if_match=_versions(call.if_match),
            dry_run=call.query.dry_run,
        )
        call.headers["ETag"] = f'"{done.version}"'
        return done

    return run


def _show(subject: Subject, name: str) -> Callable[[Call], Awaitable[BaseModel]]:
    async def run(call: Call) -> BaseModel:
        found = await call.verbs.show_definition(call.tenant, subject, call.path[name])
        call.headers["ETag"] = f'"{found.version}"'
        return found

    return run


async def _streamed(call: Call) -> BaseModel:
    raise AssertionError("the route answers with lines")


async def _followed(call: Call) -> AsyncIterator[bytes]:
    return events(await call.verbs.follow_activity(call.tenant, call.query, call.last_event, call.pool), call.still)


def _number(call: Call) -> int:
    text = call.path["number"]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Refusal(404, "There is no such job")
    return int(text)


def _versions(header: str | None) -> frozenset[int] | None:
    """The versions that If-Match permits, None for any (RFC 9110 §13.1.1). Tags of others match nothing."""
    if header is None or header.strip() == "*":
        return None
    return frozenset(int(tag) for tag in _TAGS.findall(header))


ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "", "showService", "What answers here", _service, models.Service),
    Route("GET", "/policy-schema", "showPolicySchema", "The JSON Schema of policies", _policy_schema, models.JsonSchema),
    Route("GET", "/presets", "listPresets", "Starting points for tenants", _presets, models.PresetList),
    Route(
        *("GET", "/changes", "listAdminChanges", "What administrators did"),
        lambda call: call.verbs.list_admin_changes(call.query), models.AdminChangeList, query=models.AdminChangePage,
    ),
    Route("GET", "/tenants", "listTenants", "All tenants", lambda call: call.verbs.list_tenants(), models.TenantList),
    Route(
        *("POST", "/tenants", "createTenant", "Create a tenant from a preset"),
        _create_tenant, models.Tenant, body=models.TenantCreation, status=201,
    ),
    Route("GET", "/tenants/{tenant}", "showTenant", "One tenant", lambda call: call.verbs.show_tenant(call.tenant), models.Tenant),
    Route(
        *("DELETE", "/tenants/{tenant}", "deleteTenant", "Delete a tenant with everything in it, for good"),
        _delete_tenant, models.TenantDeletion, query=models.Confirmation,
    ),
    Route(
        *("POST", "/tenants/{tenant}/suspend", "suspendTenant", "Refuse a tenant's tokens until it is resumed"),
        lambda call: call.verbs.suspend_tenant(call.tenant), models.Tenant,
    ),
    Route(
        *("POST", "/tenants/{tenant}/resume", "resumeTenant", "Accept a suspended tenant's tokens again"),
        lambda call: call.verbs.resume_tenant(call.tenant), models.Tenant,
    ),
    Route(
        *("GET", "/tenants/{tenant}/statistics", "showStatistics", "How much a tenant holds"),
        lambda call: call.verbs.tenant_statistics(call.tenant), models.TenantStatistics,
    ),
    Route(
        *("GET", "/tenants/{tenant}/changes", "listChanges", "Changes in a tenant"),
        lambda call: call.verbs.list_changes(call.tenant, call.query), models.ChangeList, query=models.ChangePage,
    ),
    Route(
        *("GET", "/tenants/{tenant}/policy", "showPolicy", "A tenant's policy"),
        _show_policy, models.Policy, query=models.PolicyView, versioned=True,
    ),
    Route(
        *("PUT", "/tenants/{tenant}/policy", "replacePolicy", "Replace a tenant's policy"),
        _replace_policy, models.Policy, body=models.Policy, versioned=True,
    ),
    Route(
        *("PATCH", "/tenants/{tenant}/policy", "mergePolicy", "Change switches of a tenant's policy"),
        _merge_policy, models.Policy, body=models.PolicyPatch, versioned=True, merges=True,
    ),
    Route(
        *("GET", "/tenants/{tenant}/tokens", "listTokens", "A tenant's tokens"),
        lambda call: call.verbs.list_tokens(call.tenant), models.TokenList,
    ),
    Route(
        *("POST", "/tenants/{tenant}/tokens", "createToken", "Issue a token, shown this once"),
        lambda call: call.verbs.create_token(call.tenant, call.body), models.NewToken, body=models.TokenCreation, status=201,
    ),
    Route(
        *("POST", "/tenants/{tenant}/tokens/rotate", "rotateToken", "Issue a label's next token, shown this once"),
        lambda call: call.verbs.rotate_token(call.tenant, call.body), models.NewToken, body=models.TokenRotation, status=201,
    ),
    Route(
        *("DELETE", "/tenants/{tenant}/tokens/{kid}", "revokeToken", "End a token at once"),
        lambda call: call.verbs.revoke_token(call.tenant, call.path["kid"]), models.TokenRevocation,
    ),
    Route(
        *("GET", "/tenants/{tenant}/clients", "listClients", "A tenant's OAuth clients"),
        lambda call: call.verbs.list_clients(call.tenant), granting_models.ClientList,
    ),
    Route(
        *("POST", "/tenants/{tenant}/clients", "createClient", "Make an OAuth client, whose secret is shown this once"),
        lambda call: call.verbs.create_client(call.tenant, call.body), granting_models.NewClient,
        body=granting_models.ClientCreation, status=201,
    ),
    Route(
        *("POST", "/tenants/{tenant}/clients/{client}/rotate", "rotateClient"),
        "Give a client its next secret, shown this once, or its next keys",
        lambda call: call.verbs.rotate_client(call.tenant, call.path["client"], call.body), granting_models.NewClient,
        body=granting_models.ClientRotation, status=201,
    ),
    Route(
        *("DELETE", "/tenants/{tenant}/clients/{client}", "revokeClient", "End a client and its access tokens at once"),
        lambda call: call.verbs.revoke_client(call.tenant, call.path["client"]), granting_models.ClientRevocation,
    ),
    Route(
        *("DELETE", "/tenants/{tenant}/clients/{client}/secrets/{kid}", "revokeSecret"),
        "End one of a client's secrets, and its access tokens, at once",
        lambda call: call.verbs.revoke_client(call.tenant, call.path["client"], call.path["kid"]), granting_models.ClientRevocation,
    ),
    Route(
        *("GET", "/tenants/{tenant}/trusts", "listTrusts", "The issuers that a tenant trusts"),
        lambda call: call.verbs.list_trusts(call.tenant), granting_models.TrustList,
    ),
    Route(
        *("POST", "/tenants/{tenant}/trusts", "addTrust", "Trust an issuer's tokens"),
        lambda call: call.verbs.add_trust(call.tenant, call.body), granting_models.Trust, body=granting_models.TrustCreation, status=201,
    ),
    Route(
        *("DELETE", "/tenants/{tenant}/trusts/{trust}", "removeTrust", "Trust an issuer no more, at once"),
        lambda call: call.verbs.remove_trust(call.tenant, call.path["trust"]), granting_models.TrustRemoval,
    ),
    Route(
        *("GET", "/tenants/{tenant}/indexes", "listIndexes", "A tenant's indexes and how far they are"),
        lambda call: call.verbs.list_indexes(call.tenant), models.IndexList,
    ),
    Route(
        *("POST", "/tenants/{tenant}/indexes", "addIndex", "Index an attribute; built in the background"),
        lambda call: call.verbs.add_index(call.tenant, call.body), models.Index, body=models.IndexCreation, status=201,
    ),
    Route(
        *("DELETE", "/tenants/{tenant}/indexes/{type}/{attribute}", "removeIndex", "Give up an index"),
        lambda call: call.verbs.remove_index(call.tenant, call.path["type"], call.path["attribute"]), models.Index,
    ),
    Route(
        *("GET", "/tenants/{tenant}/schemas", "listSchemas", "A tenant's schemas"),
        lambda call: call.verbs.list_schemas(call.tenant), models.SchemaList,
    ),
    Route(
        *("POST", "/tenants/{tenant}/schemas", "createSchema", "Define a schema"),
        _define(Subject.SCHEMA, None), models.Defined, body=models.Definition, query=models.Trial,
    ),
    Route(
        *("GET", "/tenants/{tenant}/schemas/{urn}", "showSchema", "One schema"),
        _show(Subject.SCHEMA, "urn"), models.Defined, versioned=True,
    ),
    Route(
        *("PUT", "/tenants/{tenant}/schemas/{urn}", "replaceSchema", "Define a schema anew"),
        _define(Subject.SCHEMA, "urn"), models.Defined, body=models.Definition, query=models.Trial, versioned=True,
    ),
    Route(
        *("DELETE", "/tenants/{tenant}/schemas/{urn}", "deleteSchema", "Delete a schema that no resource type uses"),
        _define(Subject.SCHEMA, "urn"), models.Defined, query=models.Trial, versioned=True,
    ),
    Route(
        *("GET", "/tenants/{tenant}/resource-types", "listResourceTypes", "A tenant's resource types"),
        lambda call: call.verbs.list_types(call.tenant), models.TypeList,
    ),
    Route(
        *("POST", "/tenants/{tenant}/resource-types", "createResourceType", "Define a resource type"),
        _define(Subject.RESOURCE_TYPE, None), models.Defined, body=models.Definition, query=models.Trial,
    ),
    Route(
        *("GET", "/tenants/{tenant}/resource-types/{name}", "showResourceType", "One resource type"),
        _show(Subject.RESOURCE_TYPE, "name"), models.Defined, versioned=True,
    ),
    Route(
        *("PUT", "/tenants/{tenant}/resource-types/{name}", "replaceResourceType", "Define a resource type anew"),
        _define(Subject.RESOURCE_TYPE, "name"), models.Defined, body=models.Definition, query=models.Trial, versioned=True,
    ),
    Route(
        *("DELETE", "/tenants/{tenant}/resource-types/{name}", "deleteResourceType", "Delete a resource type without resources"),
        _define(Subject.RESOURCE_TYPE, "name"), models.Defined, query=models.Trial, versioned=True,
    ),
    Route(
        *("GET", "/tenants/{tenant}/jobs", "listJobs", "Work in the background, and how far it is"),
        lambda call: call.verbs.list_jobs(call.tenant), models.JobList,
    ),
    Route(
        *("GET", "/tenants/{tenant}/jobs/{number}", "showJob", "One job"),
        lambda call: call.verbs.show_job(call.tenant, _number(call)), models.Job,
    ),
    Route(
        *("POST", "/tenants/{tenant}/jobs/{number}/retry", "retryJob", "Have a failed job begin again"),
        lambda call: call.verbs.retry_job(call.tenant, _number(call)), models.Job,
    ),
    Route(
        *("POST", "/tenants/{tenant}/badges/recompute", "recomputeBadges", "Compute anew what follows from awards, in the background"),
        lambda call: call.verbs.recompute_badges(call.tenant), models.Job,
    ),
    Route(
        *("GET", "/tenants/{tenant}/removed-values", "listRemovedValues", "Removed attributes of which values are kept"),
        lambda call: call.verbs.list_removed(call.tenant), models.RemovedList,
    ),
    Route(
        *("POST", "/tenants/{tenant}/removed-values/{type}/{attribute}/restore", "restoreRemovedValues"),
        "Put values back, in the background",
        lambda call: call.verbs.restore_removed(call.tenant, call.path["type"], call.path["attribute"]), models.Job,
    ),
    Route(
        *("DELETE", "/tenants/{tenant}/removed-values/{type}/{attribute}", "purgeRemovedValues", "Destroy values, in the background"),
        lambda call: call.verbs.purge_removed(call.tenant, call.path["type"], call.path["attribute"]), models.Job,
    ),
    Route(
        *("GET", "/tenants/{tenant}/audit", "showAudit", "Where a tenant's audit chain ends"),
        lambda call: call.verbs.show_audit(call.tenant), models.AuditChain, scope=AUDIT,
    ),
    Route(
        *("GET", "/tenants/{tenant}/audit/rows", "exportAudit", "The sealed rows of a tenant's audit trail, one in each line"),
        _streamed, models.AuditRow, query=models.AuditExport, scope=AUDIT, media_type=LINES,
        lines=lambda call: call.verbs.export_audit(call.tenant, call.query, call.pool),
    ),
    Route(
        *("GET", "/tenants/{tenant}/activity", "listActivity", "What a tenant's clients did lately, and what became of it"),
        lambda call: call.verbs.list_activity(call.tenant, call.query), activity_models.ActivityList, query=activity_models.ActivityPage,
    ),
    Route(
        *("GET", "/tenants/{tenant}/activity/events", "followActivity", "The same as it happens, as server-sent events"),
        _streamed, activity_models.Activity, query=activity_models.ActivityFollow, media_type=EVENT_STREAM, lines=_followed,
    ),
    Route(
        *("POST", "/tenants/{tenant}/erasures", "eraseResource", "Destroy what is kept of a deleted resource"),
        lambda call: call.verbs.erase(call.tenant, call.body), models.Erasure, body=models.ErasureRequest,
    ),
    Route(
        *("GET", "/tenants/{tenant}/deletion-guard", "showDeletionGuard", "What a tenant's deletion guard has counted, and what it holds"),
        lambda call: call.verbs.show_guard(call.tenant), models.GuardState,
    ),
    Route(
        *("POST", "/tenants/{tenant}/deletion-guard/{type}/release", "releaseDeletionGuard", "Let deletions of a type through again"),
        lambda call: call.verbs.release_guard(call.tenant, call.path["type"], call.body), models.GuardState, body=models.GuardRelease,
    ),
    Route(
        *("GET", "/tenants/{tenant}/deleted", "listDeleted", "Deleted resources that can be brought back"),
        lambda call: call.verbs.list_deleted(call.tenant, call.query), models.DeletedList, query=models.DeletedPage,
    ),
    Route(
        *("POST", "/tenants/{tenant}/deleted/{id}/restore", "restoreDeleted", "Bring a deleted resource back"),
        lambda call: call.verbs.restore_deleted(call.tenant, call.path["id"]), models.Restoration,
    ),
    Route(
        *("GET", "/tenants/{tenant}/badge-keys", "listBadgeKeys", "The keys of a tenant's badge issuers"),
        lambda call: call.verbs.list_badge_keys(call.tenant, call.query.issuer), badge_models.BadgeKeyList,
        query=badge_models.BadgeKeyFilter,
    ),
    Route(
        *("GET", "/tenants/{tenant}/badges/unsigned", "listWaitingCredentials", "Credentials of awards that are not signed, and why"),
        lambda call: call.verbs.list_waiting_credentials(call.tenant), badge_models.WaitingCredentialList,
    ),
    Route(
        *("GET", "/tenants/{tenant}/badges/applications", "listBadgeApplications"),
        "Applications that registered themselves for the Open Badges API",
        lambda call: call.verbs.list_badge_applications(call.tenant), badge_models.BadgeApplicationList,
    ),
    Route(
        *("DELETE", "/tenants/{tenant}/badges/applications/{id}", "removeBadgeApplication"),
        "Remove an application with everything that users permitted it",
        lambda call: call.verbs.remove_badge_application(call.tenant, call.path["id"]), badge_models.BadgeApplicationRemoval,
    ),
    Route(
        *("POST", "/tenants/{tenant}/badge-keys/{issuer}/rotate", "rotateBadgeKey", "Make a badge issuer's next key"),
        lambda call: call.verbs.rotate_badge_key(call.tenant, call.path["issuer"], call.body), badge_models.BadgeKey,
        body=badge_models.BadgeKeyRotation, status=201,
    ),
    Route(
        *("POST", "/tenants/{tenant}/badge-keys/{issuer}/{thumbprint}/retire", "retireBadgeKey", "Let a key sign nothing more"),
        lambda call: call.verbs.retire_badge_key(call.tenant, call.path["issuer"], call.path["thumbprint"]), badge_models.BadgeKey,
    ),
    Route(
        *("POST", "/tenants/{tenant}/badge-keys/{issuer}/{thumbprint}/compromise", "compromiseBadgeKey"),
        "Mark a key as known to others",
        lambda call: call.verbs.compromise_badge_key(call.tenant, call.path["issuer"], call.path["thumbprint"], call.body),
        badge_models.BadgeKey, body=badge_models.BadgeKeyCompromise,
    ),
)  # fmt: skip
