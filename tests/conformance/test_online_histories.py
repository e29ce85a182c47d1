"""Whatever happens to an online group, in whatever order: its online rows are the newest ones of its last commit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histories import HISTORIES, Step, World
from hopyard.errors import HopyardWarning


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("histories"))
    yield made
    made.project.session.online.close()


@settings(max_examples=300)
@given(history=HISTORIES, has_ttl=st.booleans())
def test_online_rows_are_the_newest_rows(world: World, history: list[Step], *, has_ttl: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HopyardWarning)  # of rows that come twice in a frame
        world.play(history, has_ttl=has_ttl)
