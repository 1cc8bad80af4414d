"""What does a JWT cost: GET by id with an access token, against the same with a secret token?

The signature is checked once; what the token rests on is looked up each second, as a secret token is.
"""

from typing import Final

from bench.question import Question, Side, ratio_of_throughput
from bench.world import World


def _sides(world: World) -> dict[str, Side]:
    return {
        name: Side(target.port, tuple(target.request("GET", f"/Users/{id_}") for id_ in target.some_others()), b'"nickName":"nick-')
        for name, target in (("ours", world.jwt), ("secret token", world.ours))
    }


QUESTION: Final = Question("get_jwt", "GET user by id with a JWT", _sides, (ratio_of_throughput("secret token", 0.95),), peer=False)
