"""How fast is a page far into the list, startIndex at nine tenths of it?

Ceiling: the bare route that selects the first hundred documents.
"""

from typing import Final

from bench.question import Question, Side, ratio_of_throughput
from bench.world import World


def _sides(world: World) -> dict[str, Side]:
    start = world.size * 9 // 10
    sides = {
        name: Side(target.port, (target.request("GET", f"/Users?startIndex={start}&count=100"),), b'"itemsPerPage":100')
        for name, target in world.scim()
    }
    return sides | {"bare": Side(world.ceiling.port, (world.ceiling.request("GET", "/first"),), b'"nickName":"nick-')}


QUESTION: Final = Question("deep_page", "page of 100 at nine tenths", _sides, (ratio_of_throughput("bare"),))
