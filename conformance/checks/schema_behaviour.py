"""Does a server treat the attributes of users, groups and discovery documents as RFC 7643 §8.7 defines them?"""

from __future__ import annotations

from collections.abc import Callable

from conformance.checks.raw_http import absent, everything
from conformance.checks.schema_facts import RESOURCE_TYPE, SCHEMA, SERVICE_PROVIDER_CONFIG, Fact
from conformance.checks.schema_samples import leaves, literal, path_of, picked, placed, same_value, sample
from conformance.client import CORE_GROUP, CORE_USER, ENTERPRISE_USER, Json, Scim, ensure, equal, expect, expect_error, rand

_DOCUMENTS = {SERVICE_PROVIDER_CONFIG: "/ServiceProviderConfig", RESOURCE_TYPE: "/ResourceTypes", SCHEMA: "/Schemas"}
_JSON_KINDS: dict[str, type] = {"boolean": bool, "integer": int, "complex": dict}


def behaves(scim: Scim, urn: str, fact: Fact) -> None:
    """Fail unless the attribute is written, read and filtered as its definition says."""
    if urn in _DOCUMENTS:
        _documents_conform(scim, urn, fact)
    else:
        _SPECIAL.get((urn, fact.name), _writable)(scim, urn, fact)


def _writable(scim: Scim, urn: str, fact: Fact) -> None:
    value, other = sample(fact), sample(fact, 1)
    holder = scim.user(**placed(urn, fact.name, value))
    bystander = scim.user(**placed(urn, fact.name, other))
    without = scim.user()
    at, path = f"/Users/{holder['id']}", path_of(urn, fact.name)
    same_value(fact, picked(urn, fact.name, scim.read(at)), value, path)
    equal(picked(urn, fact.name, scim.read(f"/Users/{without['id']}")), None, f"{path} of a user created without it")
    equal(picked(urn, fact.name, scim.read(at, params={"excludedAttributes": path})), None, f"{path} although excluded")
    equal(picked(urn, fact.name, scim.read(at, params={"attributes": "userName"})), None, f"{path} although not asked for")
    for leaf, leaf_path, leaf_value in leaves(fact, path, value):
        _filters(scim, leaf, leaf_path, leaf_value, holder, without)
    equal(scim.matches("/Users", f"{path} pr", [holder, without]), {holder["id"]}, f"users selected by {path} pr")
    _all_types(scim, urn, fact)
    new = sample(fact, 1)
    expect(scim.patch(at, {"op": "replace", "path": path, "value": new}), 200, 204)
    after = scim.read(at)
    same_value(fact, picked(urn, fact.name, after), new, f"{path} after PATCH")
    equal(after["userName"], holder["userName"], "userName after PATCH of another attribute")
    same_value(fact, picked(urn, fact.name, scim.read(f"/Users/{bystander['id']}")), other, f"{path} of another user")


def _filters(scim: Scim, leaf: Fact, path: str, value: Json, holder: Json, without: Json) -> None:
    among = [holder, without]
    equal(scim.matches("/Users", f"{path} eq {literal(value)}", among), {holder["id"]}, f"users selected by {path} eq its value")
    if leaf.exact is not None and str(value).swapcase() != value:
        wanted = set() if leaf.exact else {holder["id"]}
        swapped = f"{path} eq {literal(str(value).swapcase())}"
        equal(scim.matches("/Users", swapped, among), wanted, f"users selected by {path} eq its value in the other letter case")
    if leaf.type == "boolean":
        equal(scim.matches("/Users", f"{path} eq {literal(not value)}", [holder]), set(), f"users selected by {path} eq the opposite")


def _all_types(scim: Scim, urn: str, fact: Fact) -> None:
    canonical = next((sub.canonical for sub in fact.subs if sub.name == "type"), ())
    if not (fact.multi and canonical):
        return
    elements = [{**sample(fact)[0], "type": type_, "primary": type_ == canonical[0]} for type_ in canonical]
    shown = picked(urn, fact.name, scim.read(f"/Users/{scim.user(**placed(urn, fact.name, elements))['id']}"))
    equal([element.get("type") for element in shown], list(canonical), f"types of {fact.name}, all canonical values given")


def _user_name(scim: Scim, urn: str, fact: Fact) -> None:
    user, without = scim.user(userName=rand("Ada")), scim.user()
    at = f"/Users/{user['id']}"
    equal(scim.read(at).get("userName"), user["userName"], "userName read back")
    expect_error(scim.post("/Users", scim.user_body(userName=None, displayName="Ada")), 400, "invalidValue")
    expect_error(scim.post("/Users", scim.user_body(userName=user["userName"].swapcase())), 409, "uniqueness")
    _filters(scim, fact, "userName", user["userName"], user, without)
    equal(scim.read(at, params={"excludedAttributes": "userName"}).get("userName"), None, "userName although excluded")
    new = rand("Ben")
    expect(scim.patch(at, {"op": "replace", "path": "userName", "value": new}), 200, 204)
    equal(scim.read(at)["userName"], new, "userName after PATCH")
    absent(scim, user["userName"])


