"""Searches that no index serves: counted, and named in the log by their shape, never with what was sought."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from typing import Final

from scimsrv.filter.render import shape
from scimsrv.observe import Searched, observe, tenant_asked
from scimsrv.protocol.plan import Query
from scimsrv.words import shape_label, type_label

log = logging.getLogger("scimsrv.search")

#: Seconds for which a shape is not named again.
QUIET: Final = 60.0

#: Shapes that are remembered, of each tenant's searches.
_SHAPES: Final = 1_000

_named: OrderedDict[tuple[str, str, str], float] = OrderedDict()


def note_indexed(plan: Query) -> None:
    """Count a search that an index serves."""
    names = [target.schema.name for target in plan.targets]
    observe(Searched(type_label(names), None))


def note_unindexed(plan: Query) -> None:
    """Count the search, and log its shape unless that was done for this tenant a moment ago: an administrator can mark the attribute as
    indexed."""
    names = [target.schema.name for target in plan.targets]
    types = ", ".join(names)
    sought = "no filter" if plan.tree is None else shape(plan.tree)
    sorts = {target.sort.name for target in plan.targets if target.sort is not None}
    text = sought + "".join(f", sorted by {name}" for name in sorted(sorts))
    tenant = tenant_asked()
    observe(Searched(*shape_label(names, text), tenant))
    now, key = time.monotonic(), (tenant, types, text)
    if now - _named.get(key, -QUIET) < QUIET:
        return
    _named[key] = now
    if len(_named) > _SHAPES:
        _named.popitem(last=False)
    log.warning("no index serves a search of %s: %s", types, text[:500])
