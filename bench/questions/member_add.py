"""Does adding one member to a large group cost what changes, and not what the group holds?

Ceiling: a PATCH of one attribute of a user on the same server, one request at a time; the median latency may be twice as high.
"""

from typing import Final

from bench.members import add, against_user_patch, remove
from bench.question import Question, Side, ratio_of_latency
from bench.world import Target, World


def _side(target: Target) -> Side:
    ids = target.others[:200]
    return Side(target.port, tuple(add(target, id_) for id_ in ids), undo=tuple(remove(target, id_) for id_ in ids))


def _sides(world: World) -> dict[str, Side]:
    return against_user_patch(world, {name: _side(target) for name, target in world.scim()})


QUESTION: Final = Question(
    "member_add", "add 1 member to the group", _sides, (ratio_of_latency("PATCH user", 2.0),), connections=1, limit=200
)
