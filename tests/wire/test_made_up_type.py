"""A resource type that nobody foresaw, over the wire: every characteristic is enforced by schema and not by name."""

from __future__ import annotations

import pytest

from tests.unit.schema.support import BOAT, BOAT_DEFINITION, CREW, CREW_DEFINITION, LOG, LOG_DEFINITION
from tests.wire.support import Client, Server, assert_error

_TYPE = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
    "id": "Boat",
    "name": "Boat",
    "endpoint": "/Boats",
    "schema": BOAT,
    "schemaExtensions": [{"schema": LOG, "required": False}, {"schema": CREW, "required": False}],
}
_SAIL = {"value": "jib", "area": 3, "maker": "Ada", "checked": "no", "colours": ["red", "red"], "primary": "True"}
_FULL = {
    "schemas": [BOAT, LOG],
    "LABEL": "Gull",
    "afloat": "true",
    "launched": "2026-01-31T12:00:00+02:00",
    "yard": "Kiel",
    "rating": "A",
    "code": "open sesame",
    "badge": "B7",
    "history": "long",
    "sails": [_SAIL],
    "engine": {"maker": "M", "number": "7", "hours": 9},
    "deck": {"wood": "teak"},
    LOG: {"miles": 5, "secretary": "Ben", "seal": "S"},
}


@pytest.fixture
async def fleet(server: Server, client: Client) -> Client:
    """A client of a tenant that has boats."""
    await server.define(client, [BOAT_DEFINITION, LOG_DEFINITION, CREW_DEFINITION], _TYPE)
    return client


async def test_it_is_described(fleet: Client) -> None:
    """Discovery shows the type and its schemas as they were defined."""
    assert (await fleet.get("/ResourceTypes/Boat")).json()["schemaExtensions"] == _TYPE["schemaExtensions"]
    assert (await fleet.get(f"/Schemas/{BOAT}")).json()["attributes"] == BOAT_DEFINITION["attributes"]
    assert (await fleet.get("/Schemas")).json()["totalResults"] == 9


async def test_created_and_shown(server: Server, fleet: Client) -> None:
    """Names are canonical, types coerced, readOnly ignored, `request` hidden from reads until named, `never` kept as a hash."""
    answer = await fleet.post("/Boats", _FULL)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made.pop("meta")["resourceType"] == "Boat"
    sent_on_request = {"history": "long", "deck": {"wood": "teak"}, LOG: {"miles": 5, "secretary": "Ben", "seal": "S"}}
    plain = {
        "schemas": [BOAT, LOG],
        "id": made["id"],
        "label": "Gull",
        "afloat": True,
        "launched": "2026-01-31T12:00:00+02:00",
        "yard": "Kiel",
        "badge": "B7",
        "sails": [{"value": "jib", "area": 3, "colours": ["red"], "primary": True}],
        "engine": {"maker": "M", "number": "7"},
        LOG: {"miles": 5, "seal": "S"},
    }
    assert made == plain | sent_on_request  # the answer to a write shows what the client sent (decision 49)
    path = f"/Boats/{made['id']}"
    read = (await fleet.get(path)).json()
    assert read.pop("meta")["version"] == 'W/"1"'
    assert read == plain
    shown = (await fleet.get(path, attributes=f"history,sails.maker,deck,{LOG}:secretary,code,label")).json()
    assert shown == {
        "schemas": [BOAT, LOG],
        "id": made["id"],
        "label": "Gull",
        "badge": "B7",
        "history": "long",
        "sails": [{"area": 3, "maker": "Ada"}],
        "deck": {"wood": "teak"},
        LOG: {"secretary": "Ben", "seal": "S"},
    }
    listed = await fleet.get("/Boats", attributes="history", filter="code pr or id pr")
    assert_error(listed, 400, "invalidFilter")
    assert (await fleet.get("/Boats", attributes="history")).json()["Resources"][0]["history"] == "long"
    assert await server.pool.fetchval("SELECT attribute FROM secret WHERE tenant = $1 AND hash LIKE '$argon2id$%'", fleet.id) == "code"


@pytest.mark.parametrize(
    ("body", "status", "scim_type", "says"),
    [
        ({}, 400, "invalidValue", "label is required"),
        ({"label": "GULL"}, 409, "uniqueness", "label"),
        ({"label": "x", "sails": [{"value": "a", "serial": "S1"}]}, 409, "uniqueness", "sails.serial"),
        ({"label": "x", "hull": "x" * 257}, 400, "invalidValue", "hull"),
        ({"label": "x", "sails": [{"area": 1}]}, 400, "invalidValue", "sails.value is required"),
        ({"label": "x", "sails": [{"value": "a", "primary": True}, {"value": "b", "primary": True}]}, 400, "invalidValue", "primary"),
        ({"label": "x", LOG: {"keeper": "Ben"}}, 400, "invalidValue", "miles is required"),
        ({"label": "x", "fleet": [{"value": "nobody"}]}, 400, "invalidValue", "nobody"),
        ({"label": "x", "fleet": [{"value": "{user}"}]}, 400, "invalidValue", "cannot refer to a User"),
        ({"label": "x", "code": "short"}, 400, "invalidValue", "code"),
    ],
)
async def test_refused_on_creation(fleet: Client, body: dict[str, object], status: int, scim_type: str, says: str) -> None:
    """Required, unique, primary, reference and secret are rules of whatever attribute has them."""
    await fleet.post("/Boats", {"label": "Gull", "sails": [{"value": "a", "serial": "S1"}]})
    ada = (await fleet.new_user())["id"]
    if body.get("fleet") == [{"value": "{user}"}]:
        body = body | {"fleet": [{"value": ada}]}
    assert_error(await fleet.post("/Boats", body), status, scim_type, says)
    assert (await fleet.get("/Boats")).json()["totalResults"] == 1


