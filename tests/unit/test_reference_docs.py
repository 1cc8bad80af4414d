"""The reference tables of the documentation say what the code says."""

import argparse
import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from scimsrv import assets, auth, guard, http, own_trail
from scimsrv.admin.routes import PREFIX as PATHS
from scimsrv.admin.routes import ROUTES
from scimsrv.badges import endorsements
from scimsrv.cli import build_parser, doctor, surroundings
from scimsrv.exposition import OF_SERVER
from scimsrv.filter import parse
from scimsrv.limits import DEFAULT, Limits
from scimsrv.logs import FIELDS
from scimsrv.metrics import METRICS
from scimsrv.oauth import fetching
from scimsrv.oauth.jose import ALGORITHMS
from scimsrv.openbadges import api, host, office
from scimsrv.schema.coercions import Coercion
from scimsrv.schema.definition import MOST_ATTRIBUTES
from scimsrv.schema.policy import PROFILES, Policy
from scimsrv.schema.presets import PRESETS
from scimsrv.schema.resource_type import MOST_SCHEMAS
from scimsrv.schema.search import LONGEST_DISPLAY
from scimsrv.scopes import ROLES, SCOPES
from scimsrv.settings import PREFIX, SECRETS, Settings
from scimsrv.store import applications, checkup, credentials, pool, wallet
from scimsrv.store.consistency.kinds import Kind
from scimsrv.traffic import strangers

DOCS = Path(str(assets.ROOT)) / "docs"

_EXAMINING = [Path(str(module.__file__)) for module in (checkup, doctor, surroundings)]


def _shown(value: object) -> str:
    match value:
        case None | ():
            return "none"
        case tuple():
            return ", ".join(f"`{one}`" for one in value)
        case bool():
            return "yes" if value else "no"
        case _:
            return f"`{value}`"


