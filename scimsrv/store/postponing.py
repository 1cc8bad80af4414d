"""Changes of `caseExact` that stored values do not bear at once: taken out of a change of a schema, and left to be done behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scimsrv.errors import Kind, ScimError
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.catalog import Catalog, Definition
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.evolution import Change, Compares
from scimsrv.schema.forms import Rekeying, case_exact_of, definition_with
from scimsrv.schema.redefinition import Redefinition, Subject, redefine
from scimsrv.store.examination import Examination

_Editor = Callable[[Definition | None], Mapping[str, Any] | None]


def postpone(catalog: Catalog, change: Redefinition, examined: Examination) -> tuple[Redefinition, Examination, tuple[Rekeying, ...]]:
    """The change without what has to wait for other forms in search documents, what was found about the rest, and what waits.

    Raises ScimError 409 for an attribute that is unique or a reference to resources, whose rows have its keys as well, and for one of
    which a former change is still under way.
    """
    if change.subject is not Subject.SCHEMA:
        return change, examined, ()
    waiting: dict[str, bool] = {}
    for finding in examined.findings:
        if _rekeys(finding.change) and finding.offends:
            place = _place(finding.change)
            waiting[_path(place)] = finding.change.new
            _refuse_rows(catalog, change.after, finding.type, place)
    if waiting and change.new is not None:
        body = change.new
        for path, case_exact in waiting.items():
            body = definition_with(body, path, not case_exact)
        change = redefine(catalog, change.subject, change.name, body)
        at_once = [finding for finding in examined.findings if not _rekeys(finding.change)]
        later = [finding for finding in examined.findings if _rekeys(finding.change) and finding.offends]
        examined = Examination(at_once, examined.seen, later)
    urn = fold_name(change.name)
    under_way = {one.attribute: one for one in catalog.rekeyings if one.urn == urn}
    for path, one in under_way.items():
        if waiting.get(path, one.case_exact) != one.case_exact or any(_touches(said, path) for said in change.diff):
            raise _under_way(path)
    forms = catalog.forms.get(urn, {})
    waits = [
        under_way.get(path) or Rekeying(urn, path, case_exact, forms.get(path, 1), forms.get(path, 1) + 1, ready=False)
        for path, case_exact in waiting.items()
    ]
    return change, examined, tuple(waits)


def refuse_taking_back(catalog: Catalog, subject: Subject, present: Definition | None, edit: _Editor) -> None:
    """Raises ScimError 409 for an edit that would have an attribute as it was before a change of `caseExact` that is still under way.

    It is told from one about something else by what it makes of the definition as that change will leave it.
    """
    if present is None or subject is not Subject.SCHEMA:
        return
    under_way = [one for one in catalog.rekeyings if one.urn == fold_name(present["id"])]
    intended = present
    for one in under_way:
        intended = definition_with(intended, one.attribute, one.case_exact)
    body = edit(intended) if under_way else None
    if body is None:
        return
    new = redefine(catalog, subject, present["id"], body).new
    for one in under_way:
        if new is not None and case_exact_of(new, one.attribute) is (not one.case_exact):
            raise _under_way(one.attribute)


def _under_way(path: str) -> ScimError:
    return ScimError(Kind.CONFLICT, f"{path}: a former change of caseExact is still being carried out; try again later")


def _rekeys(change: Change) -> bool:
    return change.member == "caseExact"


def _place(change: Change) -> Resolved:
    return next(check.place for check in change.checks if isinstance(check, Compares))


def _path(place: Resolved) -> str:
    return place.attribute.key if place.sub is None else f"{place.attribute.key}.{place.sub.key}"


def _touches(said: str, path: str) -> bool:
    """Whether a path of a diff is about this attribute."""
    name, _, sub = path.partition(".")
    about = f"attributes.{name}." + (f"subattributes.{sub}." if sub else "")
    return fold_name(said).startswith(about)


def _refuse_rows(before: Catalog, after: Catalog, type_name: str, place: Resolved) -> None:
    if place.key in {unique.key for unique in after.by_name[type_name].unique} - {
        unique.key for unique in before.by_name[type_name].unique
    }:
        rule = "change caseExact first, and make it unique when that change is done"
        raise ScimError(Kind.CONFLICT, f"{place.name} has values that compare differently when caseExact changes: {rule}")
    if any(place.key == unique.key for unique in before.by_name[type_name].unique):
        rule = "take that off first, change caseExact, and put it back when the change is done"
        raise ScimError(Kind.CONFLICT, f"{place.name} is unique; {rule}")
    if place.attribute.resource_types:
        raise ScimError(Kind.CONFLICT, f"{place.name} is part of a reference to resources: its caseExact cannot change while it has values")


def key_of_path(schema: EffectiveSchema, one: Rekeying) -> str:
    """The key of the place whose form changes, in a type that has its schema."""
    return one.attribute if one.urn == schema.base.key else f"{one.urn}:{one.attribute}"
