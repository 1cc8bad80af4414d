"""The admin API on what a tenant serves: definitions by the rules of SCIM's own endpoints, jobs, and values of removed attributes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from scimsrv.store.rework import rework
from tests.wire.admin_support import Admin, admin_api, assert_problem
from tests.wire.support import Client, Server
from tests.wire.test_definitions import BADGE, made, resource_type, schema

THING: Final = "urn:example:params:scim:schemas:core:1.0:Thing"


@pytest.fixture
async def admin(server: Server) -> AsyncIterator[Admin]:
    """Yield an administrator beside the server of the tenants."""
    await server.pool.execute("TRUNCATE admin_credential")
    async with admin_api(server.pool, server.settings) as one:
        yield one


async def _done(server: Server, admin: Admin, client: Client) -> None:
    """Do the background's work, and have the server know of it."""
    while await rework(server.app.pool.of(client.id), client.id, settled=0, batch=2):
        pass
    await server.app.catalogs.renew(client.id)


async def test_definitions(server: Server, admin: Admin) -> None:
    """A schema and a type are defined, shown, changed under If-Match, tried and deleted; what is done is recorded."""
    client = await server.tenant()
    path = f"/tenants/{client.slug}"
    answer = await admin.ask("POST", f"{path}/schemas", schema(THING, {"name": "label"}))
    assert answer.status_code == 200, answer.text
    assert (answer.json()["taken"], answer.json()["version"], answer.headers["etag"]) == (True, 1, '"1"')
    assert (await admin.noted("schema.create"))["subject"] == THING
    assert (await admin.ask("POST", f"{path}/resource-types", resource_type("Thing", "/Things", THING))).status_code == 200
    await server.app.catalogs.renew(client.id)
    assert (await client.post("/Things", {"label": "x"})).status_code == 201
    shown = await admin.ask("GET", f"{path}/schemas/{THING}")
    assert shown.json()["definition"] == (await admin.ask("POST", f"{path}/schemas", schema(BADGE, {"name": "label"}))).json()[
        "definition"
    ] | {"id": THING}
    assert THING in [one["id"] for one in (await admin.ask("GET", f"{path}/schemas")).json()["schemas"]]
    assert [one["name"] for one in (await admin.ask("GET", f"{path}/resource-types")).json()["resource_types"]] == [
        "Group",
        "Thing",
        "User",
    ]
    stricter = schema(THING, {"name": "label", "required": True}, {"name": "size", "required": True})
    tried = (await admin.ask("PUT", f"{path}/schemas/{THING}?dry_run=true", stricter)).json()
    assert (tried["taken"], tried["possible"]) == (False, False)
    assert_problem(await admin.ask("PUT", f"{path}/schemas/{THING}", stricter), 409, "size is required; one resource does not fit")
    assert_problem(await admin.ask("PUT", f"{path}/schemas/{THING}", stricter, If_Match='"7"'), 412, "version")
    assert_problem(await admin.ask("DELETE", f"{path}/resource-types/Thing"), 409, "has resources")
    assert_problem(await admin.ask("POST", f"{path}/schemas", schema(BADGE, {"name": "1"})), 400, "cannot be a name")
    assert_problem(await admin.ask("GET", f"{path}/resource-types/Nothing"), 404, "Nothing")
    assert (await admin.ask("DELETE", f"{path}/schemas/{BADGE}", If_Match='"1"')).json()["definition"] is None
    changes = (await admin.ask("GET", f"{path}/changes?id={THING}")).json()["changes"]
    assert [(one["operation"], one["diff"]["name"]) for one in changes] == [("create", [None, "Made up"])]
    assert changes[0]["actor"].startswith("admin:")


async def test_jobs_and_removed_values(server: Server, admin: Admin) -> None:
    """What a change leaves to be done is a job; values that it sets aside are listed, put back and destroyed."""
    client = await server.tenant()
    path = f"/tenants/{client.slug}"
    attributes: list[dict[str, Any]] = [{"name": "label"}, {"name": "size"}, {"name": "note"}]
    await admin.ask("POST", f"{path}/schemas", schema(THING, *attributes))
    await admin.ask("POST", f"{path}/resource-types", resource_type("Thing", "/Things", THING))
    await server.app.catalogs.renew(client.id)
    thing = await made(client.post("/Things", {"label": "x", "size": "L", "note": "n"}))
    changed = (await admin.ask("PUT", f"{path}/schemas/{THING}", schema(THING, attributes[0]))).json()
    (number,) = changed["jobs"]
    job = (await admin.ask("GET", f"{path}/jobs/{number}")).json()
    assert (job["kind"], job["subject"], job["state"], job["total"]) == ("rework", "Thing", "waiting", 1)
    assert_problem(await admin.ask("POST", f"{path}/jobs/{number}/retry"), 409, "has not failed")
    assert_problem(await admin.ask("GET", f"{path}/jobs/99"), 404, "job 99")
    await _done(server, admin, client)
    assert (await admin.ask("GET", f"{path}/jobs")).json()["jobs"][0]["state"] == "done"
    kept = (await admin.ask("GET", f"{path}/removed-values")).json()["removed"]
    assert [(one["type"], one["attribute"], one["resources"]) for one in kept] == [("Thing", "note", 1), ("Thing", "size", 1)]
    assert_problem(await admin.ask("POST", f"{path}/removed-values/Thing/size/restore"), 409, "define it again")
    await admin.ask("PUT", f"{path}/schemas/{THING}", schema(THING, *attributes))
    assert (await admin.ask("POST", f"{path}/removed-values/Thing/size/restore")).json()["kind"] == "restore"
    assert_problem(await admin.ask("DELETE", f"{path}/removed-values/Thing/size"), 409, "already")
    assert (await admin.ask("DELETE", f"{path}/removed-values/Thing/note")).json()["kind"] == "purge"
    await admin.noted("values.purge")
    await _done(server, admin, client)
    shown = await made(client.get(f"/Things/{thing['id']}"), 200)
    assert (shown["size"], "note" in shown) == ("L", False)
    assert (await admin.ask("GET", f"{path}/removed-values")).json() == {"removed": []}
    assert_problem(await admin.ask("DELETE", f"{path}/removed-values/Thing/note"), 404, "no values")


async def test_recomputing_badges(server: Server, admin: Admin) -> None:
    """It is a job, noted; asked for again while it waits it is the same one; without badges there is nothing to compute."""
    client = await server.tenant(badges=True)
    path = f"/tenants/{client.slug}/badges/recompute"
    await server.app.maintenance.stop()
    job = (await admin.ask("POST", path)).json()
    assert (await admin.ask("POST", path)).json()["number"] == job["number"]
    assert (job["kind"], job["subject"], job["total"]) == ("progress", "Award", 0)
    await admin.noted("badges.recompute")
    other = await server.tenant()
    assert_problem(await admin.ask("POST", f"/tenants/{other.slug}/badges/recompute"), 409, "badges")
