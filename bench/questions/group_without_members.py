"""Is a group read without its members as fast as a user, whatever it holds?

Ceiling: the bare route that selects a document by primary key.
"""

from typing import Final

from bench.question import Question, Side, ratio_of_throughput
from bench.world import World


def _sides(world: World) -> dict[str, Side]:
    sides = {
        name: Side(target.port, (target.request("GET", f"{target.group}?excludedAttributes=members"),), b'"displayName":"Engineers"')
        for name, target in world.scim()
    }
    bare = tuple(world.ceiling.request("GET", f"/Users/{id_}") for id_ in world.ceiling.some_users())
    return sides | {"bare": Side(world.ceiling.port, bare, b'"nickName":"nick-')}


QUESTION: Final = Question("group_head", "GET large group without members", _sides, (ratio_of_throughput("bare"),))
