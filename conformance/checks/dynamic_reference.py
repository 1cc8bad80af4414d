"""References of a resource type that a tenant made: to users, to its own kind, with and without more said of each (RFC 7643 §2.4)."""

from __future__ import annotations

from conformance.checks.schema_support import followed
from conformance.client import Scim, ensure, equal, expect, expect_error
from conformance.dynamic import define, define_type, gadget, new_name, reference, schema_body, until
from conformance.registry import case

_SECTION = "RFC 7643 §2.4"
_TAGS = {"dynamic", "group"}


@case("dynamic-links", section=_SECTION, tags=_TAGS)
def links(scim: Scim) -> None:
    """Several references of a made type have `$ref` and type from the server, are changed one by one, and found by what they name."""
    type_ = gadget(scim)
    ada, ben = scim.user(displayName="Ada"), scim.user()
    made = type_.create(owners=[{"value": ada["id"]}])
    owner = made["owners"][0]
    equal((owner["value"], owner.get("type"), owner.get("display")), (ada["id"], "User", "Ada"), "the owner")
    equal(followed(scim, owner)["id"], ada["id"], "what $ref leads to")
    shown = type_.patched(made, {"op": "add", "path": "owners", "value": [{"value": ben["id"]}]})
    equal({one["value"] for one in shown["owners"]}, {ada["id"], ben["id"]}, "owners after add")
    for filter_, found in (
        (f'owners.value eq "{ben["id"]}"', 1),
        (f'owners[value eq "{ada["id"]}" and type eq "User"]', 1),
        (f'owners.value eq "{made["id"]}"', 0),
    ):
        equal(scim.find(type_.path, filter_)["totalResults"], found, f"found by {filter_}")
    shown = type_.patched(made, {"op": "remove", "path": f'owners[value eq "{ada["id"]}"]'})
    equal([one["value"] for one in shown["owners"]], [ben["id"]], "owners after remove")
    shown = type_.patched(made, {"op": "replace", "path": "owners", "value": [{"value": ada["id"]}]})
    equal([one["value"] for one in shown["owners"]], [ada["id"]], "owners after replace")


@case("dynamic-links-said", section=_SECTION, tags=_TAGS)
def links_with_more(scim: Scim) -> None:
    """References of which the client says more keep that beside what the server says, through PATCH, PUT and filters."""
    type_ = gadget(scim)
    ada, ben = scim.user(), scim.user()
    made = type_.create(stewards=[{"value": ada["id"], "role": "lead", "primary": True}, {"value": ben["id"], "role": "spare"}])
    first = made["stewards"][0]
    equal((first["value"], first["role"], first["primary"], first.get("type")), (ada["id"], "lead", True, "User"), "the first steward")
    equal(followed(scim, first)["id"], ada["id"], "what $ref leads to")
    shown = type_.patched(made, {"op": "replace", "path": f'stewards[value eq "{ben["id"]}"].role', "value": "deputy"})
    equal([one["role"] for one in shown["stewards"]], ["lead", "deputy"], "roles after PATCH")
    both = f'stewards[value eq "{ben["id"]}" and role eq "deputy"]'
    equal(scim.find(type_.path, both)["totalResults"], 1, f"found by {both}")
    crossed = f'stewards[value eq "{ada["id"]}" and role eq "deputy"]'
    equal(scim.find(type_.path, crossed)["totalResults"], 0, f"found by {crossed}")
    expect(scim.put(type_.at(made), shown), 200)
    equal(type_.read(made)["stewards"], shown["stewards"], "stewards after a PUT of what a GET shows")


@case("dynamic-links-integrity", section=_SECTION, tags=_TAGS)
def integrity(scim: Scim) -> None:
    """References of a made type name resources that exist and are of a type that the definition names, or are refused."""
    type_ = gadget(scim)
    ada, team = scim.user(), scim.group()
    made = type_.create(owners=[{"value": ada["id"]}], stewards=[{"value": ada["id"], "role": "x"}])
    before = type_.read(made)
    for name in ("owners", "stewards"):
        for id_ in ("00000000-0000-7000-8000-000000000000", team["id"]):
            expect_error(scim.post(type_.path, type_.body(**{name: [{"value": id_}]})), 400, "invalidValue")
            expect_error(scim.patch(type_.at(made), {"op": "add", "path": name, "value": [{"value": id_}]}), 400, "invalidValue")
    equal(type_.read(made), before, "the resource after refused changes")


