"""Forms of an attribute in search documents: how a change of what compares as equal passes from one to the other without a wrong answer.

A change of `caseExact` changes every key of the attribute. The new keys get a member of their own: writers write both while a walk over
the resources adds the new one to those that are there (`building`); then readers turn to it, and writers go on with both until every
server has done so (`ready`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from scimsrv.schema.attribute import Attribute, fold_name
from scimsrv.schema.effective import Schema


@dataclass(frozen=True, slots=True)
class Rekeying:
    """A change of `caseExact` under way: of an attribute (`code`, `owner.room`, folded) of a schema (by folded URN), from one form to
    another. `ready`: readers have turned to the new one, and the definition says it."""

    urn: str
    attribute: str
    case_exact: bool
    old_form: int
    new_form: int
    ready: bool


def with_forms(schema: Schema, forms: Mapping[str, int], under_way: Iterable[Rekeying]) -> Schema:
    """The schema with the forms of its attributes, which are 1 but for those in `forms` (by folded path)."""
    changing = {one.attribute: one for one in under_way if one.urn == schema.key}
    if not forms and not changing:
        return schema
    return Schema(schema.urn, tuple(_formed(attribute, "", forms, changing) for attribute in schema.attributes))


def _formed(attribute: Attribute, within: str, forms: Mapping[str, int], changing: Mapping[str, Rekeying]) -> Attribute:
    path = within + attribute.key
    subs = tuple(_formed(sub, f"{path}.", forms, changing) for sub in attribute.sub_attributes)
    found = replace(attribute, form=forms.get(path, 1), sub_attributes=subs)
    one = changing.get(path)
    if one is None:
        return found
    if one.ready:
        return replace(found, twin=replace(found, form=one.old_form, case_exact=not one.case_exact))
    return replace(found, twin=replace(found, form=one.new_form, case_exact=one.case_exact))


def definition_with(definition: Mapping[str, Any], attribute: str, case_exact: bool) -> dict[str, Any]:
    """A Schema's definition with another `caseExact` of the attribute at a folded path."""
    name, _, rest = attribute.partition(".")

    def changed(one: Mapping[str, Any]) -> dict[str, Any]:
        if not rest:
            return dict(one) | {"caseExact": case_exact}
        subs = [dict(sub) | {"caseExact": case_exact} if fold_name(sub["name"]) == rest else sub for sub in one.get("subAttributes", ())]
        return dict(one) | {"subAttributes": subs}

    return dict(definition) | {"attributes": [changed(one) if fold_name(one["name"]) == name else one for one in definition["attributes"]]}


def case_exact_of(definition: Mapping[str, Any], attribute: str) -> bool | None:
    """What a Schema's definition says of the attribute at a folded path; None where it has none, or one without case."""
    attributes: Iterable[Mapping[str, Any]] = [definition]
    member = "attributes"
    for name in attribute.split("."):
        attributes = [part for one in attributes for part in one.get(member, ()) if fold_name(part["name"]) == name]
        member = "subAttributes"
    return next((one.get("caseExact") for one in attributes), None)
