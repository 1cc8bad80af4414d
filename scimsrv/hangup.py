"""SIGHUP before there is a server that takes it: it is kept for it. Nothing is imported here that takes long."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Final

#: SIGHUP came before there was a server.
early: Final = threading.Event()


def keep(_number: int, _frame: FrameType | None) -> None:
    """Take SIGHUP."""
    early.set()


def keep_from_now() -> None:
    """Let SIGHUP not end the process any more."""
    signal.signal(signal.SIGHUP, keep)
