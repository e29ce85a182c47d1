"""The comparison of rows in the kit for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hopyard.testing.frames import assert_same_rows


def test_rows_in_any_order_are_paired_whatever_their_zones_are_called() -> None:
    key, later = datetime(2024, 10, 4, tzinfo=UTC), datetime(2024, 10, 5, tzinfo=UTC)
    elsewhere = key.astimezone(ZoneInfo("UTC"))
    found = [{"key": key, "at": later}, {"key": elsewhere, "at": key}]
    assert_same_rows(found, [{"key": key, "at": key}, {"key": key, "at": later}], any_order=True)
