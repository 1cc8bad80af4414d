"""How much of a bare route's throughput is left of GET by id, for a user who is in no group?

Ceiling: a Starlette route that selects the document by primary key and sends its text. The server also authenticates, looks for
groups, builds meta and an ETag.
"""

from typing import Final

from bench.question import Question, Side, ratio_of_throughput
from bench.world import World


def _sides(world: World) -> dict[str, Side]:
    return {
        name: Side(target.port, tuple(target.request("GET", f"/Users/{id_}") for id_ in target.some_others()), b'"nickName":"nick-')
        for name, target in (*world.scim(), ("bare", world.ceiling))
    }


QUESTION: Final = Question("get", "GET user by id", _sides, (ratio_of_throughput("bare", 0.8),))
