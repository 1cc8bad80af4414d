"""Which names have a label of their own in metrics: so many and no more, those that are met often before those that are met once.

A label is never taken away again: a counter that changes hands, or goes and comes back, means nothing. So labels become dearer instead as
they become few: the first half goes to whoever comes, each of the last to what was met a thousand times meanwhile.
"""

from __future__ import annotations

import fcntl
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Final

from scimsrv.words import OTHER

#: Names without a label whose visits are counted; when there are more, all counts are halved, so that those met once go.
_COUNTED: Final = 10_000

#: Steps in which the price of a label doubles, from the first of the second half to the last.
_STEPS: Final = 10

#: Seconds between two looks at what other processes gave labels to.
_LOOK: Final = 1.0


def price(given: int, most: int) -> int:
    """How often a name has to be met to get a label, where so many of `most` are given."""
    dear = given - (most + 1) // 2
    return 1 if dear < 0 else 2 ** (1 + dear * _STEPS // (most - (most + 1) // 2 + 1))


class Visits:
    """How often names that have no label were met."""

    def __init__(self) -> None:
        self._numbers: Counter[str] = Counter()

    def met(self, name: str) -> int:
        """Meet it once more; how often that was."""
        if len(self._numbers) >= _COUNTED and name not in self._numbers:
            self._numbers = Counter({one: number // 2 for one, number in self._numbers.items() if number > 1})
        self._numbers[name] += 1
        return self._numbers[name]

    def forget(self, name: str) -> None:
        """It has a label now."""
        del self._numbers[name]


class Shares:
    """Labels for names that somebody brings: so many for all together, and so many for what one brings."""

    def __init__(self, most: int, each: int) -> None:
        self._most, self._each = most, each
        self._owners: dict[str, str] = {}
        self._brought: Counter[str] = Counter()
        self._visits = Visits()

    def label(self, name: str, owner: str) -> str:
        """The name's label, which it gets when it was met often enough and its owner has not brought too many."""
        if name in self._owners:
            return name
        given = len(self._owners)
        if given >= self._most or self._brought[owner] >= self._each or self._visits.met(name) < price(given, self._most):
            return OTHER
        self._visits.forget(name)
        self._owners[name] = owner
        self._brought[owner] += 1
        return name


class Allowance:
    """Labels for up to `most` tenants, the same ones in every process of a server, until that is started anew.

    `path` is a file that the processes share.
    """

    def __init__(self, most: int, path: Path | None = None) -> None:
        self.most = most
        self._path = path
        self._known: set[str] = set()
        self._visits = Visits()
        self._lock = threading.Lock()
        self._full = most == 0
        self._looked = float("-inf")

    def met(self, tenant: str) -> str:
        """The label of a tenant that does something, which it gets when it did so often enough."""
        if tenant in self._known or not tenant:
            return tenant
        if self._full:
            return OTHER if self.most else ""
        with self._lock:
            if self._visits.met(tenant) >= price(len(self._known), self.most):
                self._admit(tenant, admit=True)
            elif self._path is not None and time.monotonic() - self._looked > _LOOK:
                self._admit(tenant, admit=False)
            if tenant in self._known:
                self._visits.forget(tenant)
        return tenant if tenant in self._known else OTHER

    def label(self, tenant: str, *, admit: bool = True) -> str:
        """The tenant's label, which it gets unless `admit` is False. None is allowed where `most` is 0: then every label is empty."""
        if tenant in self._known or not tenant:
            return tenant
        if self._full:
            return OTHER if self.most else ""
        if admit or self._path is not None:
            with self._lock:
                self._admit(tenant, admit=admit)
        return tenant if tenant in self._known else OTHER

    def _admit(self, tenant: str, *, admit: bool) -> None:
        if self._path is None:
            if admit and len(self._known) < self.most:
                self._known.add(tenant)
        else:
            self._looked = time.monotonic()
            with self._path.open("a+", encoding="ascii") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                self._known.update(file.read().split())
                if admit and tenant not in self._known and len(self._known) < self.most:
                    file.write(f"{tenant}\n")
                    self._known.add(tenant)
        self._full = len(self._known) >= self.most
