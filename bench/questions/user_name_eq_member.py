"""How fast is the look-up that identity providers make before every change, userName eq "…", for a user who is in a large group?

Ceiling: the bare route that selects a document by primary key together with the direct groups; the server also parses a filter, and
answers a list with a count.
"""

from typing import Final
from urllib.parse import quote

from bench.data import user_name
from bench.question import Question, Side, ratio_of_throughput
from bench.world import World


def _sides(world: World) -> dict[str, Side]:
    filters = [quote(f'userName eq "{user_name(number)}"') for number in range(0, world.size, max(1, world.size // 2_000))]
    sides = {
        name: Side(target.port, tuple(target.request("GET", f"/Users?filter={text}") for text in filters), b'"totalResults":1,')
        for name, target in world.scim()
    }
    bare = tuple(world.ceiling.request("GET", f"/WithGroups/{id_}") for id_ in world.ceiling.some_users())
    return sides | {"bare": Side(world.ceiling.port, bare, b'"groups":[[')}


QUESTION: Final = Question("user_name_eq_member", "userName eq, in a group", _sides, (ratio_of_throughput("bare", 0.7),))
