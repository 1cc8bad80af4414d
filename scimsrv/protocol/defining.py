"""Requests that change schemas and resource types: which tokens may, what the body and the query ask for, and the PATCH of a definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Final

from scimsrv.errors import Kind, ScimError, invalid_value
from scimsrv.limits import Limits
from scimsrv.patch.apply import apply
from scimsrv.patch.dialects import standard
from scimsrv.patch.parse import parse_operations
from scimsrv.protocol.messages import PatchOp
from scimsrv.protocol.plan import Define, IfMatch
from scimsrv.protocol.request import Parameters
from scimsrv.schema.attribute import Attribute, Mutability, fold_name, parse_attribute
from scimsrv.schema.catalog import Definition
from scimsrv.schema.definition import MOST_ATTRIBUTES, SCHEMA_URN
from scimsrv.schema.definitions import load_definitions
from scimsrv.schema.effective import EffectiveSchema, Schema
from scimsrv.schema.policy import Policy
from scimsrv.schema.redefinition import Subject
from scimsrv.schema.resource_type import RESOURCE_TYPE_URN

#: Methods for a token that may define, at the list and at one definition.
LISTED: Final = ("GET", "HEAD", "POST")
SINGLE: Final = ("GET", "HEAD", "PUT", "PATCH", "DELETE")

_URNS: Final = {Subject.SCHEMA: SCHEMA_URN, Subject.RESOURCE_TYPE: RESOURCE_TYPE_URN}

#: A definition has more elements in one array than a resource.
_VALUES: Final = MOST_ATTRIBUTES


def plan(
    subject: Subject,
    method: str,
    name: str,
    body: dict[str, Any],
    given: Parameters,
    if_match: IfMatch | None,
    policy: Policy,
    limits: Limits,
) -> Define:
    """What a POST, PUT, PATCH or DELETE of a definition comes to. Raises ScimError, 428 where the policy demands a condition."""
    if if_match is None and method != "POST" and policy.require_if_match:
        raise ScimError(Kind.PRECONDITION_REQUIRED)
    dry_run = _dry_run(given)
    match method:
        case "POST":
            return Define(subject, None, lambda _: body, None, dry_run)
        case "PUT":
            return Define(subject, name, lambda _: body, if_match, dry_run)
        case "DELETE":
            return Define(subject, name, lambda _: None, if_match, dry_run)
        case _:
            return Define(subject, name, _patched(subject, body, policy, limits), if_match, dry_run)


def _dry_run(given: Parameters) -> bool:
    value = given.get("dryrun", "false").lower()
    if value not in ("true", "false"):
        raise invalid_value("dryRun must be true or false")
    return value == "true"


def _patched(subject: Subject, body: dict[str, Any], policy: Policy, limits: Limits) -> Any:
    """From the present definition to what the operations make of it, which is then checked as a PUT is."""
    strict = replace(policy, strict_attributes=True, parse_json_strings=False)
    wide = replace(limits, values=_VALUES)
    schema = definition_schema(subject)
    message = PatchOp.read(body)
    operations = parse_operations(_with_text(standard(message.operations, strict)), schema, strict, wide)

    def edit(present: Definition | None) -> Mapping[str, Any] | None:
        if present is None:
            raise ScimError(Kind.NOT_FOUND)
        return apply(operations, _with_text(present), schema, strict, wide).document

    return edit


def _with_text(value: Any) -> Any:
    """The same with `indexed`, which is true, false or "substring", as text: PATCH knows one type per attribute."""
    if isinstance(value, list):
        return [_with_text(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    path = value.get("path")
    named = isinstance(path, str) and fold_name(path).endswith("indexed")
    return {
        name: str(one).lower()
        if isinstance(one, bool) and (fold_name(name) == "indexed" or (named and fold_name(name) == "value"))
        else _with_text(one)
        for name, one in value.items()
    }


@cache
def definition_schema(subject: Subject) -> EffectiveSchema:
    """The schema of definitions themselves, writable, for the patch engine."""
    known = load_definitions()
    base = known.schemas[_URNS[subject]]
    attributes = tuple(_writable(parse_attribute(attribute)) for attribute in base["attributes"])
    return EffectiveSchema(subject.value, f"/{subject.value}s", tuple(map(parse_attribute, known.common)), Schema(base["id"], attributes))


#: Members of an attribute's definition that are this server's.
_OWN: Final = (Attribute("indexed"), parse_attribute({"name": "canonicalValuesEnforced", "type": "boolean"}))


def _writable(attribute: Attribute) -> Attribute:
    subs = tuple(map(_writable, attribute.sub_attributes))
    if attribute.name in ("attributes", "subAttributes"):
        subs += _OWN
    return replace(attribute, mutability=Mutability.READ_WRITE, sub_attributes=subs, required=False)
