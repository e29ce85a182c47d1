"""What tests of feature pipelines need: a store with a settable clock, small frames, assertions, and the rules of
point-in-time queries in plain Python."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hopyard.testing.asserts import assert_no_leakage, assert_same_online_offline
    from hopyard.testing.frames import assert_same_rows, exact, frame, hours
    from hopyard.testing.store import InjectedError, ManualClock, close_store, fail_at, open_store

_HOMES = {
    "InjectedError": "hopyard.testing.store",
    "ManualClock": "hopyard.testing.store",
    "assert_no_leakage": "hopyard.testing.asserts",
    "assert_same_online_offline": "hopyard.testing.asserts",
    "assert_same_rows": "hopyard.testing.frames",
    "close_store": "hopyard.testing.store",
    "exact": "hopyard.testing.frames",
    "fail_at": "hopyard.testing.store",
    "frame": "hopyard.testing.frames",
    "hours": "hopyard.testing.frames",
    "open_store": "hopyard.testing.store",
}

__all__ = [
    "InjectedError",
    "ManualClock",
    "assert_no_leakage",
    "assert_same_online_offline",
    "assert_same_rows",
    "close_store",
    "exact",
    "fail_at",
    "frame",
    "hours",
    "open_store",
]


def __getattr__(name: str) -> Any:
    """Return a public name, importing its home on first use: the oracle, beside them, shares nothing with them."""
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'hopyard.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
