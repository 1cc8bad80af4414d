"""Is a resource whose type the tenant made found by a unique attribute as fast as a user by userName?"""

from typing import Final
from urllib.parse import quote

from bench.custom import machines
from bench.data import user_name
from bench.question import Question, Side, ratio_of_latency
from bench.world import World


def _sides(world: World) -> dict[str, Side]:
    target = world.ours
    found = len(machines(target, world.size))
    sides = {}
    for name, path, numbers in (
        ("ours", "/Machines", range(found)),
        ("User", "/Users", range(world.size, world.size + len(target.others))),  # those in no group
    ):
        filters = [quote(f'userName eq "{user_name(number)}"') for number in numbers]
        sides[name] = Side(target.port, tuple(target.request("GET", f"{path}?filter={text}") for text in filters), b'"totalResults":1,')
    return sides


QUESTION: Final = Question("custom_filter", "eq on a made type", _sides, (ratio_of_latency("User", 1.1),), connections=1, peer=False)
