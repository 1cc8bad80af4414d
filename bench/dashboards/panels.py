"""Every panel of every dashboard: what it asks Prometheus, in which unit, and why somebody looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Unit: TypeAlias = Literal["reqps", "ops", "percentunit", "s", "short", "bytes", "d"]
"""Units by their Grafana names: per second, a share of 1, seconds, a number, bytes, days."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A graph. `queries` are by legend; `provoked` says what has to happen for it to show anything, None where traffic alone does."""

    title: str
    unit: Unit
    meaning: str
    queries: Mapping[str, str]
    provoked: str | None = None


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page of panels. `tenants` says that its queries are narrowed by the variable $tenant."""

    uid: str
    title: str
    meaning: str
    panels: tuple[Panel, ...]
    tenants: bool = False


_REQUESTS: Final = "scim_http_requests_total"
_OPERATIONS: Final = "scim_operations_total"
_SECONDS: Final = "scim_http_request_duration_seconds_bucket"
_RATE: Final = "[$__rate_interval]"
_OF: Final = '{tenant=~"$tenant"}'


def _quantile(of: float, buckets: str, by: str = "", where: str = "") -> str:
    return f"histogram_quantile({of}, sum by (le{by}) (rate({buckets}{where}{_RATE})))"


OVERVIEW: Final = Dashboard(
    "scimsrv-overview",
    "scimsrv / overview",
    "Rate, errors and duration of the whole server.",
    (
        Panel(
            "Requests", "reqps", "By class of status. A client that went away before its answer is among 4xx.",
            {"{{status_class}}": f'sum by (status_class) (rate({_REQUESTS}{{plane="data"}}{_RATE}))'},
        ),
        Panel(
            "Share of 5xx", "percentunit", "What the objective of 99.9 % in 30 days is about.",
            {
                "5xx": f'(sum(rate({_REQUESTS}{{plane="data",status_class="5xx"}}{_RATE})) or vector(0)) '
                f'/ sum(rate({_REQUESTS}{{plane="data"}}{_RATE}))'
            },
        ),
        Panel(
            "Duration", "s", "From the request's head to the end of its answer.",
            {f"p{int(of * 100)}": _quantile(of, _SECONDS, where='{plane="data"}') for of in (0.5, 0.95, 0.99)},
        ),
        Panel(
            "Slowest routes (p99)", "s", "Where time goes.",
            {"{{method}} {{route}}": "topk(5, " + _quantile(0.99, _SECONDS, ", method, route", '{plane="data"}') + ")"},
        ),
        Panel(
            "Requests by route", "reqps", "What clients ask for.",
            {"{{method}} {{route}}": f'topk(10, sum by (method, route) (rate({_REQUESTS}{{plane="data"}}{_RATE})))'},
        ),
        Panel("In progress", "short", "Requests that are being served.", {"{{plane}}": "sum by (plane) (scim_http_inflight)"}),
        Panel(
            "Error budget left", "percentunit", "Of the 0.1 % of requests that may end with 5xx in 30 days.",
            {
                "left": f'1 - (sum(increase({_REQUESTS}{{plane="data",status_class="5xx"}}[30d])) or vector(0)) '
                f'/ sum(increase({_REQUESTS}{{plane="data"}}[30d])) / 0.001'
            },
        ),
        Panel(
            "Refused for their number", "reqps", "Answers 429 by the limit that was met.",
            {"{{limit}}": f"sum by (limit) (rate(scim_ratelimited_total{_RATE}))"},
            "many invalid tokens from one address",
        ),
        Panel(
            "Slow clients", "reqps", "Requests whose head or body did not arrive in time.",
            {"{{kind}}": f"sum by (kind) (rate(scim_slow_client_total{_RATE}))"},
            "connections that send half a head",
        ),
        Panel(
            "Memory", "bytes", "Resident, of all processes that serve requests.", {"{{instance}}": "scim_resident_memory_bytes"},
        ),
        Panel("Workers", "short", "Processes that serve requests.", {"{{instance}}": "scim_workers"}),
        Panel(
            "Asynchronous requests", "short", "That are not finished, and how old the oldest is, in seconds.",
            {"waiting": "max(scim_requests_waiting)", "age of the oldest": "max(scim_requests_waiting_age_seconds)"},
        ),
    ),
)  # fmt: skip

PROVISIONING: Final = Dashboard(
    "scimsrv-provisioning",
    "scimsrv / provisioning per tenant",
    "What identity providers do, tenant by tenant.",
    (
        Panel(
            "Since the last request", "s", "An identity provider that has stopped shows here; Entra ID comes every 40 minutes.",
            {"{{tenant}}": f"time() - max by (tenant) (scim_last_client_request_timestamp_seconds{_OF})"},
        ),
        Panel("Operations", "ops", "By kind.", {"{{op}}": f"sum by (op) (rate(scim_operations_total{_OF}{_RATE}))"}),
        Panel("Results", "ops", "By what became of them.", {"{{result}}": f"sum by (result) (rate(scim_operations_total{_OF}{_RATE}))"}),
        Panel(
            "Most failures", "ops", "Tenants whose operations do not end well.",
            {"{{tenant}}: {{result}}": f'topk(10, sum by (tenant, result) (rate({_OPERATIONS}{{tenant=~"$tenant",result!="ok"}}{_RATE})))'},
        ),
        Panel(
            "Resources", "short", "How many there are.",
            {"{{tenant}} {{resource_type}} active={{active}}": f"max by (tenant, resource_type, active) (scim_resources{_OF})"},
        ),
        Panel(
            "PATCH refused", "ops", "By what was wrong with it: a mapping at the identity provider that does not fit.",
            {"{{kind}}": f"sum by (kind) (rate(scim_patch_failures_total{_RATE}))"},
        ),
        Panel(
            "Writes with a version that met another (412)", "percentunit", "How often a resource is changed under its reader.",
            {"412": f"rate(scim_etag_conflicts_total{_RATE}) / rate(scim_conditional_writes_total{_RATE})"},
        ),
        Panel(
            "Searches that an index served", "percentunit", "All of them, ideally.",
            {"served": f'(sum(rate(scim_searches_total{{served="index"}}{_RATE})) or vector(0)) / sum(rate(scim_searches_total{_RATE}))'},
        ),
        Panel(
            "Searches that none served", "ops", "By their filter: mark an attribute as indexed.",
            {"{{resource_type}} {{shape}}": f"topk(10, sum by (resource_type, shape) (rate(scim_filter_fallback_total{_RATE})))"},
        ),
        Panel(
            "Operations in a request", "short", "The median of PATCH and of bulk requests.",
            {"PATCH": _quantile(0.5, "scim_patch_ops_bucket"), "bulk": _quantile(0.5, "scim_bulk_ops_bucket")},
        ),
        Panel(
            "Deletion guard", "short", "Times that a guard began to hold deletions, since the server was started.",
            {"{{tenant}}": f"sum by (tenant) (scim_deletion_guard_tripped_total{_OF})"},
            "a tenant with the guard deletes most of its users",
        ),
    ),
    tenants=True,
)  # fmt: skip

DATABASE: Final = Dashboard(
    "scimsrv-database",
    "scimsrv / database",
    "The database as the server sees it, and its pool of connections.",
    (
        Panel("Answers", "short", "1 while the database answers.", {"{{instance}}": "scim_database_up"}),
        Panel(
            "Schema", "short", "The version of the schema, and the one that the program expects.",
            {"found": "max(scim_schema_version)", "expected": "max(scim_schema_version_expected)"},
        ),
        Panel(
            "Connections", "short", "Open, and those that work.",
            {
                "{{plane}}: open": "sum by (plane) (scim_db_pool_size)",
                "{{plane}}: working": "sum by (plane) (scim_db_pool_in_use)",
            },
        ),
        Panel(
            "Waits for a connection", "s", "Where none was free: half of them, and all but five of a hundred, took no longer.",
            {f"p{int(of * 100)}": _quantile(of, "scim_db_pool_wait_seconds_bucket") for of in (0.5, 0.95)},
            "more requests at once than connections",
        ),
        Panel("Statements", "ops", "All of them.", {"statements": f"sum(rate(scim_db_query_duration_seconds_count{_RATE}))"}),
        Panel(
            "Slowest statements (p95)", "s", "By name.",
            {"{{query_name}}": f"topk(8, {_quantile(0.95, 'scim_db_query_duration_seconds_bucket', ', query_name')})"},
        ),
        Panel(
            "Time spent in statements", "short", "Seconds per second, by name: what the database is busy with.",
            {"{{query_name}}": f"topk(8, sum by (query_name) (rate(scim_db_query_duration_seconds_sum{_RATE})))"},
        ),
        Panel(
            "Statements that failed", "ops", "By class of SQLSTATE; 23 are conflicts that the server turns into 409.",
            {"{{sqlstate_class}}": f"sum by (sqlstate_class) (rate(scim_db_errors_total{_RATE}))"},
            "statements that a constraint of the run refuses",
        ),
        Panel(
            "Done again", "ops", "Units of work that met another transaction.",
            {"retries": f"sum(rate(scim_db_retries_total{_RATE}))"},
            "a constraint of the run reports conflicts between transactions",
        ),
        Panel(
            "Definitions from memory", "percentunit", "Looks for a tenant's definitions that needed no statement.",
            {"hits": f'sum(rate(scim_discovery_cache_total{{result="hit"}}{_RATE})) / sum(rate(scim_discovery_cache_total{_RATE}))'},
        ),
        Panel(
            "Audit trail", "s", "Age of the oldest change that is not sealed, and since when no chain was.",
            {
                "not sealed": "max(scim_audit_unsealed_age_seconds)",
                "since the last seal": "time() - max(scim_audit_head_timestamp_seconds)",
            },
        ),
    ),
)  # fmt: skip

AUTHENTICATION: Final = Dashboard(
    "scimsrv-authentication",
    "scimsrv / authentication",
    "Who is let in, who is not, and whose credentials end.",
    (
        Panel(
            "Not let in", "reqps", "By reason.", {"{{reason}}": f"sum by (reason) (rate(scim_auth_failures_total{_RATE}))"},
            "requests without, and with invalid tokens",
        ),
        Panel(
            "Not let in, by kind of credential", "reqps", "What they showed.",
            {"{{method}}": f"sum by (method) (rate(scim_auth_failures_total{_RATE}))"},
            "requests without, and with invalid tokens",
        ),
        Panel(
            "Share of requests not let in", "percentunit", "An identity provider puts a server in quarantine that refuses it for long.",
            {"refused": f'sum(rate(scim_auth_failures_total{_RATE})) / sum(rate({_REQUESTS}{{plane="data"}}{_RATE}))'},
            "requests without, and with invalid tokens",
        ),
        Panel(
            "Days until a credential ends", "d", "By tenant and public id, those that end first.",
            {"{{tenant}} {{token_id}}": "bottomk(10, min by (tenant, token_id) (scim_token_expiry_timestamp_seconds) - time()) / 86400"},
            "a token that ends",
        ),
        Panel(
            "Warnings of credentials that end", "short", "One for each threshold of days.",
            {"warnings": "sum(scim_credential_expiring_total)"},
            "a token that ends within days",
        ),
        Panel(
            "Fetches of issuers' keys", "short", "By result.",
            {"{{issuer}}: {{result}}": "sum by (issuer, result) (scim_jwks_fetch_total)"},
            "a token of an issuer whose keys cannot be fetched",
        ),
        Panel(
            "Invalid tokens from one address", "reqps", "Refused unread, since there were too many.",
            {"refused": f'sum(rate(scim_ratelimited_total{{limit="attempts"}}{_RATE}))'},
            "many invalid tokens from one address",
        ),
    ),
)  # fmt: skip

BADGES: Final = Dashboard(
    "scimsrv-badges",
    "scimsrv / badges",
    "Badges that are issued, signed, revoked and verified.",
    (
        Panel(
            "Awards", "ops", "Issued and revoked.",
            {"{{event}}": f'sum by (event) (rate(scim_badges_total{{event=~"issued|revoked"}}{_RATE}))'},
        ),
        Panel("Signatures", "ops", "Credentials signed.", {"signed": f'sum(rate(scim_badges_total{{event="signed"}}{_RATE}))'}),
        Panel(
            "Waiting for a signature", "short", "None, but for moments: signing follows at once.",
            {"waiting": "max(scim_badge_credentials_unsigned)"},
        ),
        Panel(
            "Presented credentials", "ops", "By whether their signature holds.",
            {"{{event}}": f'sum by (event) (rate(scim_badges_total{{event=~"verified|refuted"}}{_RATE}))'},
            "somebody verifies credentials, some of them forged",
        ),
        Panel(
            "Issued in all", "short", "Since the server was started.",
            {"{{event}}": "sum by (event) (scim_badges_total)"},
        ),
        Panel(
            "Resources of badges", "short", "Achievements, awards and what belongs to them, with all types that a tenant made up.",
            {"{{tenant}}": 'max by (tenant) (scim_resources{resource_type="custom"})'},
        ),
    ),
)  # fmt: skip

DASHBOARDS: Final = (OVERVIEW, PROVISIONING, DATABASE, AUTHENTICATION, BADGES)
