"""Does adding one member to a large group cost what changes, and not what the group holds?

Ceiling: a PATCH of one attribute of a user on the same server, one request at a time; the median latency may be twice as high.
"""

from typing import Final

from bench.client import NUMBER
from bench.data import patch
from bench.question import Question, Side, ratio_of_latency
from bench.world import Target, World


def _side(target: Target) -> Side:
    def step(body: bytes) -> bytes:
        return target.request("PATCH", target.group, body)

    adds = tuple(step(patch("add", "members", [{"value": id_}])) for id_ in target.others[:200])
    removes = tuple(step(patch("remove", f'members[value eq "{id_}"]')) for id_ in target.others[:200])
    return Side(target.port, adds, undo=removes)


def _sides(world: World) -> dict[str, Side]:
    title = patch("replace", "title", f"Analyst {NUMBER.decode()}")
    users = tuple(world.ours.request("PATCH", f"/Users/{id_}", title) for id_ in world.ours.some_users())
    return {name: _side(target) for name, target in world.scim()} | {"PATCH user": Side(world.ours.port, users)}


QUESTION: Final = Question(
    "member_add", "add 1 member to the group", _sides, (ratio_of_latency("PATCH user", 2.0),), connections=1, limit=200
)
