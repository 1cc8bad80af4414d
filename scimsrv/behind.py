"""Work behind the requests: a task that begins with the server and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod


class Behind(ABC):
    """One task, from `start` until `stop`."""

    _task: asyncio.Task[None] | None = None

    @abstractmethod
    async def _run(self) -> None:
        """What the task does, without an end of its own."""

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End within what is being done; where it is a transaction, that is undone."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
