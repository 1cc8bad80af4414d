"""How fast is the creation of 1,000 users by one bulk request?

Against POSTs of single users by 8 clients at once, to the same server: a bulk request comes from one client, and its users are written as
sets. Users per second on both sides.
"""

from typing import Final

from bench.data import USER, bulk, numbered_user
from bench.question import Question, Side, ratio_of_throughput
from bench.world import World


def _sides(world: World) -> dict[str, Side]:
    operations = [("/Users", f"u{number}", numbered_user(number)) for number in range(1_000)]
    return {
        "ours": Side(world.ours.port, (world.ours.request("POST", "/Bulk", bulk(operations)),), weight=1_000, connections=1),
        "single": Side(world.ours.port, (world.ours.request("POST", "/Users", USER),)),
    }


QUESTION: Final = Question("bulk_create", "1,000 users by /Bulk, users", _sides, (ratio_of_throughput("single", 4),), peer=False)
