"""One check per attribute of RFC 7643 §8.7: it is advertised with the right characteristics, and it behaves accordingly."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.checks.schema_behaviour import behaves
from conformance.checks.schema_facts import FACTS, Fact
from conformance.client import Json, Scim, ensure
from conformance.registry import CheckFunction, requirement

# What a characteristic means when a definition leaves it out (RFC 7643 §2.2).
_DEFAULTS = {"type": "string", "multiValued": False, "required": False, "mutability": "readWrite", "returned": "default"}


def differences(definition: Json, fact: Fact, path: str) -> Iterator[str]:
    """In words, every point where an advertised attribute departs from its definition in the RFC; sub-attributes included."""
    wanted = (fact.type, fact.multi, fact.required, fact.mutability, fact.returned)
    for (key, default), value in zip(_DEFAULTS.items(), wanted, strict=True):
        if definition.get(key, default) != value:
            yield f"{path}: {key} is {definition.get(key)!r}, not {value!r}"
    if fact.exact is not None and definition.get("caseExact", False) != fact.exact:
        yield f"{path}: caseExact is {definition.get('caseExact')!r}, not {fact.exact!r}"
    if definition.get("uniqueness", "none") not in fact.uniqueness:
        yield f"{path}: uniqueness is {definition['uniqueness']!r}, not {' or '.join(fact.uniqueness)}"
    for key, values in (("canonicalValues", fact.canonical), ("referenceTypes", fact.refs)):
        if sorted(definition.get(key) or []) != sorted(values):
            yield f"{path}: {key} is {definition.get(key)!r}, not {list(values)!r}"
    advertised = {sub["name"]: sub for sub in definition.get("subAttributes") or []}
    subs = {sub.name: sub for sub in fact.subs}
    for name in sorted(advertised.keys() ^ subs.keys()):
        yield f"{path}.{name}: {'not in the RFC' if name in advertised else 'missing'}"
    for name in advertised.keys() & subs.keys():
        yield from differences(advertised[name], subs[name], f"{path}.{name}")


def _definition(scim: Scim, urn: str, fact: Fact) -> Json:
    attributes = {attribute["name"]: attribute for attribute in scim.read(f"/Schemas/{urn}")["attributes"]}
    ensure(fact.name in attributes, f"{urn} has no attribute {fact.name!r}")
    return attributes[fact.name]


def _check(urn: str, fact: Fact) -> CheckFunction:
    def check(scim: Scim) -> None:
        found = list(differences(_definition(scim, urn, fact), fact, fact.name))
        ensure(not found, "; ".join(found))
        behaves(scim, urn, fact)

    kind = f"{'multi-valued ' if fact.multi else ''}{fact.type}"
    need = "required" if fact.required else "optional"
    check.__doc__ = (
        f"{urn.rsplit(':', 1)[-1] if 'extension' not in urn else 'EnterpriseUser'}.{fact.name} is advertised and behaves as "
        f"{need} {kind}, {fact.mutability}, returned {fact.returned}."
    )
    return check


for _row, _urn, _fact in FACTS:
    requirement(_row)(_check(_urn, _fact))
