"""The reference tables of the documentation say what the code says."""

import argparse
import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scimsrv import assets
from scimsrv.admin.routes import PREFIX as PATHS
from scimsrv.admin.routes import ROUTES
from scimsrv.cli import build_parser
from scimsrv.exposition import OF_SERVER
from scimsrv.logs import FIELDS
from scimsrv.metrics import METRICS
from scimsrv.oauth.jose import ALGORITHMS
from scimsrv.schema.coercions import Coercion
from scimsrv.schema.policy import PROFILES, Policy
from scimsrv.schema.presets import PRESETS
from scimsrv.scopes import ROLES, SCOPES
from scimsrv.settings import PREFIX, SECRETS, Settings

DOCS = Path(str(assets.ROOT)) / "docs"


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
