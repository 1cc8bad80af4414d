"""What do references cost in a bulk request: 990 users and 10 groups of 99 of them, against 1,000 users?

Resources per second on both sides.
"""

from typing import Final

from bench.client import NUMBER
from bench.data import bulk, group, numbered_user
from bench.question import Question, Side, ratio_of_throughput
from bench.world import World


def _sides(world: World) -> dict[str, Side]:
    users = [("/Users", f"u{number}", numbered_user(number)) for number in range(1_000)]
    groups = [
        (
            "/Groups",
            f"g{number}",
            group([f"bulkId:u{other}" for other in range(number * 99, number * 99 + 99)]).replace(b"Engineers", NUMBER + b"-g%d" % number),
        )
        for number in range(10)
    ]
    requests = {"ours": bulk([*groups, *users[:990]]), "users": bulk(users)}
    return {
        name: Side(world.ours.port, (world.ours.request("POST", "/Bulk", body),), weight=1_000, connections=1)
        for name, body in requests.items()
    }


QUESTION: Final = Question("bulk_groups", "990 users, 10 groups by /Bulk", _sides, (ratio_of_throughput("users", 0.5),), peer=False)
