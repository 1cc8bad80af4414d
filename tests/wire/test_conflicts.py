"""Conflicts under load: each gets its own answer, none waits for the others' connections."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.wire.support import Client


async def test_many_conflicts_at_once_are_all_conflicts(client: Client) -> None:
    """More writes at once than there are connections, each changing members and taking a name that is taken: 409, never 503."""
    ada = await client.new_user()
    await client.new_group(displayName="Taken")
    groups = [await client.new_group() for _ in range(40)]
    operations = (
        {"op": "add", "path": "members", "value": [{"value": ada["id"]}]},
        {"op": "replace", "path": "displayName", "value": "taken"},
    )
    answers = await asyncio.gather(*(client.patch(f"/Groups/{group['id']}", *operations) for group in groups))
    assert Counter(answer.status_code for answer in answers) == {409: len(groups)}
    assert (await client.get(f"/Users/{ada['id']}")).json().get("groups") is None
