"""How fast is the look-up that identity providers make before every change, userName eq "…", for a user who is in no group?

Ceiling: the bare route that selects a document by primary key, although the server also parses a filter, counts, and answers a list.
"""

from typing import Final
from urllib.parse import quote

from bench.data import user_name
from bench.question import Question, Side, ratio_of_throughput
from bench.world import World


def _sides(world: World) -> dict[str, Side]:
    filters = [quote(f'userName eq "{user_name(number)}"') for number in range(world.size, world.size + len(world.ours.others))]
    sides = {
        name: Side(target.port, tuple(target.request("GET", f"/Users?filter={text}") for text in filters), b'"totalResults":1,')
        for name, target in world.scim()
    }
    bare = tuple(world.ceiling.request("GET", f"/Users/{id_}") for id_ in world.ceiling.some_others())
    return sides | {"bare": Side(world.ceiling.port, bare, b'"nickName":"nick-')}


QUESTION: Final = Question("user_name_eq", "userName eq", _sides, (ratio_of_throughput("bare", 0.7),))
