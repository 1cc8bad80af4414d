"""What RFC 7643 §8.7 (errata, RFC 9865 and RFC 9967 applied) says of every attribute: one row per requirement."""

from __future__ import annotations

from dataclasses import dataclass, replace

from conformance.client import CORE_GROUP, CORE_USER, ENTERPRISE_USER

SERVICE_PROVIDER_CONFIG = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
RESOURCE_TYPE = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Schema"

NONE = ("none",)
SERVER = ("server",)


@dataclass(frozen=True, slots=True)
class Fact:
    """The characteristics of one attribute; `exact` is None where letter case means nothing, `uniqueness` lists what is accepted."""

    name: str
    type: str = "string"
    multi: bool = False
    required: bool = False
    exact: bool | None = False
    mutability: str = "readWrite"
    returned: str = "default"
    uniqueness: tuple[str, ...] = NONE
    canonical: tuple[str, ...] = ()
    refs: tuple[str, ...] = ()
    subs: tuple[Fact, ...] = ()

    def sub(self, name: str) -> Fact:
        """The sub-attribute of this name; KeyError if there is none."""
        return {sub.name: sub for sub in self.subs}[name]


def text(
    name: str, *canonical: str, required: bool = False, exact: bool = False, uniqueness: tuple[str, ...] = NONE, multi: bool = False
) -> Fact:
    """A string attribute; the positional texts are its canonical values."""
    return Fact(name, required=required, exact=exact, uniqueness=uniqueness, multi=multi, canonical=canonical)


def reference(name: str, *refs: str, required: bool = False, uniqueness: tuple[str, ...] = NONE) -> Fact:
    """A reference attribute to the given kinds of target; references are case-exact (RFC 7643 §2.3.7)."""
    return Fact(name, "reference", required=required, exact=True, refs=refs, uniqueness=uniqueness)


def flag(name: str, *, required: bool = False) -> Fact:
    """A boolean attribute."""
    return Fact(name, "boolean", required=required, exact=None)


def number(name: str, *, required: bool = False) -> Fact:
    """An integer attribute."""
    return Fact(name, "integer", required=required, exact=None)


def parts(name: str, *subs: Fact, multi: bool = False, required: bool = False) -> Fact:
    """A complex attribute with these sub-attributes."""
    return Fact(name, "complex", multi=multi, required=required, exact=None, subs=subs)


def plural(name: str, *types: str, value: Fact | None = None) -> Fact:
    """A multi-valued complex attribute of the usual form: value, display, type, primary (RFC 7643 §2.4)."""
    return parts(name, value or text("value"), text("display"), text("type", *types), flag("primary"), multi=True)


def fixed(fact: Fact, mutability: str = "readOnly") -> Fact:
    """The same attribute, it and all its sub-attributes with this mutability."""
    return replace(fact, mutability=mutability, subs=tuple(fixed(sub, mutability) for sub in fact.subs))


def _supported(name: str, *more: Fact) -> Fact:
    return fixed(parts(name, flag("supported", required=True), *more, required=True))


def _characteristics(*types: str) -> tuple[Fact, ...]:
    return (
        text("name", required=True, exact=True),
        text("type", *types, required=True),
        flag("multiValued", required=True),
        text("description", exact=True),
        flag("required"),
        text("canonicalValues", exact=True, multi=True),
        flag("caseExact"),
        text("mutability", "readOnly", "readWrite", "immutable", "writeOnly", exact=True),
        text("returned", "always", "never", "default", "request", exact=True),
        text("uniqueness", "none", "server", "global", exact=True),
        text("referenceTypes", exact=True, multi=True),
    )


_SIMPLE_TYPES = ("string", "boolean", "decimal", "integer", "dateTime", "reference", "binary")