def _active(scim: Scim, urn: str, fact: Fact) -> None:
    on, off = scim.user(active=True), scim.user(active=False)
    for user, value in ((on, True), (off, False)):
        equal(scim.read(f"/Users/{user['id']}").get("active"), value, "active read back")
        selected = scim.matches("/Users", f"active eq {literal(value)}", [on, off])
        equal(selected, {user["id"]}, f"users selected by active eq {literal(value)}")
    equal(scim.read(f"/Users/{on['id']}", params={"excludedAttributes": "active"}).get("active"), None, "active although excluded")
    name = rand("user")
    expect_error(scim.post("/Users", scim.user_body(userName=name, active="perhaps")), 400, "invalidValue")
    absent(scim, name)
    expect(scim.patch(f"/Users/{on['id']}", {"op": "replace", "path": "active", "value": False}), 200, 204)
    equal(scim.read(f"/Users/{on['id']}").get("active"), False, "active after PATCH")


def _password(scim: Scim, urn: str, fact: Fact) -> None:
    secret = rand("Secret")
    answer = expect(scim.post("/Users", scim.user_body(password=secret)), 201)
    user = answer.json()
    at = f"/Users/{user['id']}"
    new = rand("Changed")
    patched = expect(scim.patch(at, {"op": "replace", "path": "password", "value": new}), 200, 204)
    asked = {"attributes": "password,userName"}
    shown = [answer.text, patched.text, scim.get(at).text, expect(scim.get(at, params=asked), 200).text]
    listed = scim.get("/Users", params={"filter": f'userName eq "{user["userName"]}"', **asked})
    for text in [*shown, expect(listed, 200).text]:
        ensure(secret not in text and new not in text and '"password"' not in text, f"an answer shows the password: {text[:200]}")
    # No operator may become an oracle on a secret (decision 9).
    for filter_ in (f'password eq "{new}"', "password pr"):
        expect_error(scim.get("/Users", params={"filter": filter_}), 400, "invalidFilter")


