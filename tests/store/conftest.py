"""Fixtures of the tests of the store."""

from __future__ import annotations

import pytest

from tests.store.support import Walled


@pytest.fixture(autouse=True)
def _walled(isolation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the scopes of the test behind row-level security where that is asked for."""
    monkeypatch.setattr(Walled, "wanted", isolation == "rls")
