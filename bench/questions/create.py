"""How fast is POST of a user?

Ceiling: a bare route that reads the body and inserts one row with a document made beforehand. The server also parses, validates,
folds, claims the userName, writes the change log, and answers with what it stored.
"""

from typing import Final

from bench.data import USER
from bench.question import Question, Side, ratio_of_throughput
from bench.world import World


def _sides(world: World) -> dict[str, Side]:
    return {name: Side(target.port, (target.request("POST", "/Users", USER),)) for name, target in (*world.scim(), ("bare", world.ceiling))}


QUESTION: Final = Question("create", "POST user", _sides, (ratio_of_throughput("bare", 0.4),))
