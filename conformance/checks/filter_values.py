"""What filter literals are compared with: case rules, types, multi-valued and complex attributes, defaults and secrets."""

from __future__ import annotations

from base64 import b64encode
from secrets import token_bytes

from conformance.checks.filter_operators import refuses, sample
from conformance.client import ENTERPRISE_USER, Json, Scim, ensure, equal, expect, expect_error, rand
from conformance.registry import Skip, requirement


def writable_attribute(scim: Scim, types: set[str], **characteristics: Json) -> tuple[str, str]:
    """(schema URI, name) of a single-valued attribute of users that clients may write; skips the check if there is none.

    `types` are the SCIM types allowed; `characteristics` must equal those of the attribute in /Schemas.
    """
    wanted = {"multiValued": False, "mutability": "readWrite"} | characteristics
    user_type = scim.read("/ResourceTypes/User")
    uris = [user_type["schema"], *[extension["schema"] for extension in user_type.get("schemaExtensions") or []]]
    for uri in uris:
        for attribute in scim.read(f"/Schemas/{uri}").get("attributes") or []:
            if attribute["type"] in types and all(attribute.get(key) == value for key, value in wanted.items()):
                return uri, attribute["name"]
    raise Skip(f"no attribute of users has type {' or '.join(sorted(types))} with {wanted}")


def attribute_value(scim: Scim, uri: str, name: str, value: Json) -> dict[str, Json]:
    """The part of a user's body that sets the attribute: in the extension's object unless the schema is the core one."""
    core = scim.read("/ResourceTypes/User")["schema"]
    return {name: value} if uri == core else {uri: {name: value}}


@requirement("7643-2.3.6-02")
def binary_is_case_exact(scim: Scim) -> None:
    """Binary values are compared with regard to case."""
    value = "A" + b64encode(b"\0" + token_bytes(23)).decode()[1:]
    flipped = "a" + value[1:]
    users = sample(scim, a={"x509Certificates": [{"value": value}]}, b={"x509Certificates": [{"value": flipped}]})
    users.selects(f'x509Certificates.value eq "{value}"', "a")
    users.selects(f'x509Certificates.value eq "{flipped}"', "b")
    users.selects(f'x509Certificates.value eq "{value.upper()}"')


@requirement("7643-2.3.7-04")
def references_are_case_exact(scim: Scim) -> None:
    """References are compared with regard to case."""
    users = sample(scim, a={"profileUrl": "https://example.com/path"}, b={"profileUrl": "https://example.com/PATH"})
    users.selects('profileUrl eq "https://example.com/path"', "a")
    users.selects('profileUrl eq "https://example.com/PATH"', "b")
    users.selects('profileUrl eq "HTTPS://EXAMPLE.COM/PATH"')


@requirement("7643-2.4-04")
def missing_primary_is_false(scim: Scim) -> None:
    """A value without primary counts as primary false."""
    users = sample(
        scim,
        a={"emails": [{"value": f"{rand()}@example.com"}]},
        b={"emails": [{"value": f"{rand()}@example.com", "primary": True}]},
        c={"emails": [{"value": f"{rand()}@example.com", "primary": False}]},
        d={},
    )
    users.selects("emails[primary eq false]", "a", "c")
    users.selects("emails[primary eq true]", "b")


@requirement("7643-3.1-13")
def external_id(scim: Scim) -> None:
    """externalId is compared with regard to case, may be left out and may be replaced."""
    old, new = rand("abc"), rand("New")
    users = sample(scim, a={"externalId": old}, b={"externalId": old.upper()}, c={})
    users.selects(f'externalId eq "{old}"', "a")
    users.selects("not (externalId pr)", "c")
    expect(scim.patch(f"/Users/{users.users['a']['id']}", {"op": "replace", "path": "externalId", "value": new}), 200, 204)
    equal(scim.read(f"/Users/{users.users['a']['id']}").get("externalId"), new, "externalId after replace")
    users.selects(f'externalId eq "{new}"', "a")
    users.selects(f'externalId eq "{old}"')


@requirement("7643-3.1-16")
def resource_type_is_case_exact(scim: Scim) -> None:
    """meta.resourceType holds the type's name and is compared with regard to case."""
    users = sample(scim, a={})
    equal(users.users["a"]["meta"].get("resourceType"), "User", "meta.resourceType")
    users.selects('meta.resourceType eq "User"', "a")
    users.selects('meta.resourceType eq "user"')
    users.selects('meta.resourceType eq "Group"')


@requirement("7643-4.1.1-15")
def password_is_no_oracle(scim: Scim) -> None:
    """A filter on password is refused whatever the operator, so that nobody can guess at it."""
    password = f"Pw-{rand()}"
    users = sample(scim, a={"password": password})
    for filter_ in (f'password eq "{password}"', 'password eq "wrong"', 'password sw "P"', "password pr", "not (password pr)"):
        response = expect(scim.get("/Users", params={"filter": users.scoped(filter_)}), 400, 403)  # decision 9
        expect_error(response, response.status_code, "invalidFilter" if response.status_code == 400 else "sensitive")
        ensure(password not in response.text, "the answer repeats the password")


