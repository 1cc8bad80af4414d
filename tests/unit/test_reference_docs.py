"""The reference tables of the documentation say what the code says."""

import dataclasses
from pathlib import Path

from scimsrv import assets
from scimsrv.schema.policy import PROFILES, Policy
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


def policy_table() -> str:
    """One row per policy switch with its value in every profile."""
    rows = [f"| switch | {' | '.join(f'`{name}`' for name in PROFILES)} |", "|---|" + "---|" * len(PROFILES)]
    for field in dataclasses.fields(Policy):
        values = [_shown(getattr(policy, field.name)) for policy in PROFILES.values()]
        rows.append(f"| `{field.name}` | {' | '.join(values)} |")
    return "\n".join(rows)


def test_every_setting_is_documented() -> None:
    """docs/configuration.md holds exactly the table of the settings."""
    assert settings_table() in (DOCS / "configuration.md").read_text(encoding="utf-8"), settings_table()


def test_every_policy_switch_is_documented() -> None:
    """docs/configuration.md holds exactly the table of the policy switches, and a sentence on each."""
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    assert policy_table() in text, policy_table()
    for field in dataclasses.fields(Policy):
        assert text.count(f"`{field.name}`") >= 2, field.name
