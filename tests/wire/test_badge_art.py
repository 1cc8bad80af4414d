"""Pictures that are put at achievements and issuers: what is taken, and what putting one is."""

from __future__ import annotations

import httpx
import orjson
import pytest

from tests.wire.badges import badges
from tests.wire.support import Server, assert_error
from tests.wire.test_credentials import PIXEL, SVG


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "neither a PNG nor an SVG"),
        (b"GIF89a", "neither a PNG nor an SVG"),
        (PIXEL[:40], "refused"),
        (PIXEL[:50] + b"\0" + PIXEL[51:], "refused"),
        (SVG.replace(b"<circle", b"<script>alert(1)</script><circle"), "refused"),
        (SVG.replace(b"r=", b"onload='x' r="), "refused"),
        (b'<!DOCTYPE svg [<!ENTITY a "b">]>' + SVG, "refused"),
        (SVG + b" " * 300_000, "refused"),
    ],
)
async def test_art_that_is_refused(server: Server, body: bytes, says: str) -> None:
    """What is no picture, is broken, or would do more than be looked at, is refused with its reason, and nothing is stored."""
    made = await badges(server)
    achievement = await made.achievement()
    answer = await made.client.request("PUT", f"/Achievements/{achievement}/image", content=body)
    assert_error(answer, 400, "invalidValue", says)
    assert_error(await made.client.get(f"/Achievements/{achievement}/image"), 404)


async def test_a_picture_belongs_to_its_resource(server: Server) -> None:
    """Putting or deleting a picture is a write of the resource: a new version, a row in the trail, If-Match by either entity tag; the same
    bytes again change nothing. Users read it, and change it not."""
    made = await badges(server, me="userName")
    await made.client.new_user("ada")
    id_ = await made.achievement()
    path, etag = f"/Achievements/{id_}/image", (await made.client.get(f"/Achievements/{id_}")).headers["etag"]

    async def put(body: bytes, tag: str | None = None) -> httpx.Response:
        return await made.client.request("PUT", path, content=body, headers={} if tag is None else {"If-Match": tag})

    assert_error(await put(PIXEL, '"*nothing"'), 412)
    assert_error(await put(PIXEL, "*"), 412)
    first = await put(PIXEL, etag)
    assert (first.status_code, first.json()["version"]) == (200, 'W/"2"'), first.text
    meta = (await made.client.get(f"/Achievements/{id_}")).json()["meta"]
    assert meta["version"] == 'W/"2"'
    assert meta["lastModified"] > meta["created"]
    assert (await put(PIXEL, "*")).json()["version"] == 'W/"2"'
    assert_error(await put(SVG, etag), 412)
    own = made.client.with_token(await server.token(made.client, "scim:me", subject="ada"))
    shown = await own.get(path)
    assert (shown.status_code, shown.content) == (200, PIXEL)
    again = await own.request("GET", path, headers={"If-None-Match": shown.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert_error(await own.request("PUT", path, content=SVG), 403)
    assert_error(await own.request("DELETE", path), 403)
    assert (await put(SVG, shown.headers["etag"])).json()["version"] == 'W/"3"'
    assert_error(await made.client.request("DELETE", path, headers={"If-Match": shown.headers["etag"]}), 412)
    assert (await made.client.request("DELETE", path, headers={"If-Match": "*"})).status_code == 204
    assert_error(await made.client.delete(path), 404)
    rows = await server.pool.fetch("SELECT * FROM change WHERE tenant = $1 AND id = $2 AND version > 1 ORDER BY seq", made.client.id, id_)
    assert [(row["operation"], row["attributes"], row["version"]) for row in rows] == [("update", ["image"], at) for at in (2, 3, 4)]
    moved = [[one and one["mediaType"] for one in orjson.loads(row["content"])["image"]] for row in rows]
    assert moved == [[None, "image/png"], ["image/png", "image/svg+xml"], ["image/svg+xml", None]]
    assert {row["actor"] for row in rows} == {(made.client.token or "").split("_")[1]}
