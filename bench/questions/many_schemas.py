"""What do 50 schemas with 2,000 attributes cost a tenant whose users are read?

20 of them extend the users that are read; the other side is a tenant of the same server with the standard schemas.
"""

from typing import Final

from bench.custom import widen
from bench.question import Question, Side, ratio_of_latency
from bench.world import World


def _sides(world: World) -> dict[str, Side]:
    wide, plain = world.wide, world.ours
    return {
        "ours": Side(wide.port, tuple(wide.request("GET", f"/Users/{id_}") for id_ in widen(wide)), b'"nick-'),
        "standard": Side(plain.port, tuple(plain.request("GET", f"/Users/{id_}") for id_ in plain.some_others()), b'"nick-'),
    }


QUESTION: Final = Question(
    "many_schemas", "GET beside 50 schemas", _sides, (ratio_of_latency("standard", 1.05),), connections=1, peer=False
)
