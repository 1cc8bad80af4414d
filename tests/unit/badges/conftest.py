"""Both implementations of baking, and an office that may fetch, for every test that says what they do."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection
from typing import Any, cast

import pytest

from scimsrv.badges import baking
from scimsrv.badges.contexts import load
from scimsrv.badges.integrity import Canonicalizer
from scimsrv.oauth.fetching import Fetcher
from scimsrv.openbadges.office import Office
from tests.unit.badges.web import Web


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


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Office]:
    """Make an office without tenants that may fetch lists and issuers' keys from these hosts, where the pages of a web are."""

    def make(web: Web, *hosts: str, issuers: Collection[str] = ()) -> Office:
        monkeypatch.setattr(Fetcher, "fetch", lambda fetcher, url: web.fetch(fetcher, url))
        canonicalizer = Canonicalizer(load(None))
        return Office.of(cast("Any", None), cast("Any", None), canonicalizer, "https://badges.example.org", hosts, issuers)

    return make