def settings_table() -> str:
    """One row per setting, in the order of the code."""
    rows = ["| setting | environment | default | meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        secret = f", `{PREFIX}{name.upper()}_FILE`" if name in SECRETS and f"{name}_file" not in Settings.model_fields else ""
        rows.append(f"| `{name}` | `{PREFIX}{name.upper()}`{secret} | {_shown(field.default)} | {field.description} |")
    return "\n".join(rows)


def profile_table() -> str:
    """One row per policy switch with its value in every profile."""
    rows = [f"| switch | {' | '.join(f'`{name}`' for name in PROFILES)} |", "|---|" + "---|" * len(PROFILES)]
    for field in dataclasses.fields(Policy):
        values = [_shown(getattr(policy, field.name)) for policy in PROFILES.values()]
        rows.append(f"| `{field.name}` | {' | '.join(values)} |")
    return "\n".join(rows)


def switch_table() -> str:
    """One row per policy switch with what it does and why it exists."""
    rows = ["| switch | meaning | reason |", "|---|---|---|"]
    rows += [f"| `{one.name}` | {one.metadata['meaning']} | {one.metadata['reason']} |" for one in dataclasses.fields(Policy)]
    return "\n".join(rows)


def preset_table() -> str:
    """One row per preset with its profile and resource types."""
    rows = ["| preset | profile | resource types | for |", "|---|---|---|---|"]
    for name, preset in PRESETS.items():
        types = ", ".join(f"`{type_['name']}`" for type_ in preset.definitions.resource_types)
        rows.append(f"| `{name}` | `{preset.policy['profile']}` | {types} | {preset.meaning} |")
    return "\n".join(rows)


def coercion_table() -> str:
    """One row per coercion with what the server did."""
    return "\n".join(["| name | what was done |", "|---|---|", *(f"| `{one.name.lower()}` | {one.value} |" for one in Coercion)])


def metric_table() -> str:
    """One row per metric with its type, its labels and what it means."""
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    rows += [f"| `{metric.name}` | {metric.kind} | {_shown(tuple(metric.labels))} | {metric.meaning} |" for metric in METRICS]
    return "\n".join([*rows, *(f"| `{name}` | gauge | {_shown(labels)} | {meaning} |" for name, labels, meaning in OF_SERVER)])


def field_table() -> str:
    """The fields of the log, in one line."""
    return ", ".join(f"`{name}`" for name in FIELDS)


def role_table() -> str:
    """One row per role that people can have, with its scopes."""
    rows = ["| role | scopes |", "|---|---|"]
    return "\n".join(
        [*rows, *(f"| `{role}` | {', '.join(f'`{one}`' for one in SCOPES if one in scopes)} |" for role, scopes in ROLES.items())]
    )


def route_table() -> str:
    """One row per route of the admin API."""
    rows = ["| method | path | what it does |", "|---|---|---|"]
    return "\n".join([*rows, *(f"| {route.method} | `{PATHS}{route.path}` | {route.summary} |" for route in ROUTES)])


def command_table() -> str:
    """One row per command with what it does."""
    return "\n".join(["| command | what it does |", "|---|---|", *(f"| `{name}` | {about} |" for name, about in _commands(build_parser()))])


def limit_table() -> str:
    """One row per limit on what a client sends: its value, its answer, and what raises or lowers it."""
    rows = ["| what | limit | answer | setting | policy |", "|---|---|---|---|---|"]
    lowering = {field.metadata["limit"]: field.name for field in dataclasses.fields(Policy) if "limit" in field.metadata}
    for what, limit, answer, setting, *names in _LIMITS:
        policy = ", ".join(f"`{lowering[name]}`" for name in names if name in lowering)
        rows.append(f"| {what} | {limit} | {answer} | {f'`{setting}`' if setting else ''} | {policy} |")
    return "\n".join(rows)


_D: Final = DEFAULT

#: What is limited, the limit, the answer beyond it, the setting, and the fields of Limits that the row is about.
_LIMITS: Final[list[tuple[str, ...]]] = [
    ("request line and headers together", f"{guard.MAX_HEAD_BYTES:,} bytes", "431", ""),
    ("a header", f"{guard.MAX_FIELD_BYTES:,} bytes; Authorization {auth.MAX_HEADER:,}, once", "431; 401, 400", ""),
    ("request target", f"{guard.MAX_TARGET_BYTES:,} bytes", "414", ""),
    ("time for headers", f"{guard.HEAD_SECONDS:g} s", "408", ""),
    ("time without a byte of the body; for all of it", f"{http.BODY_IDLE:g} s; {http.BODY_TOTAL:g} s", "408", ""),
    ("time in which nothing of an answer is read", f"{guard.READ_SECONDS:g} s", "the connection is cut off", ""),
    ("body of a resource, a PATCH, a bulk request", f"{_D.body_bytes:,} bytes, not encoded", "413; 415", "max_body", "body_bytes"),
    ("body of a search", f"{_D.search_body_bytes:,} bytes", "413", "max_search_body", "search_body_bytes"),
    ("depth of JSON", f"{_D.json_depth}", "400 `invalidSyntax`", "", "json_depth"),
    ("members of a JSON object", f"{_D.json_keys:,}", "400 `invalidSyntax`", "", "json_keys"),
    (
        "objects and arrays; values in a body",
        f"{_D.json_containers:,}; {_D.json_values:,}",
        "400 `invalidSyntax`",
        "",
        "json_containers",
        "json_values",
    ),
    ("a resource as it is stored", f"{_D.document_bytes:,} bytes", "400 `invalidValue`", "", "document_bytes"),
    ("a text", f"{_D.string_length:,} characters", "400 `invalidValue`", "", "string_length"),
    (
        "a text that is unique",
        f"{_D.key_length} characters, {_D.key_bytes:,} bytes, as compared",
        "400 `invalidValue`",
        "",
        "key_length",
        "key_bytes",
    ),
    ("a name in references to what has it", f"{LONGEST_DISPLAY:,} characters", "its beginning is shown", ""),
    ("values of an attribute", f"{_D.values}", "400 `invalidValue`", "", "values"),
    ("members in a request; in a group", f"{_D.links:,}; no limit", "400 `invalidValue`", "", "links"),
    ("operations of a PATCH", f"{_D.patch_operations:,}", "400 `tooMany`", "", "patch_operations"),
    ("operations of a bulk request", f"{_D.bulk_operations:,}", "413", "max_operations", "bulk_operations"),
    (
        *("time of a bulk request", f"{_D.bulk_seconds:g} s"),
        *("503 for the operations that are left; none where it is carried out later or has an `Idempotency-Key`", "", "bulk_seconds"),
    ),
    ("a bulkId", f"{_D.bulk_id_length} characters", "400 `invalidValue`", "", "bulk_id_length"),
    ("names in `attributes`, in `excludedAttributes`", f"{_D.projected_names}", "400 `invalidValue`", "", "projected_names"),
    ("resources in a page", f"{_D.page:,}", "a page of so many", "max_page", "page"),
    ("resources in a page without `count`", f"{_D.default_page}", "a page of so many", "default_page", "default_page"),
    ("bytes of the resources in a page", f"{_D.page_bytes:,}", "a page of fewer; it has one of any size", "max_page_bytes", "page_bytes"),
    ("time between two pages by cursor", f"{_D.cursor_seconds:,} s", "400 `expiredCursor`", "cursor_timeout", "cursor_seconds"),
    (
        "a filter, a path",
        f"{parse.MAX_LENGTH:,} characters, depth {parse.MAX_DEPTH}, {parse.MAX_TERMS} comparisons",
        "400 `invalidFilter`, `invalidPath`",
        "",
    ),
    (
        "a password",
        f"{_D.password_min} characters to {_D.password_bytes:,} bytes",
        "400 `invalidValue`",
        "",
        "password_min",
        "password_bytes",
    ),
    ("rows of the audit trail in an answer; without `count`", f"{own_trail.MOST:,}; {own_trail.USUAL:,}", "an answer of so many", ""),
    ("schemas of a tenant; attributes of a schema", f"{MOST_SCHEMAS}; {MOST_ATTRIBUTES}", "409; 400", ""),
    ("live tokens of a tenant; with one label", f"{credentials.MAX_PER_TENANT}; {credentials.MAX_PER_LABEL}", "409", ""),
    ("a statement of the database", f"{pool.STATEMENT_TIMEOUT:g} s", "503; a search 400 `tooMany`", ""),
    (
        "waiting for a connection to the database",
        f"{pool.ACQUIRE_TIMEOUT:g} s in which none becomes free, {pool.QUEUE_TIMEOUT:g} s in all",
        "503",
        "pool_size",
    ),
    (
        "requests of a token",
        f"{_D.token_rate:,.0f} per second, {_D.token_burst:,.0f} at once",
        "429",
        "token_rate",
        "token_rate",
        "token_burst",
    ),
    (
        "requests of a tenant",
        f"{_D.tenant_rate:,.0f} per second, {_D.tenant_burst:,.0f} at once",
        "429",
        "tenant_rate",
        "tenant_rate",
        "tenant_burst",
    ),
    ("waiting before 429", f"{_D.patience:g} s", "429", "rate_patience", "patience"),
    ("requests of a tenant at the same time, per process", f"{_D.requests}", "429", "tenant_requests", "requests"),
    ("bulk requests of a tenant at the same time, per process", f"{_D.bulks}, one beside other tenants, others wait", "429", "", "bulks"),
    ("searches of a tenant at the same time, per process", f"{_D.searches}, others wait", "429", "tenant_searches", "searches"),
    ("invalid tokens from an address within a minute", f"{Settings().bad_tokens}", "429", "bad_tokens"),
    (
        "requests of public pages of an address within a minute, per process",
        f"{Settings().public_requests}",
        "429",
        "public_requests",
    ),
    (
        "applications that register from a network within a minute, per process",
        f"{api.REGISTRATIONS}",
        "429",
        "",
    ),
    (
        "applications of a tenant; of one network that nobody permits anything",
        f"{applications.MOST_APPLICATIONS:,}; {applications.MOST_UNUSED}",
        "the oldest that nobody permits anything goes; 503 where there is none",
        "",
    ),
    ("permissions of a user at a time", f"{applications.MOST_PERMITTED}", "409", ""),
    (
        "credentials that a user keeps; bytes of one",
        f"{host.KEPT:,}; {host.BYTES:,}",
        "409; 413",
        "",
    ),
    ("endorsements of an achievement or an issuer", f"{endorsements.MOST}", "400", ""),
    (
        "status lists, and issuers, of other servers that a verification asks for",
        f"{office.LISTS}; {office.ISSUERS}",
        "what the others say is `unknown`, or `unproven`",
        "",
    ),
    (
        "a document of another server that is fetched: keys, a profile, a list, a credential",
        f"{fetching.MAX_BYTES:,} bytes, {fetching.TIMEOUT:g} s",
        "what it would say is `unknown`, or `unproven`; 401 where it has the keys of a trusted issuer",
        "",
    ),
    (
        "credentials in a page of the Open Badges API; bytes of them",
        f"{host.PAGE}; {wallet.PAGE_BYTES:,}",
        "a page of so many; it has one of any size",
        "",
    ),
    (
        "users of a tenant who are being asked; from one network",
        f"{applications.MOST_WAITING:,}; {applications.MOST_WAITING_OF_NETWORK}",
        "the oldest request goes",
        "",
    ),
    (
        "requests of an admin token, per process",
        f"{Settings().admin_rate:,} per second, {Settings().admin_burst:,} at once",
        "429",
        "admin_rate",
    ),
    ("requests at the same time, per process", f"{Settings().concurrency}", "503", "concurrency"),
    (
        "of those, such as show no token and have a body; from one address",
        "; ".join(f"{most}" for most in strangers(Settings().concurrency)),
        "429",
        "concurrency",
    ),
]

#: The test that meets each limit, at its value and one past it.
_MET: Final = {
    "request line and headers together": "tests/wire/test_guard.py::test_messages",
    "a header": "tests/wire/test_authentication.py::test_the_length_of_the_header",
    "request target": "tests/wire/test_guard.py::test_messages",
    "time for headers": "tests/wire/test_guard.py::test_late_headers",
    "time without a byte of the body; for all of it": "tests/wire/test_limits.py::test_bodies_that_come_too_slowly",
    "time in which nothing of an answer is read": "tests/wire/test_guard.py::test_a_client_that_stops_reading",
    "body of a resource, a PATCH, a bulk request": "tests/wire/test_limits.py::test_bodies",
    "body of a search": "tests/wire/test_limits.py::test_bodies_of_searches",
    "depth of JSON": "tests/unit/protocol/test_body.py::test_depth",
    "members of a JSON object": "tests/unit/protocol/test_body.py::test_number_of_names",
    "objects and arrays; values in a body": "tests/unit/protocol/test_body.py::test_number_of_values",
    "a resource as it is stored": "tests/wire/test_limits.py::test_the_size_of_a_resource",
    "a text": "tests/wire/test_limits.py::test_other_texts",
    "a text that is unique": "tests/wire/test_limits.py::test_unique_texts",
    "a name in references to what has it": "tests/wire/test_page_bytes.py::test_how_much_of_a_name_references_show",
    "values of an attribute": "tests/wire/test_limits.py::test_number_of_values",
    "members in a request; in a group": "tests/wire/test_limits.py::test_number_of_members",
    "operations of a PATCH": "tests/wire/test_limits.py::test_number_of_operations",
    "operations of a bulk request": "tests/wire/test_bulk.py::test_limits",
    "time of a bulk request": "tests/wire/test_bulk_time.py::test_a_bulk_request_has_its_time",
    "a bulkId": "tests/wire/test_limits.py::test_length_of_bulk_ids",
    "names in `attributes`, in `excludedAttributes`": "tests/wire/test_limits.py::test_number_of_names",
    "resources in a page": "tests/wire/test_limits.py::test_a_tenants_own_limits",
    "resources in a page without `count`": "tests/wire/test_cursor_paging.py::test_the_page_size_without_count",
    "bytes of the resources in a page": "tests/wire/test_page_bytes.py::test_nothing_is_passed_over",
    "time between two pages by cursor": "tests/wire/test_cursor_paging.py::test_expiry",
    "a filter, a path": "tests/wire/test_limits.py::test_filters",
    "a password": "tests/wire/test_secrets.py::test_what_a_password_may_be",
    "rows of the audit trail in an answer; without `count`": "tests/wire/test_own_trail.py::test_how_much_is_answered",
    "schemas of a tenant; attributes of a schema": "tests/unit/schema/test_definition.py::test_as_many_as_there_may_be",
    "live tokens of a tenant; with one label": "tests/store/test_credentials.py::test_twenty_live_tokens_per_tenant",
    "a statement of the database": "tests/store/test_failure.py::test_a_statement_that_takes_too_long",
    "waiting for a connection to the database": "tests/store/test_pool.py::test_a_queue_that_moves_is_waited_in",
    "requests of a token": "tests/wire/test_rates.py::test_a_token_has_a_rate",
    "requests of a tenant": "tests/wire/test_rates.py::test_a_tenant_has_a_rate",
    "waiting before 429": "tests/wire/test_rates.py::test_patience_has_an_end",
    "requests of a tenant at the same time, per process": "tests/wire/test_places.py::test_requests_at_the_same_time",
    "bulk requests of a tenant at the same time, per process": "tests/wire/test_places.py::test_bulk_requests_at_the_same_time",
    "searches of a tenant at the same time, per process": "tests/wire/test_places.py::test_searches_at_the_same_time",
    "invalid tokens from an address within a minute": "tests/wire/test_attempts.py::test_bad_tokens",
    "requests of public pages of an address within a minute, per process": "tests/wire/test_attempts.py::test_public_pages_of_badges",
    "applications that register from a network within a minute, per process": (
        "tests/wire/test_open_badges_oauth.py::test_the_operators_page_and_registrations"
    ),
    "applications of a tenant; of one network that nobody permits anything": (
        "tests/store/test_applications.py::test_who_gives_way_to_an_application"
    ),
    "permissions of a user at a time": "tests/wire/test_open_badges_permissions.py::test_as_much_as_a_user_may_permit",
    "credentials that a user keeps; bytes of one": "tests/wire/test_badges_hostile.py::test_a_full_wallet_takes_newer_ones",
    "endorsements of an achievement or an issuer": "tests/wire/test_badge_data_model.py::test_what_an_achievement_cannot_say",
    "status lists, and issuers, of other servers that a verification asks for": (
        "tests/unit/badges/test_elsewhere.py::test_how_often_keys_are_fetched"
    ),
    "a document of another server that is fetched: keys, a profile, a list, a credential": (
        "tests/unit/oauth/test_fetching.py::test_how_large_a_document_may_be"
    ),
    "credentials in a page of the Open Badges API; bytes of them": "tests/wire/test_open_badges_api.py::test_pages_have_so_many_bytes",
    "users of a tenant who are being asked; from one network": "tests/store/test_applications.py::test_who_gives_way_to_a_request",
    "requests of an admin token, per process": "tests/wire/test_admin_gate.py::test_a_token_has_a_rate",
    "requests at the same time, per process": "tests/wire/test_guard.py::test_overload",
    "of those, such as show no token and have a body; from one address": "tests/wire/test_places.py::test_slow_bodies_of_nobody",
}


def _commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield parser.prog, parser.description or ""
    for group in groups:
        for child in group.choices.values():
            yield from _commands(child)


def test_every_command_is_documented() -> None:
    """docs/commands.md holds exactly the table of the commands."""
    assert command_table() in (DOCS / "commands.md").read_text(encoding="utf-8"), command_table()


def test_every_setting_is_documented() -> None:
    """docs/configuration.md holds exactly the table of the settings."""
    assert settings_table() in (DOCS / "configuration.md").read_text(encoding="utf-8"), settings_table()


@pytest.mark.parametrize("table", [profile_table, switch_table, preset_table, coercion_table])
def test_policy_is_documented(table: Callable[[], str]) -> None:
    """docs/policy.md holds exactly the tables of profiles, switches, presets and coercions."""
    assert table() in (DOCS / "policy.md").read_text(encoding="utf-8"), table()


def test_every_limit_is_documented() -> None:
    """docs/limits.md holds exactly the table of limits, which has every field of Limits, and every setting and switch that changes one."""
    assert limit_table() in (DOCS / "limits.md").read_text(encoding="utf-8"), limit_table()
    named = [name for row in _LIMITS for name in row[4:]]
    assert sorted(named) == sorted(field.name for field in dataclasses.fields(Limits))
    assert {row[3] for row in _LIMITS if row[3]} <= Settings.model_fields.keys()


def test_every_limit_is_met_by_a_test() -> None:
    """Each row of the table of limits has a test, which exists."""
    assert list(_MET) == [row[0] for row in _LIMITS]
    for place in _MET.values():
        file, name = place.split("::")
        assert f"\nasync def {name}(" in (text := (DOCS.parent / file).read_text(encoding="utf-8")) or f"\ndef {name}(" in text, place


def test_every_switch_has_a_reason() -> None:
    """What a switch means and why it exists are sentences."""
    for one in dataclasses.fields(Policy):
        for text in (one.metadata["meaning"], one.metadata["reason"]):
            assert text.endswith("."), one.name


def test_every_metric_is_documented() -> None:
    """docs/metrics.md holds exactly the table of metrics, and names no other as one that there is."""
    text = (DOCS / "metrics.md").read_text(encoding="utf-8")
    assert metric_table() in text, metric_table()
    known = {metric.name for metric in METRICS} | {name for name, *_ in OF_SERVER}
    there, _, not_there = text.partition("## Not there")
    named = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bscim_\w+", there)}
    assert named == known
    assert not known & set(re.findall(r"\bscim_\w+", not_there))


def test_every_field_of_the_log_is_documented() -> None:
    """docs/operations.md names the fields that a line of the log may have, in their order."""
    assert field_table() in (DOCS / "operations.md").read_text(encoding="utf-8"), field_table()


def test_every_role_and_scope_is_documented() -> None:
    """docs/authorization.md holds exactly the table of roles, and names every scope and every algorithm."""
    text = (DOCS / "authorization.md").read_text(encoding="utf-8")
    assert role_table() in text, role_table()
    assert [name for name in (*SCOPES, *ALGORITHMS) if f"`{name}`" not in text] == []


def test_every_route_is_documented() -> None:
    """docs/admin-api.md holds exactly the table of routes."""
    assert route_table() in (DOCS / "admin-api.md").read_text(encoding="utf-8"), route_table()


def test_what_verify_finds_and_doctor_looks_at_is_documented() -> None:
    """Each kind of difference has its line, and whether it is repaired; each check of doctor is named."""
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    lines = [line.split("|")[1:4] for line in text.splitlines() if line.startswith("| `")]
    for kind in Kind:
        (found,) = (line for line in lines if f"`{kind.value.called}`" in line[0] and len(line) == 3 and line[2].strip())
        assert kind.value.derived is not found[2].strip().startswith("never"), kind
    checks = re.findall(r'Finding\(\s*"([a-zA-Z ]+)"', "".join(path.read_text() for path in _EXAMINING))
    assert len(set(checks)) > 15
    assert {one for one in checks if f"`{one}`" not in text} == set()


def test_links_lead_somewhere() -> None:
    """Every link of the documentation to a page leads to one, and to a section that it has."""
    broken = []
    for page in (*DOCS.glob("*.md"), DOCS.parent / "README.md", DOCS.parent / "SECURITY.md"):
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            place, _, anchor = link.partition("#")
            target = page.parent / place if place else page
            if ":" not in place and (not target.exists() or (anchor and anchor not in _anchors(target.read_text(encoding="utf-8")))):
                broken.append((page.name, link))
    assert broken == []


def _anchors(text: str) -> set[str]:
    """The anchors of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}
