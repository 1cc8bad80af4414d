"""A word in the log for the userName that a request names, by which its lines are found and from which nobody learns the name."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any, Final

from scimsrv.filter.tree import And, Compare, Filter
from scimsrv.observe import CURRENT
from scimsrv.protocol.plan import Insert, Overwrite, Plan, Query
from scimsrv.schema.attribute import Attribute, Uniqueness, fold_name
from scimsrv.schema.semantics import Op, key_of

_USER_NAME: Final = Attribute("userName", uniqueness=Uniqueness.SERVER)

#: Hexadecimal digits of a word: enough to tell people apart, whatever else a log holds.
_DIGITS: Final = 16


def pseudonym(key: bytes, tenant: str, user_name: str) -> str:
    """The word for a userName of a tenant, the same for each way to write it; another one in another tenant."""
    text = f"{tenant}\x00{key_of(_USER_NAME, user_name)}"
    return hmac.digest(key, text.encode(errors="surrogatepass"), hashlib.sha256).hex()[:_DIGITS]


class Pseudonyms:
    """Notes the word of the present request; `key` is the server's for this."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def note(self, tenant: str, plan: Plan) -> None:
        """Keep the word for the userName that the request gives to a user, or seeks."""
        exchange, name = CURRENT.get(), _user_name(plan)
        if exchange is not None and isinstance(name, str):
            exchange.user_hash = pseudonym(self._key, tenant, name)


def _user_name(plan: Plan) -> Any:
    match plan:
        case Insert() | Overwrite() if plan.schema.name == "User":
            return plan.draft.document.get("userName")
        case Query() if plan.tree is not None:
            return next(_sought(plan.tree), None)
        case _:
            return None


def _sought(tree: Filter) -> Iterator[Any]:
    """The userNames that a filter demands."""
    match tree:
        case Compare(name, Op.EQ, literal) if fold_name(name.text).rpartition(":")[2] == "username":
            yield literal
        case And(parts):
            for part in parts:
                yield from _sought(part)
        case _:
            return
