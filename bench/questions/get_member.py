"""How much of a bare route's throughput is left of GET by id, for a user who is in a large group?

Ceiling: a Starlette route that selects the document by primary key together with the direct groups, in one statement. The server
also follows groups of groups, authenticates, builds meta and an ETag.
"""

from typing import Final

from bench.question import Question, Side, ratio_of_throughput
from bench.world import World


def _sides(world: World) -> dict[str, Side]:
    bare = tuple(world.ceiling.request("GET", f"/WithGroups/{id_}") for id_ in world.ceiling.some_users())
    sides = {
        name: Side(target.port, tuple(target.request("GET", f"/Users/{id_}") for id_ in target.some_users()), b'"nickName":"nick-')
        for name, target in world.scim()
    }
    return sides | {"bare": Side(world.ceiling.port, bare, b'"groups":[[')}


QUESTION: Final = Question("get_member", "GET user in a group", _sides, (ratio_of_throughput("bare", 0.8),))
