"""Names, values and dataframes that look like code: they stay data in every kind of query, or are refused at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conformance.test_filters import HOSTILE
from groups import column, make_group
from hopyard.errors import HopyardError, InvalidNameError
from hopyard.feature_store import FeatureStore
from hopyard.project import Project
from hopyard.testing.frames import frame
from variants import VARIANTS, in_variant

VALUES = [*HOSTILE, "%", "_", "\\%", "a" * 1_000_000]
NAMES = [
    "", "'", '"', "`", "a b", "a'b", 'a"b', "a`b", "a;drop table x", "a--", "a/*", "a\nb", "a\x00b", "\u202ea", "Ä",
    "A", "1a", "__row", "a.b", "a" * 64, "select 1", "${a}", "a\\",
]  # fmt: skip


@pytest.fixture(params=VARIANTS)
def fs(request: pytest.FixtureRequest, store: Project) -> FeatureStore:
    """Return a feature store that runs queries in one of the ways that must not differ."""
    return in_variant(store.get_feature_store(), request.param)


def test_hostile_values_join_come_back_and_are_filtered(fs: FeatureStore) -> None:
    left_features = {"id": "bigint", "k": "string", "t": "timestamp"}
    left_rows = [(n, text, "2025-01-02") for n, text in enumerate(VALUES)]
    left = make_group(fs, "a", left_features, left_rows, primary_key="id", event_time="t")
    features = {"k": "string", "t": "timestamp", "x": "bigint", "again": "string"}
    rows = [(text, "2025-01-01", n, text) for n, text in enumerate(VALUES)]
    right = make_group(fs, "b", features, rows, primary_key="k", event_time="t")
    query = left.select_all().join(right.select_all(), on=["k"])
    assert column(query, "x") == list(range(len(VALUES)))
    assert column(query, "again") == VALUES
    for n, text in enumerate(VALUES):
        assert column(query.filter(right["again"] == text), "id") == [n]
        before = left.select_all().join(right.filter(right["again"] == text), on=["k"], join_type="inner")
        assert column(before, "id") == [n]
    spine = fs.spine(frame(left_features, left_rows), event_time="t")
    assert column(spine.join(right.select_all(), on=["k"]), "again") == VALUES


def test_like_patterns_are_matched_as_written(fs: FeatureStore) -> None:
    group = make_group(
        fs, "g", {"id": "bigint", "s": "string"}, enumerate(["%", "_", "\\", "%%", "a"]), primary_key="id"
    )
    found = {
        pattern: column(group.filter(group["s"].like(pattern)), "id")
        for pattern in ["%", "_", "\\%", "\\_", "\\\\", "\\a", "\\%%", "'", "%';--"]
    }
    assert found == {
        "%": [0, 1, 2, 3, 4], "_": [0, 1, 2, 4], "\\%": [0], "\\_": [1], "\\\\": [2], "\\a": [4], "\\%%": [0, 3],
        "'": [], "%';--": [],
    }  # fmt: skip


@pytest.mark.parametrize("fs", ["late_features"], indirect=True)
@pytest.mark.parametrize("name", NAMES)
def test_names_that_are_no_names_are_refused_before_anything_is_written(
    fs: FeatureStore, tmp_path: Path, name: str
) -> None:
    group = make_group(fs, "g", {"id": "bigint", "x": "bigint"}, [(1, 2)], primary_key="id")
    before = files_below(tmp_path)
    refused: list[Any] = [
        lambda: fs.create_feature_group(name, primary_key="id", features={"id": "bigint"}).save(),
        lambda: fs.create_feature_group("h", primary_key="id", features={"id": "bigint", name: "int"}).save(),
        lambda: fs.create_feature_group("h", primary_key="id").insert([{"id": 1, name: 2}]),
        lambda: fs.create_feature_view(name, group.select_all()),
        lambda: group.append_features({name: "int"}),
        lambda: fs.spine([{"id": 1, name: 2}]),
    ]
    for attempt in refused:
        with pytest.raises(InvalidNameError):
            attempt()
    for attempt in (lambda: group.select([name]), lambda: group[name], lambda: fs.get_features([name])):
        with pytest.raises(HopyardError):
            attempt()
    if name:  # an empty prefix is none
        with pytest.raises(HopyardError):
            group.select_all().join(group.select_all(), on=["id"], prefix=name).read()
    assert files_below(tmp_path) == before
    assert [found.name for found in fs.list_feature_groups()] == ["g"]


def files_below(folder: Path) -> set[str]:
    """Return the files of a store; those of its registry come and go with connections."""
    return {str(path) for path in folder.rglob("*") if "registry" not in path.name}
