"""Fixtures of the tests of the store."""

from __future__ import annotations

from typing import Final

import pytest

from tests.store.support import Walled

#: Tests that look at what Postgres plans and is sent, which is another matter with row-level security, or that have roles of their own.
_UNWALLED: Final = frozenset(
    {"test_plans", "test_plans_of_writes", "test_statements", "test_failure", "test_migration_2", "test_audit_roles"}
)


@pytest.fixture(autouse=True)
def _walled(request: pytest.FixtureRequest, isolation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the scopes of the test behind row-level security where that is asked for."""
    monkeypatch.setattr(Walled, "wanted", isolation == "rls" and request.path.stem not in _UNWALLED)