@requirement("7643-7-08")
def case_exact_text(scim: Scim) -> None:
    """A case-exact text is stored as sent and found in that spelling only."""
    value = rand("Ab")
    users = sample(scim, a={"externalId": value})
    equal(scim.read(f"/Users/{users.users['a']['id']}").get("externalId"), value, "externalId")
    users.selects(f'externalId eq "{value}"', "a")
    users.selects(f'externalId eq "{value.lower()}"')
    users.selects(f'externalId sw "{value[:2].upper()}"')


@requirement("7643-7-09")
def folded_text(scim: Scim) -> None:
    """A text that is not case-exact keeps its spelling and is found in any."""
    users = sample(scim, a={"displayName": "Ada LOVELACE"}, b={"displayName": "Ada"})
    equal(scim.read(f"/Users/{users.users['a']['id']}").get("displayName"), "Ada LOVELACE", "displayName")
    users.selects('displayName eq "ADA lovelace"', "a")
    users.selects('displayName sw "aDA"', "a", "b")


@requirement("7644-3.4.2.2-13")
def number_order(scim: Scim) -> None:
    """gt, ge, lt and le compare numbers by value, not by their digits as text."""
    uri, name = writable_attribute(scim, {"integer", "decimal"})
    users = sample(scim, nine=attribute_value(scim, uri, name, 9), ten=attribute_value(scim, uri, name, 10))
    users.selects(f"{uri}:{name} gt 9", "ten")
    users.selects(f"{uri}:{name} ge 9", "nine", "ten")
    users.selects(f"{uri}:{name} lt 10", "nine")
    users.selects(f"{uri}:{name} le 10", "nine", "ten")
    users.selects(f"{uri}:{name} eq 9", "nine")


@requirement("7644-3.4.2.2-24")
def literals_are_json(scim: Scim) -> None:
    """Literals are read as JSON: escapes in strings, booleans, and null for no value."""
    users = sample(scim, a={"title": 'a"b\\c/A\u00e9\U0001f600'}, b={"title": "a"}, c={"active": False})
    users.selects(r'title eq "a\"b\\c\/\u0041\u00e9\ud83d\ude00"', "a")
    users.selects('title eq "a\\"b\\\\c/A\u00e9\U0001f600"', "a")
    users.selects("active eq false", "c")
    users.selects("title eq null", "c")  # decision 6
    users.selects("title ne null", "a", "b")


@requirement("7644-3.4.2.2-28")
def any_value_may_match(scim: Scim) -> None:
    """A comparison with a multi-valued attribute holds if one of the values meets it, wherever it stands."""
    first, second = f"{rand()}@example.com", f"{rand()}@example.com"
    users = sample(scim, a={"emails": [{"value": first}, {"value": second}]}, b={"emails": [{"value": first}]})
    users.selects(f'emails.value eq "{second}"', "a")
    users.selects(f'emails.value eq "{first}"', "a", "b")
    users.selects(f'emails.value ne "{first}"', "a")  # decision 5: one other value is enough


@requirement("7644-3.4.2.2-29")
def complex_attribute_without_part(scim: Scim) -> None:
    """A complex attribute stands for its value sub-attribute; one without such a sub-attribute cannot be compared."""
    host = f"{rand()}.example.com"
    users = sample(scim, a={"emails": [{"value": f"ada@{host}", "display": "other"}]}, b={})
    users.selects(f'emails co "{host}"', "a")  # decision 25
    users.selects('emails co "other"')
    refuses(scim, 'name eq "x"')
    refuses(scim, 'name co "x"')


@requirement("7644-3.4.2.2-30")
def defaulted_attributes(scim: Scim) -> None:
    """A filter sees the value that the server filled in, the same that it returns."""
    users = sample(scim, a={}, b={"active": False})
    active = scim.read(f"/Users/{users.users['a']['id']}").get("active")
    users.selects("active eq true", *(["a"] if active is True else []))
    users.selects("active pr", *(["b"] if active is None else ["a", "b"]))
    users.selects("active eq false", *(["a", "b"] if active is False else ["b"]))


@requirement("7644-3.4.2.2-32")
def text_follows_case_exact(scim: Scim) -> None:
    """Texts are compared folded or exactly as the attribute's caseExact says, for every operator."""
    name, external = rand("abc"), rand("abc")
    users = sample(scim, a={"userName": name, "externalId": external})
    for operator, folded, exact in (
        ("eq", name, external),
        ("sw", name[:6], external[:6]),
        ("co", "ABC-", "abc-"),
        ("ew", name[3:], external[3:]),
    ):
        users.selects(f'userName {operator} "{folded.upper()}"', "a")
        users.selects(f'externalId {operator} "{exact}"', "a")
        if exact.upper() != exact:
            users.selects(f'externalId {operator} "{exact.upper()}"')


@requirement("7644-3.4.2.2-33")
def filter_by_schema(scim: Scim) -> None:
    """A filter on schemas finds the resources that carry an extension."""
    users = sample(scim, a={ENTERPRISE_USER: {"department": "Engines"}}, b={})
    users.selects(f'schemas eq "{ENTERPRISE_USER}"', "a")
    users.selects(f'not (schemas eq "{ENTERPRISE_USER}")', "b")
    users.selects('schemas eq "urn:example:params:nosuch"')
