"""An entry of the log: the request, or one operation of a bulk request, and the change that it led to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

#: Members of a group that an entry names; of more it is said how many.
NAMED: Final = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """What is stored, and nothing else: words of the program, names of schemas, numbers and ids.

    `number` counts the tenant's entries in the order in which they were written; `operation` is the place in a bulk request, counted
    from 1. `route` is a template, `token` the short id of the credential (None: nobody was let in), `client` a word of
    scimsrv.activity.clients. `result` is the word for what became of it, `reason` the one for why it was refused; `scim_type` and
    `detail` are those of the error that was sent, the latter without what the client wrote. `changed` is the operation of the change
    (None: nothing changed) and `version` the resource's after it, `attributes` what an update changed, `active` what that was set to,
    `added` and `removed` members of a group. `later` says that what was asked for is told by entries of what carried it out.
    """

    number: int
    at: datetime
    request_id: str
    correlation: str | None
    operation: int | None
    token: str | None
    client: str
    method: str
    route: str
    op: str | None
    type: str | None
    resource: str | None
    status: int
    result: str
    reason: str | None
    scim_type: str | None
    detail: str | None
    milliseconds: float
    changed: str | None
    version: int | None
    attributes: Sequence[str]
    coercions: Sequence[str]
    active: bool | None
    added: Sequence[str]
    removed: Sequence[str]
    number_added: int
    number_removed: int
    later: bool = False
