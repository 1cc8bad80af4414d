"""Which tenants have a label of their own in metrics: so many and no more, the same ones in every process of a server."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

from scimsrv.words import OTHER


class Allowance:
    """The first `most` tenants that ask have a label; all others share one, until the server is started anew.

    A label is never taken away again: counters that change hands mean nothing. `path` is a file that the processes of a server share.
    """

    def __init__(self, most: int, path: Path | None = None) -> None:
        self.most = most
        self._path = path
        self._known: set[str] = set()
        self._lock = threading.Lock()
        self._full = most == 0

    def label(self, tenant: str, *, admit: bool = True) -> str:
        """The tenant's label, which it gets unless `admit` is False. None is allowed where `most` is 0: then every label is empty."""
        if tenant in self._known or not tenant:
            return tenant
        if self._full:
            return OTHER if self.most else ""
        with self._lock:
            self._admit(tenant, admit=admit)
        return tenant if tenant in self._known else OTHER

    def _admit(self, tenant: str, *, admit: bool) -> None:
        if self._path is None:
            if admit and len(self._known) < self.most:
                self._known.add(tenant)
        else:
            with self._path.open("a+", encoding="ascii") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                self._known.update(file.read().split())
                if admit and tenant not in self._known and len(self._known) < self.most:
                    file.write(f"{tenant}\n")
                    self._known.add(tenant)
        self._full = len(self._known) >= self.most
