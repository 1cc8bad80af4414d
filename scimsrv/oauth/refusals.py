"""What the operator is told of tokens that are refused: the rule that one breaks, which whoever sent it does not learn."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from scimsrv.oauth.jose import TokenRefused
from scimsrv.observe import denied

log: Final = logging.getLogger("scimsrv.auth")

#: Seconds in which it is told once by which rule a tenant's tokens are refused, and how often there may be told anything in that time.
_PAUSE: Final = 60.0
_MOST: Final = 100


class Refusals:
    """Tells of refusals: once a minute for each tenant and rule, and not too often in all, however many come."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: OrderedDict[tuple[str, str], float] = OrderedDict()

    def tell(self, slug: str, method: str, refused: TokenRefused) -> None:
        """A JWT for the tenant with this slug was refused. `method` says what it was shown as: jwt, assertion or exchange."""
        denied(method, refused.rule)
        rule, now = str(refused), self._clock()
        while self._told and next(iter(self._told.values())) <= now - _PAUSE:
            self._told.popitem(last=False)
        if (slug, rule) not in self._told and len(self._told) < _MOST:
            self._told[slug, rule] = now
            log.warning("a JWT for tenant %s was refused by the rule on %s", slug, rule)
