"""Is a GET of a resource whose type the tenant made as fast as that of a user?

The type has the attributes of User and its enterprise extension; both are read by id from one server, by turns.
"""

from typing import Final

from bench.custom import machines
from bench.question import Question, Side, ratio_of_latency
from bench.world import World


def _sides(world: World) -> dict[str, Side]:
    target = world.ours
    return {
        "ours": Side(target.port, tuple(target.request("GET", f"/Machines/{id_}") for id_ in machines(target, world.size)), b'"nick-'),
        "User": Side(target.port, tuple(target.request("GET", f"/Users/{id_}") for id_ in target.some_others()), b'"nick-'),
    }


QUESTION: Final = Question("custom_get", "GET of a made type", _sides, (ratio_of_latency("User", 1.1),), connections=1, peer=False)
