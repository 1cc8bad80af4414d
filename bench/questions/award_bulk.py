"""How fast are awards issued by one bulk request, each to another user?

An achievement and 999 awards of it, against as many users by one bulk request to the same tenant: awards and users per second. An award
also locks its recipient, looks for what follows from it, and has a row of its own.
"""

from __future__ import annotations

import json
from typing import Any, Final

from bench.client import NUMBER
from bench.data import bulk, numbered_user
from bench.question import Question, Side, ratio_of_throughput
from bench.world import Target, World, ask_now, created

_URN: Final = "urn:scimsrv:scim:schemas:badges:1.0:"

#: Awards of one request, which the achievement makes a thousand operations.
_MOST: Final = 999


def _sides(world: World) -> dict[str, Side]:
    target, most = world.badges, min(_MOST, world.size)
    users = _users(target, most)
    issuer = created(ask_now(target, target.request("POST", "/BadgeIssuers", _body("BadgeIssuer", displayName="Institute"))))["id"]
    awards = [
        ("/Awards", f"u{number}", _body("Award", recipient={"value": user}, achievement={"value": "bulkId:a"}))
        for number, user in enumerate(users)
    ]
    achievement = ("/Achievements", "a", _achievement(issuer))
    others = [("/Users", f"u{number}", numbered_user(number)) for number in range(most)]
    return {
        name: Side(target.port, (target.request("POST", "/Bulk", body),), weight=most, connections=1)
        for name, body in (("ours", bulk([achievement, *awards])), ("users", bulk(others)))
    }


def _users(target: Target, number: int) -> list[str]:
    """The ids of so many users, who are made."""
    made = ask_now(target, target.request("POST", "/Bulk", bulk([("/Users", f"u{one}", numbered_user(one)) for one in range(number)])))
    return [one["location"].rpartition("/")[2] for one in json.loads(made.body)["Operations"]]


def _achievement(issuer: str) -> bytes:
    return _body(
        "Achievement",
        displayName=f"Badge {NUMBER.decode()}",
        kind="mini",
        description="What it stands for.",
        criteria={"narrative": "Do it."},
        creator={"value": issuer},
    )


def _body(type_: str, **attributes: Any) -> bytes:
    return json.dumps({"schemas": [_URN + type_], **attributes}, separators=(",", ":")).encode()


QUESTION: Final = Question("award_bulk", "999 awards by /Bulk, awards", _sides, (ratio_of_throughput("users", 0.4),), peer=False)