_USER = [
    ("7643-8.7.1-04", text("userName", required=True, uniqueness=SERVER)),
    (
        "7643-8.7.1-05",
        parts(
            "name",
            *map(text, ("formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix")),
        ),
    ),
    ("7643-8.7.1-06", text("displayName")),
    ("7643-8.7.1-07", text("nickName")),
    ("7643-8.7.1-08", reference("profileUrl", "external")),
    ("7643-8.7.1-09", text("title")),
    ("7643-8.7.1-10", text("userType")),
    ("7643-8.7.1-11", text("preferredLanguage")),
    ("7643-8.7.1-12", text("locale")),
    ("7643-8.7.1-13", text("timezone")),
    ("7643-8.7.1-14", flag("active")),
    ("7643-8.7.1-15", replace(text("password"), mutability="writeOnly", returned="never")),
    ("7643-8.7.1-16", plural("emails", "work", "home", "other")),
    ("7643-8.7.1-17", plural("phoneNumbers", "work", "home", "mobile", "fax", "pager", "other")),
    ("7643-8.7.1-18", plural("ims", "aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo")),
    ("7643-8.7.1-19", plural("photos", "photo", "thumbnail", value=reference("value", "external"))),
    (
        "7643-8.7.1-20",
        parts(
            "addresses",
            *map(text, ("formatted", "streetAddress", "locality", "region", "postalCode", "country")),
            text("type", "work", "home", "other"),
            flag("primary"),
            multi=True,
        ),
    ),
    (
        "7643-8.7.1-21",
        fixed(
            parts(
                "groups",
                text("value", exact=True),
                reference("$ref", "Group"),
                text("display"),
                text("type", "direct", "indirect"),
                multi=True,
            )
        ),
    ),
    ("7643-8.7.1-22", plural("entitlements")),
    ("7643-8.7.1-23", plural("roles")),
    ("7643-8.7.1-24", plural("x509Certificates", value=Fact("value", "binary", exact=True))),
]

_GROUP = [
    # Whether names of groups are unique is a policy of the tenant (decision 58); the check holds the server to what it says.
    ("7643-8.7.1-25", text("displayName", required=True, uniqueness=NONE + SERVER)),
    (
        "7643-8.7.1-26",
        parts(
            "members",
            fixed(text("value", exact=True), "immutable"),
            fixed(reference("$ref", "User", "Group"), "immutable"),
            fixed(text("type", "User", "Group"), "immutable"),
            fixed(text("display")),
            multi=True,
        ),
    ),
]

_ENTERPRISE = [
    ("7643-8.7.1-27", text("employeeNumber")),
    ("7643-8.7.1-28", text("costCenter")),
    ("7643-8.7.1-29", text("organization")),
    ("7643-8.7.1-30", text("division")),
    ("7643-8.7.1-31", text("department")),
    ("7643-8.7.1-32", parts("manager", text("value", exact=True), reference("$ref", "User"), fixed(text("displayName")))),
]

_CONFIG = [
    ("7643-8.7.2-01", fixed(reference("documentationUri", "external"))),
    ("7643-8.7.2-02", _supported("patch")),
    ("7643-8.7.2-03", _supported("bulk", number("maxOperations", required=True), number("maxPayloadSize", required=True))),
    ("7643-8.7.2-04", _supported("filter", number("maxResults", required=True))),
    ("7643-8.7.2-05", _supported("changePassword")),
    ("7643-8.7.2-06", _supported("sort")),
    ("7643-8.7.2-07", _supported("etag")),
    (
        "7643-8.7.2-08",
        fixed(
            parts(
                "authenticationSchemes",
                text("type", "oauth", "oauth2", "oauthbearertoken", "httpbasic", "httpdigest", required=True),
                text("name", required=True),
                text("description", required=True),
                reference("specUri", "external"),
                reference("documentationUri", "external"),
                flag("primary"),
                multi=True,
                required=True,
            )
        ),
    ),
]

_RESOURCE_TYPE = [
    ("7643-8.7.2-09", fixed(text("name", required=True, exact=True, uniqueness=SERVER))),
    ("7643-8.7.2-10", fixed(text("description"))),
    ("7643-8.7.2-11", fixed(reference("endpoint", "uri", required=True, uniqueness=SERVER))),
    ("7643-8.7.2-12", fixed(reference("schema", "uri", required=True))),
    (
        "7643-8.7.2-13",
        fixed(parts("schemaExtensions", reference("schema", "uri", required=True), flag("required", required=True), multi=True)),
    ),
]

_SCHEMA = [
    ("7643-8.7.2-14", fixed(text("name", required=True))),
    ("7643-8.7.2-15", fixed(text("description"))),
    (
        "7643-8.7.2-16",
        fixed(
            parts(
                "attributes",
                *_characteristics(*_SIMPLE_TYPES, "complex"),
                parts("subAttributes", *_characteristics(*_SIMPLE_TYPES), multi=True),
                multi=True,
                required=True,
            )
        ),
    ),
]

FACTS: list[tuple[str, str, Fact]] = [
    (row, urn, fact)
    for urn, rows in (
        (CORE_USER, _USER),
        (CORE_GROUP, _GROUP),
        (ENTERPRISE_USER, _ENTERPRISE),
        (SERVICE_PROVIDER_CONFIG, _CONFIG),
        (RESOURCE_TYPE, _RESOURCE_TYPE),
        (SCHEMA, _SCHEMA),
    )
    for row, fact in rows
]
