"""What `make hashes` takes for a failure."""

from __future__ import annotations

import io
from copy import deepcopy
from typing import Any

import pytest
from rich.console import Console

from hashes.run import LIBRARIES, report

MADE: dict[str, Any] = {
    "libraries": dict.fromkeys(LIBRARIES, "1.0"),
    "hashes": {"by hash": {"train": [2, "a" * 64, "b" * 32, "c" * 64, "d" * 32]}},
}
NAMED = [f"{name} is 2.0 now, and was 1.0" for name in LIBRARIES]


@pytest.fixture
def again() -> dict[str, Any]:
    return {
        "libraries": dict.fromkeys(LIBRARIES, "2.0"),
        "hashes": deepcopy(MADE["hashes"]),
        "verified": [["same", []]],
    }


def failures(again: dict[str, Any]) -> list[str]:
    return report(Console(file=io.StringIO()), MADE, again)


def test_the_same_is_fine(again: dict[str, Any]) -> None:
    assert failures(again) == []


def test_other_values_before_transformation_are_a_failure(again: dict[str, Any]) -> None:
    again["hashes"]["by hash"]["train"][1] = "e" * 64
    again["verified"] = [["different", NAMED]]
    assert failures(again) == ["by hash, train: other values before transformation"]


def test_other_values_after_it_are_fine_if_the_libraries_are_named(again: dict[str, Any]) -> None:
    again["hashes"]["by hash"]["train"][3] = "e" * 64
    again["verified"] = [["different", NAMED]]
    assert failures(again) == []
    again["verified"] = [["different", NAMED[1:]]]
    assert failures(again) == [f"by hash: verify() does not name {list(LIBRARIES)}"]


def test_a_verification_that_says_something_else_is_a_failure(again: dict[str, Any]) -> None:
    again["verified"] = [["cannot tell", ["the table is gone"]]]
    assert failures(again) == ["by hash: verify() says cannot tell"]
    again["verified"] = [["same", []]]
    again["hashes"]["by hash"]["train"][3] = "e" * 64
    assert failures(again) == ["by hash: verify() says same"]


def test_libraries_that_are_the_same_prove_nothing(again: dict[str, Any]) -> None:
    again["libraries"]["numpy"] = "1.0"
    assert failures(again) == ["the libraries that differ are only ['duckdb', 'pyarrow', 'deltalake']"]
