"""Points in time in every form that programs use."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pandas as pd
import pytest

from hopyard.compat.hsfs.times import commit_milliseconds, commit_text, instant


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("20201114", datetime(2020, 11, 14)),
        ("2020-11-14", datetime(2020, 11, 14)),
        ("2020/11/14 19", datetime(2020, 11, 14, 19)),
        ("2020-11-14 19:05", datetime(2020, 11, 14, 19, 5)),
        ("20201114190503", datetime(2020, 11, 14, 19, 5, 3)),
        ("2020-11-14 19:05:03.250", datetime(2020, 11, 14, 19, 5, 3, 250_000)),
        ("20201114190503250", datetime(2020, 11, 14, 19, 5, 3, 250_000)),
        ("2020-11-14T19:05:03Z", datetime(2020, 11, 14, 19, 5, 3)),
        ("2020-11-14T19:05:03.123456Z", datetime(2020, 11, 14, 19, 5, 3, 123_456)),
        ("2020-11-14T21:05:03+02:00", datetime(2020, 11, 14, 19, 5, 3)),
        (date(2020, 11, 14), datetime(2020, 11, 14)),
        (datetime(2020, 11, 14, 5), datetime(2020, 11, 14, 5)),
        (datetime(2020, 11, 14, 5, tzinfo=timezone(timedelta(hours=1))), datetime(2020, 11, 14, 4)),
        (pd.Timestamp("2020-11-14 05:00"), datetime(2020, 11, 14, 5)),
        (1_605_380_703, datetime(2020, 11, 14, 19, 5, 3)),
        (1_605_380_703_250, datetime(2020, 11, 14, 19, 5, 3, 250_000)),
    ],
)
def test_forms(value: Any, expected: datetime) -> None:
    assert instant(value) == expected.replace(tzinfo=UTC)


@pytest.mark.parametrize("value", [None, 0, ""])
def test_nothing(value: Any) -> None:
    assert instant(value) is None


@pytest.mark.parametrize("value", ["yesterday", "2020-11", "20201332", [], "2020111419050325012345"])
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="Unable to identify format of the provided date value"):
        instant(value)


def test_commit_times_are_rounded_up() -> None:
    assert commit_milliseconds(1_605_380_703_250_001) == 1_605_380_703_251
    assert commit_milliseconds(1_605_380_703_250_000) == 1_605_380_703_250
    assert instant(commit_text(1_605_380_703_251)) == instant(1_605_380_703_251)
