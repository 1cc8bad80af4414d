"""Versions and tags: they change with what is shown, are found by filters, and cost no more than what they cover."""

from __future__ import annotations

from scimsrv.schema import semantics
from tests.wire.support import Client, assert_error, patch


async def test_a_version_is_found_by_a_filter_as_it_is_served(client: Client) -> None:
    """Decision 30, also where the version has a part for what is derived from groups."""
    ada = await client.new_user()
    await client.new_group(ada["id"])
    shown = (await client.get(f"/Users/{ada['id']}")).json()
    assert "-" in shown["meta"]["version"]
    literal = shown["meta"]["version"].replace('"', '\\"')
    assert await client.search(f'id eq "{ada["id"]}" and meta.version eq "{literal}"') == [ada["id"]]
    assert await client.search(f'id eq "{ada["id"]}" and meta.version ne "{literal}"') == []
    assert await client.search(f'id eq "{ada["id"]}" and meta.version eq "W/\\"99\\""') == []


async def test_a_resource_has_a_largest_size(client: Client) -> None:
    """What one resource holds in all is limited, on creation and on change; what was there stays."""
    large = [{"value": "x" * 60_000 + str(number)} for number in range(18)]
    body = {"userName": "large@example.com", "emails": large}
    assert_error(await client.post("/Users", body), 400, "invalidValue", "1048576 bytes")
    ada = await client.new_user(emails=large[:9])
    for operation in ({"op": "add", "path": "emails", "value": large[9:]}, {"op": "add", "path": "ims", "value": large[9:]}):
        assert_error(await client.patch(f"/Users/{ada['id']}", operation), 400, "invalidValue", "1048576 bytes")
    assert len((await client.get(f"/Users/{ada['id']}")).json()["emails"]) == 9


async def test_many_operations_on_long_values_stay_cheap(client: Client) -> None:
    """Long values are folded once for a request, not once for each of its operations."""
    ada = await client.new_user(emails=[{"value": "é" * 1_000 + str(number)} for number in range(45)])
    operations = [{"op": "add", "path": "emails", "value": [{"value": "x"}]}] * 1_000
    before = semantics._folded.cache_info().misses
    assert (await client.patch(f"/Users/{ada['id']}", *operations)).status_code == 200
    assert semantics._folded.cache_info().misses - before <= 45


async def test_conditions_over_several_lines_are_one_list(client: Client) -> None:
    """RFC 9110 §5.3: the order of the lines does not matter, and none of them is lost."""
    ada = await client.new_user()
    path = f"/Users/{ada['id']}"
    for name, status in (("If-None-Match", 304), ("If-Match", 200)):
        method, body = ("GET", None) if status == 304 else ("PATCH", patch())
        for tags in (('W/"1"', 'W/"99"'), ('W/"99"', 'W/"1"')):
            answer = await client.request(method, path, body, headers=[(name, tag) for tag in tags])
            assert answer.status_code == status, (name, tags)
