"""What the audit chain's hashes cover."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from scimsrv.audit.chain import moment

EAST = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize("zone", [UTC, EAST], ids=str)
@pytest.mark.parametrize("microsecond", [0, 1, 10, 120_000, 999_999])
@pytest.mark.parametrize("year", [2, 1_000, 2_026, 9_999])
def test_moments_have_one_form(year: int, microsecond: int, zone: timezone) -> None:
    """However a time is given, a record has it in UTC with all six digits, as those have it that were sealed before."""
    at = datetime(year, 2, 3, 4, 5, 6, microsecond, zone)
    assert moment(at) == at.astimezone(UTC).isoformat(timespec="microseconds")
