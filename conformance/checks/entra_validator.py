"""Every case of Microsoft's Entra SCIM Validator, registered from the data file."""

from __future__ import annotations

from typing import Any

from conformance.client import Scim
from conformance.entra_validator import play, script
from conformance.registry import CheckFunction, case


def _check(data: dict[str, Any]) -> CheckFunction:
    def check(scim: Scim) -> None:
        play(scim, data)

    check.__doc__ = data["claim"]
    return check


for _data in script()["cases"]:
    case(
        f"entra-validator-{_data['id']}",
        section="Entra SCIM Validator",
        tags={"entra", "validator"},
        level="MUST" if _data["run"] == "required" else "SHOULD",
    )(_check(_data))