def _groups_of_user(scim: Scim, urn: str, fact: Fact) -> None:
    group = scim.group()
    user = scim.user(groups=[{"value": group["id"]}])
    at = f"/Users/{user['id']}"
    ensure(not scim.read(at).get("groups"), "groups given at creation was taken, though it is readOnly")
    expect(scim.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": user["id"]}]}), 200, 204)
    shown = scim.read(at).get("groups")
    ensure(isinstance(shown, list) and len(shown) == 1, f"groups of a member: {shown!r}")
    equal(shown[0].get("value"), group["id"], "groups.value")
    equal(shown[0].get("display"), group["displayName"], "groups.display")
    equal(shown[0].get("type", "direct"), "direct", "groups.type")
    equal(scim.read(shown[0]["$ref"])["id"], group["id"], "id of the resource behind groups.$ref")
    without = scim.user()
    for leaf in ("value", "display", "type"):
        _filters(scim, fact.sub(leaf), f"groups.{leaf}", shown[0].get(leaf, "direct"), user, without)
    expect_error(scim.patch(at, {"op": "remove", "path": "groups"}), 400, "mutability")
    equal(len(scim.read(at).get("groups", [])), 1, "number of groups after a refused PATCH")


def _manager(scim: Scim, urn: str, fact: Fact) -> None:
    boss, second, without = scim.user(displayName=rand("Ada")), scim.user(), scim.user()
    report = scim.user(**{urn: {"manager": {"value": boss["id"], "displayName": "Forged"}}})
    at, path = f"/Users/{report['id']}", path_of(urn, "manager")
    shown = picked(urn, "manager", scim.read(at)) or {}
    equal(shown.get("value"), boss["id"], "manager.value")
    ensure(shown.get("displayName") != "Forged", "manager.displayName was taken from the client, though it is readOnly")
    if "$ref" in shown:
        equal(scim.read(shown["$ref"])["id"], boss["id"], "id of the resource behind manager.$ref")
    _filters(scim, fact.sub("value"), f"{path}.value", boss["id"], report, without)
    expect(scim.patch(at, {"op": "replace", "path": f"{path}.value", "value": second["id"]}), 200, 204)
    equal((picked(urn, "manager", scim.read(at)) or {}).get("value"), second["id"], "manager.value after PATCH")


def _group_name(scim: Scim, urn: str, fact: Fact) -> None:
    name = rand("Crew")
    group, other = scim.group(displayName=name), scim.group()
    at = f"/Groups/{group['id']}"
    equal(scim.read(at).get("displayName"), name, "displayName read back")
    expect_error(scim.post("/Groups", {"schemas": [CORE_GROUP], "externalId": rand()}), 400, "invalidValue")
    for spelling in (name, name.swapcase()):
        selected = scim.matches("/Groups", f'displayName eq "{spelling}"', [group, other])
        equal(selected, {group["id"]}, f"groups selected by displayName eq {spelling}")
    definition = next(a for a in scim.read(f"/Schemas/{urn}")["attributes"] if a["name"] == "displayName")
    again = scim.post("/Groups", {"schemas": [CORE_GROUP], "displayName": name.swapcase()})
    if definition.get("uniqueness", "none") == "none":
        expect(again, 201)
    else:
        expect_error(again, 409, "uniqueness")
    new = rand("Crew")
    expect(scim.patch(at, {"op": "replace", "path": "displayName", "value": new}), 200, 204)
    equal(scim.read(at)["displayName"], new, "displayName after PATCH")


def _members(scim: Scim, urn: str, fact: Fact) -> None:
    ada, ben = scim.user(displayName=rand("Ada")), scim.user()
    group, other = scim.group(ada["id"]), scim.group()
    at = f"/Groups/{group['id']}"
    member = scim.read(at)["members"][0]
    equal(set(member) - {sub.name for sub in fact.subs}, set(), "sub-attributes that the schema lacks")
    equal(member.get("value"), ada["id"], "members.value")
    equal(member.get("type", "User"), "User", "members.type")
    equal(scim.read(member["$ref"])["id"], ada["id"], "id of the resource behind members.$ref")
    equal(scim.read(at, params={"excludedAttributes": "members"}).get("members"), None, "members although excluded")
    filters = [f'members.value eq "{ada["id"]}"', 'members.type eq "user"']
    if "display" in member:
        filters.append(f'members.display eq "{member["display"].swapcase()}"')
    for filter_ in filters:
        equal(scim.matches("/Groups", filter_, [group, other]), {group["id"]}, f"groups selected by {filter_}")
    # value is immutable once it stands (decision 15); a member is exchanged by removing and adding.
    replace_value = {"op": "replace", "path": f'members[value eq "{ada["id"]}"].value', "value": ben["id"]}
    expect_error(scim.patch(at, replace_value), 400, "mutability")
    equal([m["value"] for m in scim.read(at)["members"]], [ada["id"]], "members after a refused PATCH")


def _documents_conform(scim: Scim, urn: str, fact: Fact) -> None:
    path = _DOCUMENTS[urn]
    documents = [scim.read(path)] if urn == SERVICE_PROVIDER_CONFIG else everything(scim, path)
    ensure(documents, f"GET {path}: nothing there")
    for document in documents:
        where = f"{path} {document.get('id') or document.get('name', '')} {fact.name}"
        _conforms(document.get(fact.name), fact, where, closed=urn == SCHEMA)
    if fact.uniqueness != ("none",):
        values = [document[fact.name] for document in documents]
        equal(len(set(values)), len(values), f"number of different values of {fact.name} at {path}")


def _conforms(value: Json, fact: Fact, where: str, *, closed: bool) -> None:
    if value is None or (fact.multi and value == [] and not fact.required):
        ensure(not fact.required, f"{where}: required, but missing")
        return
    ensure(isinstance(value, list) == fact.multi, f"{where}: {type(value).__name__} is the wrong JSON kind")
    elements = value if fact.multi else [value]
    ensure(elements or not fact.required, f"{where}: required, but empty")
    for element in elements:
        kind = _JSON_KINDS.get(fact.type, str)
        ensure(type(element) is kind, f"{where}: expected {fact.type}, got {element!r}")
        if closed and fact.canonical and not (element == "complex" and where.endswith(" attributes.subAttributes.type")):
            # The schema of schemas is the one that nests two deep: its attributes have subAttributes, which are complex.
            ensure(element in fact.canonical, f"{where}: {element!r} is not one of {', '.join(fact.canonical)}")
        for sub in fact.subs:
            _conforms(element.get(sub.name), sub, f"{where}.{sub.name}", closed=closed)


_SPECIAL: dict[tuple[str, str], Callable[[Scim, str, Fact], None]] = {
    (CORE_USER, "userName"): _user_name,
    (CORE_USER, "active"): _active,
    (CORE_USER, "password"): _password,
    (CORE_USER, "groups"): _groups_of_user,
    (CORE_GROUP, "displayName"): _group_name,
    (CORE_GROUP, "members"): _members,
    (ENTERPRISE_USER, "manager"): _manager,
}
