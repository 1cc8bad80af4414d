"""How fast is a filter that no index serves, nickName co "…", with one user matching?

Ceiling: a bare route whose statement looks at the same value of every user.
"""

from typing import Final
from urllib.parse import quote

from bench.question import Question, Side, ratio_of_throughput
from bench.world import World


def _sides(world: World) -> dict[str, Side]:
    texts = [f"{number:08d}" for number in range(0, world.size, max(1, world.size // 50))]
    filters = [quote(f'nickName co "{text}"') for text in texts]
    sides = {
        name: Side(
            target.port,
            tuple(target.request("GET", f"/Users?filter={text}") for text in filters),
            b'"totalResults":1,',
        )
        for name, target in world.scim()
    }
    bare = tuple(world.ceiling.request("GET", f"/contains?text={text}") for text in texts)
    return sides | {"bare": Side(world.ceiling.port, bare, b'"nickName":"nick-')}


QUESTION: Final = Question("unindexed", "nickName co", _sides, (ratio_of_throughput("bare"),))
