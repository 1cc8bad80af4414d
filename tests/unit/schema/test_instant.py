"""dateTime values: which texts are one, which instant they mean, and the form in which the server writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scimsrv.schema.semantics import instant, timestamp


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"),
        ("2026-01-31T12:00:00z", "2026-01-31T12:00:00.000Z"),
        ("2026-01-31T12:00:00", "2026-01-31T12:00:00.000Z"),
        ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00.000Z"),
        ("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00.000Z"),
        ("2026-01-31T12:00:00-05:30", "2026-01-31T17:30:00.000Z"),
        ("2026-01-31T12:00:00-00:00", "2026-01-31T12:00:00.000Z"),
        ("2026-01-31T12:00:00+14:00", "2026-01-30T22:00:00.000Z"),
        ("2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.500Z"),
        ("2026-01-31T12:00:00.123999Z", "2026-01-31T12:00:00.123Z"),
        ("2026-01-31T12:00:00.123456789012Z", "2026-01-31T12:00:00.123Z"),
        ("2026-01-31T24:00:00Z", "2026-02-01T00:00:00.000Z"),
        ("2024-02-29T24:00:00+01:00", "2024-02-29T23:00:00.000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_read(text: str, expected: str) -> None:
    """Offsets are applied, no offset means UTC, fractions are cut to milliseconds, 24:00:00 is the next day."""
    assert timestamp(instant(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-01-31",
        "2026-01-31 12:00:00Z",
        "2026-01-31T12:00Z",
        "2026-01-31T12:00:00 Z",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00,5Z",
        "2026-1-31T12:00:00Z",
        "26-01-31T12:00:00Z",
        "-2026-01-31T12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2025-02-29T12:00:00Z",
        "2026-13-01T12:00:00Z",
        "2026-00-01T12:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-01-31T25:00:00Z",
        "2026-01-31T24:00:01Z",
        "2026-01-31T24:00:00.001Z",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:60Z",
        "2026-01-31T12:00:00+15:00",
        "2026-01-31T12:00:00+02:60",
        "2026-01-31T12:00:00+0200",
        "2026-01-31T12:00:00Z\n",
        "٢٠٢٦-01-31T12:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "9999-12-31T24:00:00Z",
    ],
)
def test_refused(text: str) -> None:
    """Everything else is refused with a sentence that says what is wanted, leap seconds included."""
    with pytest.raises(ValueError, match="must be a dateTime"):
        instant(text)


_MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive by contract


@given(_MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_written_and_read_again(moment: datetime, offset: int) -> None:
    """What is written has a fixed width and reads as the same millisecond, whatever the zone it was given in."""
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    zoned = moment.astimezone(timezone(timedelta(minutes=offset)))
    assert len(timestamp(zoned)) == 24
    assert instant(timestamp(zoned)) == moment
    assert instant(zoned.isoformat(timespec="milliseconds")) == moment


@given(_MOMENTS, _MOMENTS)
def test_text_order_is_time_order(one: datetime, other: datetime) -> None:
    """Written instants sort as text in the order of time."""
    one, other = (moment.replace(microsecond=moment.microsecond // 1000 * 1000) for moment in (one, other))
    assert (timestamp(one) < timestamp(other)) == (one < other)
