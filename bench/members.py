"""What the questions on members share: one member more or less in a large group, against a PATCH of a user."""

from bench.client import NUMBER
from bench.data import patch
from bench.question import Side
from bench.world import Target, World


def add(target: Target, id_: str) -> bytes:
    """The request that makes the user a member of the target's group."""
    return target.request("PATCH", target.group, patch("add", "members", [{"value": id_}]))


def remove(target: Target, id_: str) -> bytes:
    """The request that takes the user out of the target's group."""
    return target.request("PATCH", target.group, patch("remove", f'members[value eq "{id_}"]'))


def against_user_patch(world: World, sides: dict[str, Side]) -> dict[str, Side]:
    """The sides, and the PATCH of one attribute of a user on our server as their ceiling."""
    title = patch("replace", "title", f"Analyst {NUMBER.decode()}")
    users = tuple(world.ours.request("PATCH", f"/Users/{id_}", title) for id_ in world.ours.some_users())
    return sides | {"PATCH user": Side(world.ours.port, users)}
