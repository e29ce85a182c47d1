"""The comparison of rows in the kit for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hopyard.testing.frames import assert_same_rows


def test_rows_in_any_order_are_paired_whatever_their_zones_are_called() -> None:
    early, late = datetime(2024, 10, 4, 0, tzinfo=UTC), datetime(2024, 10, 4, 1, tzinfo=UTC)
    utc = ZoneInfo("UTC")
    found = [{"at": late}, {"at": early.astimezone(utc)}]
    assert_same_rows(found, [{"at": early}, {"at": late}], any_order=True)
    assert_same_rows(found, [{"at": early.astimezone(utc)}, {"at": late.astimezone(utc)}], any_order=True)
