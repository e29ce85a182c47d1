"""Random histories with crashes: the online table holds the newest rows, byte for byte, whatever happened."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from online_histories import History, Stores, layouts, play

pytestmark = pytest.mark.filterwarnings("ignore::hopyard.errors.HopyardWarning")
EXAMPLES = settings(
    max_examples=3 * settings.default.max_examples,  # type: ignore[union-attr]
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)


@pytest.fixture(scope="module")
def stores() -> Iterator[Stores]:
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(
        prefix="hopyard-online-", dir=place, ignore_cleanup_errors=True
    ) as folder:
        made = Stores(Path(folder) / "store")
        yield made
        made.close()


@EXAMPLES
@given(data=st.data())
def test_online_holds_the_newest_rows_whatever_happened(data: st.DataObject, stores: Stores) -> None:
    history = History(stores, data.draw(layouts()), f"g{next(stores.numbers)}")
    play(history, data)
    event(f"died {min(history.n_died, 3)} times")
