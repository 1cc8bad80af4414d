"""How long and how hard the experiments run: short in every test run, long with `make test-faults`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_SECONDS: Final = float(os.environ.get("FAULT_SECONDS", "0"))

#: Whether this is the long form, in which times of recovery are asserted too: the short one shares its machine with other tests.
LONG: Final = _SECONDS > 0

#: What every load is made from; a run is repeated by giving the seed that it printed.
SEED: Final = int(os.environ.get("FAULT_SEED", "1"))

#: Clients at once.
CLIENTS: Final = 16 if LONG else 6


def seconds(short: float) -> float:
    """The length of a load: as given for the long form, or short."""
    return _SECONDS or short


def kept(folder: Path, name: str) -> Path:
    """Where a history is kept: in the folder named by FAULT_DIR, or in the test's own."""
    place = Path(os.environ.get("FAULT_DIR", folder))
    place.mkdir(parents=True, exist_ok=True)
    return place / f"{name}.jsonl"


def report(line: str) -> None:
    """Tell what was measured; `make test-faults` shows it."""
    print(f"\n  {line}")
