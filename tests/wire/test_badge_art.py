"""Pictures that are put at achievements and issuers: what is taken."""

from __future__ import annotations

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
