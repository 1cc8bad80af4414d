"""What a mutant is, and the table of all mutants."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

import tests.conformance.mutants


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake: `apply` puts it into the modules of scimsrv in this process; `mistake` says what is wrong then."""

    name: str
    mistake: str
    apply: Callable[[], None]


MUTANTS: dict[str, Mutant] = {}


def mutant(function: Callable[[], None]) -> Callable[[], None]:
    """Register the function under its own name; its docstring is the mistake."""
    name = function.__name__
    mistake = (function.__doc__ or "").strip().splitlines()
    if not mistake or name in MUTANTS:
        raise ValueError(f"{name}: a mutant needs a docstring and a name of its own")
    MUTANTS[name] = Mutant(name, mistake[0], function)
    return function


def variant(name: str, mistake: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register one of several functions that a loop makes, under a name and with a mistake of its own."""

    def register(function: Callable[[], None]) -> Callable[[], None]:
        function.__name__, function.__doc__ = name, mistake
        return mutant(function)

    return register


def load() -> dict[str, Mutant]:
    """Import every module of mutants, which register themselves, and return the table."""
    for module in pkgutil.iter_modules(tests.conformance.mutants.__path__):
        if module.name.startswith("in_"):
            importlib.import_module(f"tests.conformance.mutants.{module.name}")
    return MUTANTS