async def test_unique_under_its_own_rule(fleet: Client) -> None:
    """A case-exact unique attribute lets texts of another case be; one that is not does not; composition never tells apart."""
    assert (await fleet.post("/Boats", {"label": "a", "hull": "É"})).status_code == 201
    assert (await fleet.post("/Boats", {"label": "b", "hull": "é"})).status_code == 201
    assert_error(await fleet.post("/Boats", {"label": "c", "hull": "e\u0301"}), 409, "uniqueness", "hull")
    assert_error(await fleet.post("/Boats", {"label": "Ａ"}), 409, "uniqueness", "label")


async def test_replaced_and_patched(fleet: Client) -> None:
    """Immutable values stand against PUT and PATCH; readOnly ones are ignored or refused; extensions come and go."""
    made = (await fleet.post("/Boats", _FULL)).json()
    path = f"/Boats/{made['id']}"
    assert_error(await fleet.put(path, {"label": "Gull", "yard": "Bonn"}), 400, "mutability", "yard")
    assert_error(await fleet.put(path, {"label": "Gull", "engine": {"number": "8"}}), 400, "mutability", "engine.number")
    assert_error(await fleet.patch(path, {"op": "replace", "path": "yard", "value": "Bonn"}), 400, "mutability")
    assert_error(await fleet.patch(path, {"op": "replace", "path": "rating", "value": "B"}), 400, "mutability")
    assert_error(await fleet.patch(path, {"op": "remove", "path": "label"}), 400, "mutability")
    changed = (await fleet.put(path, {"label": "Tern", "rating": "B"})).json()
    assert {name: changed[name] for name in changed if name != "meta"} == {
        "schemas": [BOAT],
        "id": made["id"],
        "label": "Tern",
        "yard": "Kiel",
    }
    added = (await fleet.patch(path, {"op": "add", "path": f"{CREW}:captain", "value": "Ada"})).json()
    assert (added["schemas"], added[CREW]) == ([BOAT, CREW], {"captain": "Ada"})


async def test_found(fleet: Client) -> None:
    """Filters and sorting follow the types and case rules of its attributes, in extensions too."""
    for number, (label, miles) in enumerate([("Ä", 9), ("b", 10), ("C", 2)]):
        body = {
            "label": label,
            "hull": label,
            "depths": [number, 20],
            "launched": f"2026-01-0{3 - number}T00:00:00Z",
            LOG: {"miles": miles},
        }
        assert (await fleet.post("/Boats", body)).status_code == 201

    async def labels(**parameters: str) -> list[str]:
        answer = await fleet.get("/Boats", **parameters)
        assert answer.status_code == 200, answer.text
        return [one["label"] for one in answer.json()["Resources"]]

    assert await labels(filter='label eq "ä"') == ["Ä"]
    assert await labels(filter='hull eq "ä"') == []
    assert await labels(filter=f"{LOG}:miles gt 9") == ["b"]
    assert await labels(filter="depths eq 1") == ["b"]
    assert await labels(sortBy=f"{LOG}:miles") == ["C", "Ä", "b"]
    assert await labels(sortBy="launched", sortOrder="descending") == ["Ä", "b", "C"]
    assert await labels(sortBy="label") == ["b", "C", "Ä"]
    assert_error(await fleet.get("/Boats", filter='masts co "1"'), 400, "invalidFilter")


async def test_links_both_ways(fleet: Client) -> None:
    """References are rows, and what refers back shows them from the other side, direct and indirect."""
    ids: list[str] = []
    for label in ("a", "b", "c"):
        members = [{"value": ids[-1]}] if ids else []
        ids.append((await fleet.post("/Boats", {"label": label, "fleet": members})).json()["id"])
    a, b, c = ids
    assert [one["value"] for one in (await fleet.get(f"/Boats/{c}")).json()["fleet"]] == [b]
    assert {one["value"] for one in (await fleet.get(f"/Boats/{a}")).json()["fleets"]} == {b, c}
    found = (await fleet.get("/Boats", filter=f'fleet.value eq "{a}"')).json()["Resources"]
    assert [one["id"] for one in found] == [b]
    await fleet.delete(f"/Boats/{b}")
    assert "fleet" not in (await fleet.get(f"/Boats/{c}")).json()
    assert "fleets" not in (await fleet.get(f"/Boats/{a}")).json()


async def test_pointers(fleet: Client) -> None:
    """A single reference gets its $ref, and is cleared when what it names is deleted."""
    a = (await fleet.post("/Boats", {"label": "a"})).json()
    b = (await fleet.post("/Boats", {"label": "b", "tender": {"value": a["id"], "$ref": "https://example.com/x"}})).json()
    assert b["tender"] == {"value": a["id"], "$ref": a["meta"]["location"]}
    await fleet.delete(f"/Boats/{a['id']}")
    assert "tender" not in (await fleet.get(f"/Boats/{b['id']}")).json()
