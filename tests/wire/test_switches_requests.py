"""Switches about requests of other kinds than reading and writing one resource: /Bulk and /Me."""

from __future__ import annotations

from typing import Any

from tests.wire.support import Client, Server, assert_error, user
from tests.wire.test_bulk import done, operation, post, send, statuses


async def _own(server: Server, client: Client, subject: str) -> Client:
    return client.with_token(await server.token(client, "scim:me", subject=subject))


async def test_bulk_on(server: Server) -> None:
    """/Bulk is served, and advertised with its limits."""
    client = await server.tenant(bulk=True)
    assert (await client.get("/ServiceProviderConfig")).json()["bulk"]["supported"] is True
    assert statuses(await done(client, post("a", user()))) == ["201"]


async def test_bulk_off(server: Server) -> None:
    """/Bulk is 501, and said not to be there."""
    client = await server.tenant(bulk=False)
    assert (await client.get("/ServiceProviderConfig")).json()["bulk"] == {"supported": False, "maxOperations": 0, "maxPayloadSize": 0}
    assert_error(await send(client, post("a", user())), 501)
    assert (await client.get("/Users")).json()["totalResults"] == 0


async def _after_a_failure(server: Server, atomic: bool, left: int) -> list[str]:
    client = await server.tenant(bulk_atomic=atomic)
    found = statuses(await done(client, post("a", user()), operation("DELETE", "/Users/none")))
    assert (await client.get("/Users")).json()["totalResults"] == left
    return found


async def test_bulk_atomic_on(server: Server) -> None:
    """A request with an operation that fails has no effect, and that operation as its only result."""
    assert await _after_a_failure(server, True, 0) == ["404"]


async def test_bulk_atomic_off(server: Server) -> None:
    """Every operation stands for itself."""
    assert await _after_a_failure(server, False, 1) == ["201", "404"]


async def test_me_off(server: Server) -> None:
    """/Me is 501."""
    client = await server.tenant(me="off")
    await client.new_user("ada")
    assert_error(await (await _own(server, client, "ada")).get("/Me"), 501)


async def _found(server: Server, me: str, **attributes: Any) -> bool:
    """Whether /Me is the user whose attribute, and no other, is the subject."""
    client = await server.tenant(me=me)
    ada = await client.new_user(**attributes)
    subject = ada[me]
    await client.new_user("other" if me == "userName" else subject, externalId=subject if me != "externalId" else "other")
    found = (await (await _own(server, client, subject)).get("/Me")).json()
    return bool(found["id"] == ada["id"])


async def test_me_id(server: Server) -> None:
    """The subject is the user's id."""
    assert await _found(server, "id")


async def test_me_userName(server: Server) -> None:
    """The subject is the user's userName."""
    assert await _found(server, "userName")


async def test_me_externalId(server: Server) -> None:
    """The subject is the user's externalId."""
    assert await _found(server, "externalId", externalId="x-1")


async def test_me_attributes_listed(server: Server) -> None:
    """What is listed may be changed."""
    client = await server.tenant(me="userName", me_attributes=["title"])
    await client.new_user("ada")
    answer = await (await _own(server, client, "ada")).patch("/Me", {"op": "add", "path": "title", "value": "x"})
    assert (answer.status_code, answer.json()["title"]) == (200, "x")


async def test_me_attributes_others(server: Server) -> None:
    """What is not listed may not."""
    client = await server.tenant(me="userName", me_attributes=["title"])
    await client.new_user("ada")
    mine = await _own(server, client, "ada")
    assert_error(await mine.patch("/Me", {"op": "add", "path": "nickName", "value": "x"}), 403, None, "nickName")


async def test_me_deletion_on(server: Server) -> None:
    """Users may delete themselves."""
    client = await server.tenant(me="userName", me_deletion=True)
    ada = await client.new_user("ada")
    assert (await (await _own(server, client, "ada")).delete("/Me")).status_code == 204
    assert_error(await client.get(f"/Users/{ada['id']}"), 404)


async def test_me_deletion_off(server: Server) -> None:
    """They may not."""
    client = await server.tenant(me="userName", me_deletion=False)
    ada = await client.new_user("ada")
    assert_error(await (await _own(server, client, "ada")).delete("/Me"), 403)
    assert (await client.get(f"/Users/{ada['id']}")).json() == ada
