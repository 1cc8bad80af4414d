"""Searches that no index serves: counted, and named in the log by their shape, never with what was sought."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from typing import Final

from scimsrv.filter.render import shape
from scimsrv.metrics import FILTER_FALLBACK
from scimsrv.protocol.plan import Query

log = logging.getLogger("scimsrv.search")

#: Seconds for which a shape is not named again.
QUIET: Final = 60.0

#: Shapes that are remembered.
_SHAPES: Final = 1_000

_named: OrderedDict[tuple[str, str], float] = OrderedDict()


def note_unindexed(plan: Query) -> None:
    """Count the search, and log its shape unless that was done a moment ago: an administrator can mark the attribute as indexed."""
    FILTER_FALLBACK.inc()
    types = ", ".join(target.schema.name for target in plan.targets)
    sought = "no filter" if plan.tree is None else shape(plan.tree)
    sorts = {target.sort.name for target in plan.targets if target.sort is not None}
    text = sought + "".join(f", sorted by {name}" for name in sorted(sorts))
    now = time.monotonic()
    if now - _named.get((types, text), -QUIET) < QUIET:
        return
    _named[types, text] = now
    if len(_named) > _SHAPES:
        _named.popitem(last=False)
    log.warning("no index serves a search of %s: %s", types, text[:500])
