"""Both implementations of baking, for every test that says what they do."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from scimsrv.badges import baking


def native() -> Any:
    """Return the Rust implementation, None where it is not installed."""
    try:
        return importlib.import_module("scimsrv_badges")
    except ImportError:
        return None


@pytest.fixture(scope="session", params=["python", "rust"])
def bakery(request: pytest.FixtureRequest) -> Any:
    """The module with the functions: Python's, then Rust's; skipped where the wheel is not installed."""
    if request.param == "python":
        return baking
    return rust_or_skip()


@pytest.fixture(scope="session")
def rust() -> Any:
    """The Rust implementation; skipped where the wheel is not installed."""
    return rust_or_skip()


def rust_or_skip() -> Any:
    """Return the Rust implementation or skip the test."""
    module = native()
    if module is None:
        pytest.skip("scimsrv-badges is not installed (make wheel)")
    return module
