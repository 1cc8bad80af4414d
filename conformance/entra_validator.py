"""Plays the cases of data/entra_validator.json: the exchanges of Microsoft's SCIM Validator as steps with named resources.

A case has `id`, `run` ("required" and "preview": the Validator's own groups; "later": its later runs; "added": ours), `claim` and `steps`.
A step is an object whose first member is its verb:

| Verb | Does | Further members |
|---|---|---|
| `new`: name | creates a resource and keeps it under the name | `body` (default "person"), `with` |
| `refuse`: body | sends that body again, to be refused | `as` (whose name it gets), `status`, `scimType` (may be missing) |
| `patch`: name | changes the resource | `ops`, or `each`: that op with every pair of `values` |
| `read`: name | reads it | `query`, `status` (default 200), expectations |
| `search`: path | lists; nothing is found unless `finds` names the one match | `filter`, `query`, expectations about the match |
| `delete`: name or path | deletes it | `status` (default 204) |

Expectations: `has` (a body, all of which must be there), `with` (members laid over it, or alone), `lacks` (paths that must be absent or
empty), `sizes` (length of an array). In every text `<n>` is new for each case, `<who>` the name of the resource, `<u.id>` and
`<u.userName>` values of the resource u, in upper case when written so.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from conformance.client import LIST_RESPONSE, PATCH_OP, Failed, Json, Scim, ensure, equal, expect, expect_error, rand

HEADERS = {"Content-Type": "application/scim+json; charset=utf-8"}


@cache
def script() -> dict[str, Any]:
    """The data file: `bodies` by name, `values` (pairs of path and value), `cases`."""
    loaded: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "entra_validator.json").read_text(encoding="utf-8"))
    return loaded


def play(scim: Scim, case: dict[str, Any]) -> None:
    """Run the steps of one case in order. Raises Failed at the first that does not go as it should."""
    player = _Player(scim, rand("v"))
    for number, step in enumerate(case["steps"], start=1):
        verb = next(iter(step))
        try:
            getattr(player, f"do_{verb}")(step)
        except Failed as why:
            raise Failed(f"step {number} ({verb}): {why}") from why


class _Player:
    """The resources of one case by name, and one method per verb."""

    def __init__(self, scim: Scim, new: str) -> None:
        self.scim = scim
        self.new = new
        self.kept: dict[str, Json] = {}
        self.paths: dict[str, str] = {}

    def do_new(self, step: dict[str, Any]) -> None:
        who = step["new"]
        body = self.filled(script()["bodies"][step.get("body", "person")] | step.get("with", {}), who)
        path = _collection(body)
        self.kept[who] = expect(self.scim.post(path, body, headers=HEADERS), 201).json()
        self.paths[who] = f"{path}/{self.kept[who]['id']}"

    def do_refuse(self, step: dict[str, Any]) -> None:
        body = self.filled(script()["bodies"][step["refuse"]], step["as"])
        expect_error(self.scim.post(_collection(body), body, headers=HEADERS), step["status"], step["scimType"], None)

    def do_patch(self, step: dict[str, Any]) -> None:
        operations = step.get("ops") or [{"op": step["each"], "path": path, "value": value} for path, value in script()["values"]]
        body = {"schemas": [PATCH_OP], "Operations": self.filled(operations, step["patch"])}
        expect(self.scim.request("PATCH", self.paths[step["patch"]], body, headers=HEADERS), 200, 204)

    def do_read(self, step: dict[str, Any]) -> None:
        status = step.get("status", 200)
        response = self.scim.get(self.paths[step["read"]], params=step.get("query"))
        if status != 200:
            expect_error(response, status)
            return
        found = expect(response, 200).json()
        equal(found["id"], self.kept[step["read"]]["id"], "id")
        self.compare(found, step, step["read"])

    def do_search(self, step: dict[str, Any]) -> None:
        query = dict(step.get("query", {}))
        if "filter" in step:
            query["filter"] = self.text(step["filter"], "")
        body = self.scim.read(self.text(step["search"], ""), params=query or None)
        ensure(LIST_RESPONSE in body.get("schemas", []), f"schemas of the list: {body.get('schemas')!r}")
        resources = body.get("Resources") or []
        equal(body.get("totalResults"), 1 if "finds" in step else 0, "totalResults")
        equal(len(resources), body["totalResults"], "number of Resources")
        if "finds" in step:
            kept, found = self.kept[step["finds"]], resources[0]
            equal(found.get("id"), kept["id"], "id of the match")
            ensure(found.get("schemas"), "the match has no schemas")
            equal(found.get("meta", {}).get("resourceType"), kept["meta"]["resourceType"], "meta.resourceType of the match")
            self.compare(found, step, step["finds"])

    def do_delete(self, step: dict[str, Any]) -> None:
        status = step.get("status", 204)
        response = self.scim.delete(self.paths.get(step["delete"], step["delete"]))
        expect(response, 204) if status == 204 else expect_error(response, status)

    def compare(self, found: Json, step: dict[str, Any], who: str) -> None:
        """Fail unless the resource meets the step's expectations."""
        wanted = self.filled((script()["bodies"][step["has"]] if "has" in step else {}) | step.get("with", {}), who)
        for key, value in wanted.items():
            ensure(_holds(found.get(key), value), f"{key}: expected {value!r}, got {found.get(key)!r}")
        for path in step.get("lacks", []):
            value = found
            for key in path:
                value = (value or {}).get(key)
            ensure(value in (None, "", [], {}), f"{'.'.join(path)} should be absent, is {value!r}")
        for key, size in step.get("sizes", {}).items():
            equal(len(found.get(key) or []), size, f"number of {key}")

    def filled(self, value: Any, who: str) -> Any:
        """The value with every text's variables put in."""
        if isinstance(value, str):
            return self.text(value, who)
        if isinstance(value, dict):
            return {key: self.filled(item, who) for key, item in value.items()}
        return [self.filled(item, who) for item in value] if isinstance(value, list) else value

    def text(self, text: str, who: str) -> str:
        """The text with its variables put in."""

        def variable(match: re.Match[str]) -> str:
            name, dot, attribute = match[1].partition(".")
            if not dot:
                return {"n": self.new, "who": who}[name]
            if name.isupper():
                return next(str(value) for key, value in self.kept[name.lower()].items() if key.upper() == attribute).upper()
            return str(self.kept[name][attribute])

        return re.sub(r"<([\w.]+)>", variable, text)


def _collection(body: Json) -> str:
    return "/Groups" if "displayName" in body and "userName" not in body else "/Users"


def _holds(actual: Json, wanted: Json) -> bool:
    """Whether `actual` holds all of `wanted`: objects by key, arrays by a matching element each, the rest by value and type."""
    if isinstance(wanted, dict):
        return isinstance(actual, dict) and all(_holds(actual.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(actual, list) and all(any(_holds(item, value) for item in actual) for value in wanted)
    return bool(actual == wanted) and type(actual) is type(wanted)
