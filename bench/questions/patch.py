"""How fast is a PATCH that changes one attribute of a user?

Ceiling: a bare route with one UPDATE of the row. The server also reads the document, applies the operation, validates the result,
keeps the search document and the change log, decides on the version in the write, and answers with the whole user.
"""

from typing import Final

from bench.client import NUMBER
from bench.data import patch
from bench.question import Question, Side, ratio_of_throughput
from bench.world import World


def _sides(world: World) -> dict[str, Side]:
    body = patch("replace", "title", f"Analyst {NUMBER.decode()}")
    return {
        name: Side(target.port, tuple(target.request("PATCH", f"/Users/{id_}", body) for id_ in target.some_users()))
        for name, target in (*world.scim(), ("bare", world.ceiling))
    }


QUESTION: Final = Question("patch", "PATCH one attribute", _sides, (ratio_of_throughput("bare"),))
