"""The online store cannot be written for a while: commits stand, errors say so truthfully, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from hopyard.config import Config
from hopyard.connect import open_session
from hopyard.errors import OnlineBehindError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.session import Session
from hopyard.testing.store import InjectedError, open_store
from parity import online_lock


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A session that gives up on the online store at once."""
    config = Config(root=tmp_path / "store", actor="test", online_timeout_seconds=0.01)
    return open_session(config)


@pytest.fixture
def group(session: Session) -> FeatureGroup:
    group = FeatureStore(session).create_feature_group("levels", primary_key="tank", online_enabled=True)
    group.insert([{"tank": 1, "level": 1.0}])
    return group


@contextmanager
def busy_online_store(session: Session) -> Iterator[None]:
    """Let somebody else hold the online store's writer lock: every write to it times out."""
    held: AbstractContextManager[None] = online_lock(session, timeout_seconds=60)
    with held:
        yield


def online_levels(session: Session, group: FeatureGroup, tanks: list[int]) -> list[float | None]:
    fs = FeatureStore(session)
    view = fs.get_or_create_feature_view("levels", group.select(["level"]))
    view.init_serving()
    entries = [{"tank": tank} for tank in tanks]
    return [row[0] for row in view.get_feature_vectors(entries, allow_missing=True)]


def test_an_insert_commits_though_the_store_was_behind_already(session: Session, group: FeatureGroup) -> None:
    with busy_online_store(session):
        with pytest.raises(OnlineBehindError) as first:
            group.insert([{"tank": 2, "level": 2.0}])
        with pytest.raises(OnlineBehindError) as second:
            group.insert([{"tank": 3, "level": 3.0}])

    # Both errors say that the commit stands and must not be repeated: so it must be there.
    assert (first.value.commit, first.value.behind) == (2, 1)
    assert (second.value.commit, second.value.behind) == (3, 2)
    rows = group.read(order_by=["tank"], dataframe_type="python")
    assert [row["tank"] for row in rows] == [1, 2, 3]
    assert online_levels(session, group, [1, 2, 3]) == [1.0, None, None]

    group.insert([{"tank": 4, "level": 4.0}])
    assert online_levels(session, group, [1, 2, 3, 4]) == [1.0, 2.0, 3.0, 4.0]


def test_catching_up_by_hand(session: Session, group: FeatureGroup) -> None:
    with busy_online_store(session), pytest.raises(OnlineBehindError):
        group.remove_rows([{"tank": 1}])

    assert group.catch_up_online() == 1
    assert group.catch_up_online() == 0
    assert online_levels(session, group, [1]) == [None]


def test_a_retry_with_a_known_commit_id_brings_the_online_store_up_to_date(
    session: Session, group: FeatureGroup
) -> None:
    rows = [{"tank": 2, "level": 2.0}]
    with busy_online_store(session), pytest.raises(OnlineBehindError) as behind:
        group.insert(rows, commit_id="batch-2")

    assert group.insert(rows, commit_id="batch-2").number == behind.value.commit
    assert online_levels(session, group, [2]) == [2.0]


def test_features_are_appended_though_the_store_is_behind(session: Session, group: FeatureGroup) -> None:
    with busy_online_store(session):
        with pytest.raises(OnlineBehindError):
            group.insert([{"tank": 2, "level": 2.0}])
        with pytest.raises(OnlineBehindError) as behind:
            group.append_features({"depth": "double"}, defaults={"depth": 5.0})
    assert behind.value.behind == 2

    again = FeatureStore(session).get_feature_group("levels")
    assert again.read(order_by=["tank"], dataframe_type="python") == [
        {"tank": 1, "level": 1.0, "depth": 5.0},
        {"tank": 2, "level": 2.0, "depth": 5.0},
    ]
    assert again.catch_up_online() == 2


def test_a_group_whose_first_insert_stops_after_its_commit_is_stored(tmp_path: Path) -> None:
    stops = ["after_offline_commit"]

    def failpoint(point: str) -> None:
        if point in stops:
            stops.remove(point)
            raise InjectedError(point)

    fs = open_store(tmp_path / "store", failpoint=failpoint).get_feature_store()
    group = fs.create_feature_group("levels", primary_key="tank", online_enabled=True)
    with pytest.raises(InjectedError):
        group.insert([{"tank": 1, "level": 1.0}])

    # The object goes on with the group that is there: a second insert makes no second version.
    assert group.version == 1
    group.insert([{"tank": 2, "level": 2.0}])
    assert [found.version for found in fs.list_feature_groups("levels")] == [1]
    assert len(group.read(dataframe_type="python")) == 2