@case("dynamic-links-deletion", section=_SECTION, tags=_TAGS)
def deletion(scim: Scim) -> None:
    """Deleting a user who is referred to either takes the references of made types along or is refused because of them."""
    type_ = gadget(scim)
    ada, ben = scim.user(), scim.user()
    both = [{"value": ada["id"]}, {"value": ben["id"]}]
    made = type_.create(owners=both, stewards=[one | {"role": "x"} for one in both], keeper={"value": ada["id"]})
    answer = expect(scim.delete(f"/Users/{ada['id']}"), 204, 409)
    shown = type_.read(made)
    if answer.status_code == 409:
        equal(shown, made, "the resource after a refused DELETE")
        scim.read(f"/Users/{ada['id']}")
        return
    for name in ("owners", "stewards"):
        equal([one["value"] for one in shown[name]], [ben["id"]], f"{name} after the DELETE")
        equal(scim.find(type_.path, f'{name}.value eq "{ada["id"]}"')["totalResults"], 0, f"found by the deleted {name}")
    ensure(shown["meta"]["version"] != made["meta"]["version"], "the version is the same after the references went")


@case("dynamic-pointer", section=_SECTION, tags=_TAGS)
def pointer(scim: Scim) -> None:
    """A single reference of a made type has a `$ref` that leads to what it names, is found by it, replaced and removed."""
    type_ = gadget(scim)
    ada, ben = scim.user(), scim.user()
    made = type_.create(keeper={"value": ada["id"]})
    equal(followed(scim, made["keeper"])["id"], ada["id"], "what $ref leads to")
    equal(scim.find(type_.path, f'keeper.value eq "{ada["id"]}"')["totalResults"], 1, "found by keeper.value")
    shown = type_.patched(made, {"op": "replace", "path": "keeper", "value": {"value": ben["id"]}})
    equal(followed(scim, shown["keeper"])["id"], ben["id"], "what $ref leads to after PATCH")
    ensure("keeper" not in type_.patched(made, {"op": "remove", "path": "keeper"}), "keeper is shown after it was removed")


@case("dynamic-own-kind", section=_SECTION, tags=_TAGS)
def own_kind(scim: Scim) -> None:
    """A made type may refer to itself, and show from the other side what refers to it."""
    name = new_name()
    urn = f"urn:example:params:scim:schemas:core:2.0:{name}"
    plain = schema_body(urn, name, [{"name": "label", "type": "string"}])
    define(scim, plain)
    define_type(scim, name, urn)
    peers, within = reference("peers", [name]), reference("within", [name], mutability="readOnly")
    expect(scim.as_admin("PUT", f"/Schemas/{urn}", plain | {"attributes": [*plain["attributes"], peers, within]}), 200)
    until(scim, f"/Schemas/{urn}", lambda schema: len(schema["attributes"]) == 3)
    part = scim.create(f"/{name}s", {"schemas": [urn], "label": "part"})
    whole = scim.create(f"/{name}s", {"schemas": [urn], "label": "whole", "peers": [{"value": part["id"]}]})
    equal([one["value"] for one in whole.get("peers", [])], [part["id"]], "peers")
    shown = scim.read(f"/{name}s/{part['id']}")
    equal([one["value"] for one in shown.get("within", [])], [whole["id"]], "what refers to the part")
    equal(scim.find(f"/{name}s", f'within.value eq "{whole["id"]}"')["totalResults"], 1, "found from the other side")
    answer = scim.patch(f"/{name}s/{part['id']}", {"op": "add", "path": "peers", "value": [{"value": part["id"]}]})
    expect_error(answer, 400, "invalidValue")
