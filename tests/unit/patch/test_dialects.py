"""Every captured exchange leads to the recorded state, and every dialect is needed by its captures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from scimsrv.errors import ScimError
from scimsrv.limits import Limits
from scimsrv.patch import dialects
from scimsrv.patch.apply import apply
from scimsrv.patch.dialects import DIALECTS, Dialect, standard
from scimsrv.patch.parse import parse_operations
from scimsrv.schema.policy import Policy, parse_policy
from scimsrv.schema.validate import Coercer, complete
from tests.schemas import CORE_GROUP, group_schema, user_schema
from tests.unit.patch.support import POLICY

FOLDER = Path(__file__).parents[3] / "conformance" / "data" / "exchanges"
CAPTURES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
#: Policy fields of the switches that are not the field's name in another case.
FIELDS = {"parseRoleText": "parse_json_strings"}


def state(body: Any, policy: Policy = POLICY) -> tuple[Any, dict[str, frozenset[str]]]:
    """A resource as it is stored: document, and ids by reference attribute."""
    schema = group_schema() if "displayName" in body and "userName" not in body else user_schema()
    draft = Coercer(policy).resource(body, schema)
    links = {key: frozenset(ids) for key, ids in draft.links.items() if ids}
    return complete(draft.document, schema), links


def replay(capture: Any, policy: Policy) -> tuple[Any, dict[str, frozenset[str]]]:
    """The state after the exchange, compared without the descriptions of references, which are derived."""
    schema = group_schema() if capture["resource"]["schemas"][0] == CORE_GROUP else user_schema()
    document, links = state(capture["resource"])
    if "id" in capture["resource"]:
        document = document | {"id": capture["resource"]["id"]}
    operations = parse_operations(standard(capture["operations"], policy), schema, policy, Limits())
    patched = apply(operations, document, schema, policy, Limits())
    for key, change in patched.links.items():
        links[key] = frozenset(change.applied(links.get(key, ())))
    after = {name: value for name, value in patched.document.items() if name != "id"}
    return without_refs(after), {key: ids for key, ids in links.items() if ids}


def without_refs(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_refs(part) for name, part in value.items() if name != "$ref"}
    return [without_refs(part) for part in value] if isinstance(value, list) else value


def positions() -> list[Any]:
    """Each exchange with its outcome, and once more for each switch that changes the outcome."""
    found = []
    for name, capture in CAPTURES.items():
        found.append(pytest.param(capture, capture, POLICY, id=name))
        for switch, outcome in capture.get("switches", {}).items():
            field = FIELDS.get(switch) or re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), switch)
            found.append(pytest.param(capture, outcome, parse_policy({field: True}), id=f"{name}-{switch}"))
    return found


@pytest.mark.parametrize(("capture", "outcome", "policy"), positions())
def test_captures_lead_to_the_recorded_state(capture: Any, outcome: Any, policy: Policy) -> None:
    if "error" in outcome:
        with pytest.raises(ScimError) as caught:
            replay(capture, policy)
        assert caught.value.kind.value[:2] == (outcome["error"]["status"], outcome["error"]["scimType"])
    else:
        assert replay(capture, policy) == state(outcome["result"], policy)


def test_every_dialect_is_in_the_table_with_its_docstring_and_existing_captures() -> None:
    """A public function of the module that takes operations is a dialect."""
    rewrites = [dialect.rewrite for dialect in DIALECTS]
    assert set(rewrites) == {dialects.lower_case_ops, dialects.bare_comparisons, dialects.roles_as_json_text}
    public = {name for name, value in vars(dialects).items() if callable(value) and getattr(value, "__module__", "") == dialects.__name__}
    helpers = {name for name in public if name.startswith("_")}
    assert public - helpers - {"Dialect", "standard"} == {rewrite.__name__ for rewrite in rewrites}
    for dialect in DIALECTS:
        assert dialect.rewrite.__doc__
        assert dialect.captures
        assert set(dialect.captures) <= CAPTURES.keys()


@pytest.mark.parametrize(
    ("dialect", "name"), [(dialect, name) for dialect in DIALECTS for name in dialect.captures], ids=lambda value: str(value)[:40]
)
def test_each_capture_is_rewritten_by_its_dialect_without_changing_the_input(dialect: Dialect, name: str) -> None:
    operations = CAPTURES[name]["operations"]
    before = json.dumps(operations)
    assert dialect.rewrite(operations) != operations
    assert json.dumps(operations) == before
    assert dialect.rewrite(dialect.rewrite(operations)) == dialect.rewrite(operations)


@pytest.mark.parametrize("raw", [None, {}, "x", [1], ["add"], [[]]])
def test_what_is_no_array_of_objects_is_left_for_the_parser(raw: Any) -> None:
    assert standard(raw, Policy(parse_json_strings=True)) == raw


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ('schemas eq "urn:x"', 'schemas[value eq "urn:x"]'),
        ('tags EQ "a [b] \\" c"', 'tags[value EQ "a [b] \\" c"]'),
        ('emails[type eq "work"]', 'emails[type eq "work"]'),
        ('a eq "x" or b eq "y"', 'a eq "x" or b eq "y"'),
        ("title", "title"),
        (7, 7),
    ],
)
def test_bare_comparisons(path: Any, expected: Any) -> None:
    assert dialects.bare_comparisons([{"op": "remove", "Path": path}]) == [{"op": "remove", "Path": expected}]


ROLE = '{"id": "r-1", "value": "Guide", "displayName": "Guides", "primary": "True"}'
READ = {"value": "Guide", "display": "Guides", "primary": "True"}


@pytest.mark.parametrize(
    ("operation", "value"),
    [
        ({"op": "add", "path": "roles", "value": [{"value": ROLE, "type": "t"}, ROLE, "x"]}, [READ | {"type": "t"}, READ, "x"]),
        ({"op": "add", "path": "urn:ietf:params:scim:schemas:core:2.0:User:Roles", "value": ROLE}, READ),
        ({"op": "add", "value": {"roles": [ROLE], "title": ROLE}}, {"roles": [READ], "title": ROLE}),
        ({"op": "add", "path": "title", "value": ROLE}, ROLE),
        ({"op": "add", "path": "roles", "value": '{"id": "r-1"}'}, '{"id": "r-1"}'),
        ({"op": "add", "path": "roles", "value": "{broken"}, "{broken"),
        ({"op": "add", "path": "roles", "value": '{"a":' * 100_000}, '{"a":' * 100_000),
        ({"op": "add", "path": "roles", "value": [None, 1]}, [None, 1]),
        ({"op": "add", "value": "x"}, "x"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_roles_as_json_text(operation: Any, value: Any) -> None:
    """Text that is no JSON object with a value stays text, however deep it is nested; other attributes are left alone."""
    assert dialects.roles_as_json_text([operation]) == [operation | {"value": value}]
