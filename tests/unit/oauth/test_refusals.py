"""What the operator is told of refused tokens: each rule once a minute for a tenant, and not more than can be read."""

from __future__ import annotations

import pytest

from scimsrv.oauth.jose import TokenRefused
from scimsrv.oauth.refusals import Refusals


def test_each_rule_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """Repetitions are not told; other tenants, other rules and the next minute are."""
    times = [0.0]
    refusals = Refusals(lambda: times[-1])
    for now in (0.0, 1.0, 59.0, 60.0, 61.0):
        times.append(now)
        refusals.tell("acme", "jwt", TokenRefused("exp"))
    refusals.tell("globex", "jwt", TokenRefused("exp"))
    refusals.tell("acme", "exchange", TokenRefused("pin", "aud"))
    assert [record.getMessage().split()[4] for record in caplog.records] == ["acme", "acme", "globex", "acme"]


def test_a_flood_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """Of ten thousand tenants' refusals in a minute a hundred are told."""
    times = [0.0]
    refusals = Refusals(lambda: times[-1])
    for number in range(10_000):
        refusals.tell(f"t{number}", "jwt", TokenRefused("iss"))
    assert len(caplog.records) == 100
    times.append(60.0)
    refusals.tell("acme", "jwt", TokenRefused("iss"))
    assert len(caplog.records) == 101
