"""Awards as resources: created, shown with the user, found, revoked."""

from __future__ import annotations

from tests.wire.badges import badges
from tests.wire.support import Server


async def test_an_award(server: Server) -> None:
    """An award says who, what, by whom, when and how, and the user shows it."""
    made = await badges(server)
    ada = await made.client.new_user("ada", displayName="Ada")
    mini = await made.achievement()
    award = await made.award(ada["id"], mini)
    print(award)
    print((await made.client.get(f"/Users/{ada['id']}")).json())
    assert await made.held(ada["id"]) == {mini}
