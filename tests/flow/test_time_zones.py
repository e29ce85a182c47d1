"""The time zone of the machine changes no answer: the tests about time pass in four of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SUBSET = [
    "conformance/test_point_in_time.py",
    "conformance/test_filters.py",
    "conformance/test_time_travel.py",
    "unit/test_names_time_types.py",
]
ABOUT_TIME = (
    "(one_statement and (event_time or ttl or age or before_1970 or microsecond or nested)) or "
    "(test_values_compare_exactly and (date or timestamp)) or test_time_travel or "
    "(names_time_types and (instant or datetime or moment or text_means or zone or micros))"
)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Apia"])
def test_tests_about_time_pass_in_every_zone(zone: str) -> None:
    environment = {**os.environ, "TZ": zone, "HYPOTHESIS_PROFILE": "quick"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", ABOUT_TIME]
    command = [sys.executable, "-m", "pytest", *options, *SUBSET]
    seen = f"import time; assert time.tzname[0] != 'UTC' or {zone!r} == 'UTC'"
    subprocess.run([sys.executable, "-c", seen], env=environment, check=True)  # the zone is known here
    done = subprocess.run(command, env=environment, cwd=TESTS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-2_000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 60, "the tests about time have other names now"
