"""How fast is the first page of a hundred users?

Ceiling: a bare route that selects the first hundred documents by id and joins their texts; it neither counts nor adds groups or meta.
"""

from typing import Final

from bench.question import Question, Side, ratio_of_throughput
from bench.world import World


def _sides(world: World) -> dict[str, Side]:
    sides = {
        name: Side(target.port, (target.request("GET", "/Users?startIndex=1&count=100"),), b'"itemsPerPage":100')
        for name, target in world.scim()
    }
    return sides | {"bare": Side(world.ceiling.port, (world.ceiling.request("GET", "/first"),), b'"nickName":"nick-')}


QUESTION: Final = Question("list_100", "list of 100 users", _sides, (ratio_of_throughput("bare"),))
