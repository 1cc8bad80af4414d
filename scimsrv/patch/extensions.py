"""Operations on `schemas`: it is computed from the extensions that have data, so changing it means dropping their data."""

from __future__ import annotations

from typing import Any

from scimsrv.errors import invalid_value, mutability
from scimsrv.patch.work import Storage, Work, storage
from scimsrv.schema import document as doc
from scimsrv.schema.attribute import Mutability
from scimsrv.schema.document import values
from scimsrv.schema.effective import Resolved, Schema
from scimsrv.schema.validate import shorten


def declare(work: Work, place: Resolved, value: Any) -> None:
    """add: the URNs of the type are accepted and show as soon as their extension has data. Raises ScimError invalidValue for others."""
    _known(work, place, value)


def redeclare(work: Work, place: Resolved, value: Any) -> None:
    """replace: extensions that are left out lose their data. Raises ScimError invalidValue when the base schema is left out."""
    named = _known(work, place, value)
    if work.schema.base not in named:
        raise invalid_value(f"schemas must name {work.schema.base.urn}")
    for extension, _ in work.schema.extensions:
        if extension not in named:
            _drop(work, extension)


def withdraw(work: Work, place: Resolved, value: Any) -> None:
    """remove: the named extensions lose their data. Raises ScimError mutability for the base schema, and for all (value None)."""
    if value is None:
        raise mutability("schemas is required and cannot be removed")
    for urn in values(work.coercer.attribute(place.attribute, value, place.name)):
        named = work.schema.schema(urn)
        if named is work.schema.base:
            raise mutability(f"{named.urn} is the schema of every {work.schema.name} and cannot be removed")
        if named is not None:
            _drop(work, named)


def _known(work: Work, place: Resolved, value: Any) -> list[Schema]:
    found = []
    for urn in values(work.coercer.attribute(place.attribute, value, place.name)):
        named = work.schema.schema(urn)
        if named is None:
            raise invalid_value(f"schemas names {shorten(urn)}, which {work.schema.name} does not have")
        found.append(named)
    return found


def _drop(work: Work, extension: Schema) -> None:
    """Removes all that clients may write in the extension. Raises ScimError mutability where it is required or immutable."""
    if extension in work.schema.required_extensions:
        raise mutability(f"{extension.urn} is required and cannot be removed")
    for attribute in extension.attributes:
        place = Resolved(extension.urn, attribute)
        if attribute.mutability is Mutability.READ_ONLY:
            continue
        match storage(attribute):
            case Storage.LINKS:
                work.ledger(place).clear()
            case Storage.SECRET:
                work.secrets[place.key] = None
            case _:
                if attribute.mutability is Mutability.IMMUTABLE and work.get(place) is not None:
                    raise mutability(f"{place.name} is immutable and has a value")
                work.document = doc.put(work.document, place, None)
