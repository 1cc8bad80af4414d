"""Captured PATCH requests of real clients: what one looks like, and how it is replayed against a server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from conformance.client import CORE_GROUP, Failed, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import case

FOLDER = Path(__file__).parent / "data" / "exchanges"

MADE_BY_SERVER = {"id", "schemas", "meta", "groups"}
DERIVED_OF_REFERENCE = {"$ref", "type", "display", "displayName"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what it leads to. data/README.md describes the members."""

    name: str
    id: str
    client: str
    claim: str
    resource: dict[str, Json]
    operations: list[dict[str, Json]]
    result: dict[str, Json] | None = None
    error: dict[str, Json] | None = None
    switches: dict[str, dict[str, Json]] = field(default_factory=dict)
    users: list[str] = field(default_factory=list)
    unique: list[str] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        """The collection, /Groups or /Users, by the first schema URI of the resource."""
        return "/Groups" if self.resource["schemas"][0] == CORE_GROUP else "/Users"


@cache
def load(name: str) -> Exchange:
    """The exchange in data/exchanges/<name>.json. Raises FileNotFoundError, or TypeError for an unknown member."""
    return Exchange(name=name, **json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))


def names() -> list[str]:
    """The names of all exchanges in the folder, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def exchange_case(id_: str, *exchanges: str, section: str, tags: set[str], level: str = "MUST") -> None:
    """Register one check that replays these exchanges; the first one's claim is the check's."""

    def check(scim: Scim) -> None:
        for name in exchanges:
            replay(scim, name)

    check.__doc__ = load(exchanges[0]).claim
    case(id_, section=section, tags=tags, level=level)(check)


def replay(scim: Scim, name: str) -> Json:
    """Create the resource, send the operations, compare with the expected state; returns the resource as read afterwards."""
    exchange = load(name)
    prefix = rand("x")
    real = {text: f"{prefix}-{text}" for text in exchange.unique}
    real |= {stand_in: scim.user()["id"] for stand_in in exchange.users}
    before = scim.create(exchange.endpoint, _replaced({k: v for k, v in exchange.resource.items() if k != "id"}, real))
    if "id" in exchange.resource:
        real[exchange.resource["id"]] = before["id"]
    path = f"{exchange.endpoint}/{before['id']}"
    answer = scim.patch(path, *_replaced(exchange.operations, real))
    outcome = _outcome(scim, exchange)
    if "error" in outcome:
        expect_error(answer, outcome["error"]["status"], outcome["error"]["scimType"])
        after = scim.read(path)
        for body in (before, after):
            body.pop("groups", None)
        equal(after, before, f"{name}: the resource after a refused request")
        return after
    wanted = _replaced(outcome["result"], real)
    expect(answer, 200, 204)
    if answer.status_code == 200:
        same_state(answer.json(), wanted, f"{name}: answer to PATCH")
    after = scim.read(path)
    same_state(after, wanted, f"{name}: resource after PATCH")
    return after


def same_state(actual: dict[str, Json], wanted: dict[str, Json], what: str) -> None:
    """Fail unless `actual` holds exactly the attributes `wanted`, beside what a server makes itself (`active` true included)."""
    extra = {key for key, value in actual.items() if key not in wanted and value not in (None, [], {})} - MADE_BY_SERVER
    if actual.get("active") is True:
        extra.discard("active")
    ensure(not extra, f"{what}: unexpected {', '.join(sorted(extra))}: {[actual[key] for key in sorted(extra)]!r}")
    for key, value in wanted.items():
        ensure(key in actual, f"{what}: {key} is missing, expected {value!r}")
        ensure(_same(actual[key], value, key), f"{what}: {key}: expected {value!r}, got {actual[key]!r}")


def advertised(scim: Scim, switch: str) -> bool:
    """Whether ServiceProviderConfig has a member of this name, at any depth, that is true."""

    def on(node: Json) -> bool:
        if isinstance(node, dict):
            return node.get(switch) is True or any(on(value) for value in node.values())
        return isinstance(node, list) and any(on(value) for value in node)

    return on(scim.read("/ServiceProviderConfig"))


def _outcome(scim: Scim, exchange: Exchange) -> dict[str, Json]:
    for switch, outcome in exchange.switches.items():
        if advertised(scim, switch):
            return outcome
    if exchange.error is not None:
        return {"error": exchange.error}
    if exchange.result is None:
        raise Failed(f"{exchange.name}: neither result nor error")
    return {"result": exchange.result}


def _same(actual: Json, wanted: Json, attribute: str) -> bool:
    if isinstance(wanted, dict):
        return isinstance(actual, dict) and _same_object(actual, wanted, attribute)
    if isinstance(wanted, list):
        return isinstance(actual, list) and _same_elements(list(actual), wanted, attribute)
    return bool(actual == wanted) and type(actual) is type(wanted)


def _same_object(actual: dict[str, Json], wanted: dict[str, Json], attribute: str) -> bool:
    allowed = DERIVED_OF_REFERENCE if attribute in ("members", "manager") else set()
    return not set(actual) - set(wanted) - allowed and all(
        key in actual and _same(actual[key], value, key) for key, value in wanted.items()
    )


def _same_elements(left: list[Json], wanted: list[Json], attribute: str) -> bool:
    """The same elements in any order: `members` have none, and one request may both build and append."""
    for value in wanted:
        found = next((index for index, item in enumerate(left) if _same(item, value, attribute)), None)
        if found is None:
            return False
        del left[found]
    return not left


def _replaced(value: Any, real: dict[str, str]) -> Any:
    if not real:
        return value
    pattern = re.compile(r"(?<![\w-])(?:" + "|".join(map(re.escape, sorted(real, key=len, reverse=True))) + r")(?![\w-])")
    return _walk(value, lambda text: pattern.sub(lambda match: real[match[0]], text))


def _walk(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _walk(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_walk(item, change) for item in value]
    return value
