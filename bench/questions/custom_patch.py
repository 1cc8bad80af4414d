"""Is a PATCH of a resource whose type the tenant made as fast as that of a user?"""

from typing import Final

from bench.client import NUMBER
from bench.custom import machines
from bench.data import patch
from bench.question import Question, Side, ratio_of_latency
from bench.world import World


def _sides(world: World) -> dict[str, Side]:
    target, body = world.ours, patch("replace", "title", f"Analyst {NUMBER.decode()}")
    return {
        "ours": Side(target.port, tuple(target.request("PATCH", f"/Machines/{id_}", body) for id_ in machines(target, world.size))),
        "User": Side(target.port, tuple(target.request("PATCH", f"/Users/{id_}", body) for id_ in target.some_others())),
    }


QUESTION: Final = Question("custom_patch", "PATCH of a made type", _sides, (ratio_of_latency("User", 1.1),), connections=1, peer=False)
