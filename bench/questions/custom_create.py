"""Is a POST of a resource whose type the tenant made as fast as that of a user?"""

from typing import Final

from bench.custom import BODY, machines
from bench.data import USER
from bench.question import Question, Side, ratio_of_latency
from bench.world import World


def _sides(world: World) -> dict[str, Side]:
    target = world.ours
    machines(target, world.size)
    return {
        "ours": Side(target.port, (target.request("POST", "/Machines", BODY),)),
        "User": Side(target.port, (target.request("POST", "/Users", USER),)),
    }


QUESTION: Final = Question("custom_create", "POST of a made type", _sides, (ratio_of_latency("User", 1.1),), connections=1, peer=False)
