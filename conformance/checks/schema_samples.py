"""Values that suit an attribute's definition, and how to place, find and filter them in a user."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance.checks.schema_facts import Fact
from conformance.client import CORE_USER, Json, ensure, equal, rand

# Two self-signed certificates (DER, base64): x509Certificates may hold nothing else (RFC 7643 §4.1.2).
_CERTIFICATES = (
    "MIIBQjCB9aADAgECAhR4Wdn7+PjZ64okmaCK3NfGm5/WcDAFBgMrZXAwFjEUMBIGA1UEAwwLZXhhbXBsZS5jb20wIBcNMjYxMTIxMDIyMzI0Wh"
    "gPMjEyNjEwMjgwMjIzMjRaMBYxFDASBgNVBAMMC2V4YW1wbGUuY29tMCowBQYDK2VwAyEAumw5n5/BIyfwWWg6uVGpf4K1yOVChMwYn7wOt2Vf"
    "CpOjUzBRMB0GA1UdDgQWBBSRxRJMLp0JVa3/fRRdjuBkjojd3zAfBgNVHSMEGDAWgBSRxRJMLp0JVa3/fRRdjuBkjojd3zAPBgNVHRMBAf8EBT"
    "ADAQH/MAUGAytlcANBAFx6ArXrTLPpix1Jw1zKEMLtexa6fnyI3XE37aGp9p8ukkRenuWyCK/O/ZMUDsagHnutM/5BJejsweoJCb7LYQ4=",
    "MIIBQjCB9aADAgECAhRR3zYVtQcOKArlFtkknuLcX5XcFzAFBgMrZXAwFjEUMBIGA1UEAwwLZXhhbXBsZS5vcmcwIBcNMjYxMTIxMDIzMjAxWh"
    "gPMjEyNjEwMjgwMjMyMDFaMBYxFDASBgNVBAMMC2V4YW1wbGUub3JnMCowBQYDK2VwAyEA5KUG+qTP2V9DG5czpYPdiISO4c6T25gBR6jP9ci7"
    "iQOjUzBRMB0GA1UdDgQWBBTl4Bf9EHI58794sGHPdLHbGbkq6zAfBgNVHSMEGDAWgBTl4Bf9EHI58794sGHPdLHbGbkq6zAPBgNVHRMBAf8EBT"
    "ADAQH/MAUGAytlcANBAAEzPAzlGMrxkNGx1aGq4ArXr6pgxWtg4Klypwv2+jQQX+KXDCMZ9fpVUUpvKtM7HOXc6fPePsYpWod0nuvKtgw=",
)

# Attributes whose value space is narrower than their type (RFC 7643 §4.1.1, §4.1.2): a first and a second choice.
_NARROW = {
    "preferredLanguage": ("en-GB", "de-CH"),
    "locale": ("en-GB", "de-CH"),
    "timezone": ("Europe/Berlin", "America/Chicago"),
    "country": ("GB", "CH"),
}


def sample(fact: Fact, variant: int = 0) -> Json:
    """A valid value for the attribute; variants 0 and 1 differ wherever the definition leaves room."""
    if fact.multi:
        return [sample(replace(fact, multi=False), variant)]
    if fact.subs:
        element = {sub.name: sample(sub, variant) for sub in fact.subs}
        if fact.name == "emails":
            element["value"] = f"{rand('ada')}@example.com"
        if fact.name == "phoneNumbers":
            element["value"] = f"tel:+1555{int(rand('x')[2:], 16) % 10**9:09}"
        return element
    if fact.canonical:
        return fact.canonical[0]
    if fact.name in _NARROW:
        return _NARROW[fact.name][variant]
    match fact.type:
        case "boolean":
            return True
        case "binary":
            return _CERTIFICATES[variant]
        case "reference":
            return f"https://example.com/Photos/{rand('Ada')}"
        case _:
            return rand(f"{fact.name}-Ab")


def placed(urn: str, name: str, value: Json) -> dict[str, Json]:
    """The attribute where a user's body holds it: at the top for the core schema, else under the extension's URN."""
    return {name: value} if urn == CORE_USER else {urn: {name: value}}


def picked(urn: str, name: str, resource: Json) -> Json:
    """The attribute's value in a resource, None if it is absent."""
    return (resource if urn == CORE_USER else resource.get(urn) or {}).get(name)


def path_of(urn: str, name: str) -> str:
    """The attribute's name as filters, paths and projections refer to it (RFC 7644 §3.10)."""
    return name if urn == CORE_USER else f"{urn}:{name}"


def leaves(fact: Fact, path: str, value: Json) -> Iterator[tuple[Fact, str, Json]]:
    """Every comparable value below a sample: its definition, its filter path, the value. $ref is outside the filter grammar."""
    if not fact.subs:
        yield fact, path, value
        return
    element = value[0] if fact.multi else value
    for sub in fact.subs:
        if sub.name in element and sub.name != "$ref":
            yield sub, f"{path}.{sub.name}", element[sub.name]


def literal(value: Json) -> str:
    """The value as a filter writes it; the samples need no escapes."""
    return str(value).lower() if isinstance(value, bool) else f'"{value}"'


def same_value(fact: Fact, got: Json, sent: Json, where: str) -> None:
    """Fail unless the value read is the one written; a complex value may show more of its own sub-attributes."""
    if not fact.subs:
        equal(got, sent, where)
        return
    ensure(isinstance(got, list) if fact.multi else isinstance(got, dict), f"{where}: {type(got).__name__} is the wrong JSON kind")
    if fact.multi:
        equal(len(got), len(sent), f"number of elements of {where}")
    for shown, wanted in zip(got if fact.multi else [got], sent if fact.multi else [sent], strict=True):
        foreign = set(shown) - {sub.name for sub in fact.subs}
        ensure(not foreign, f"{where}: sub-attributes that the schema lacks: {sorted(foreign)}")
        for key, value in wanted.items():
            equal(shown.get(key), value, f"{where}.{key}")
