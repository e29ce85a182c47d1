"""Rules at the edges of what a plan may meet: the same answer in every way in which a query may be run."""

from __future__ import annotations

import warnings
from datetime import timedelta
from pathlib import Path

import pytest

from groups import column, make_group
from hopyard.errors import HopyardWarning, JoinKeyError, QueryError
from hopyard.feature_store import FeatureStore
from hopyard.testing.frames import frame
from hopyard.testing.store import ManualClock, open_store
from variants import VARIANTS, in_variant

pytestmark = pytest.mark.filterwarnings("ignore::hopyard.errors.HopyardWarning")
MAX = 2**63 - 1
WITH_HISTORY = [name for name in VARIANTS if name != "without_asof"]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock("2026-01-01")


@pytest.fixture
def fs(tmp_path: Path, clock: ManualClock) -> FeatureStore:
    return open_store(tmp_path / "store", clock=clock).get_feature_store()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("feature", ["file_index", "file_row_number", "filename", "r", "l", "n0", "spine"])
def test_a_feature_may_be_called_like_a_column_of_the_engine(
    fs: FeatureStore, variant: str, feature: str
) -> None:
    types = {"part": "string", feature: "bigint"}
    make_group(fs, "parts", types, [("x", 7), ("y", 8)], partition_key=["part"])
    keys = {"id": "bigint", **types}
    make_group(fs, "rows", keys, [(7, "x", 7), (8, "y", 8)], primary_key=["id"], partition_key=["part"])
    fs = in_variant(fs, variant)
    parts, rows = fs.get_feature_group("parts"), fs.get_feature_group("rows")
    assert column(parts.select(["part"]), "part", order_by=["part"]) == ["x", "y"]
    assert column(parts.select(["part"]).as_of(None, exclude_until=0), "part", ["part"]) == ["x", "y"]
    joined = parts.select(["part"]).join(
        rows.select(["part"]), left_on=[feature], right_on=["id"], prefix="p_"
    )
    assert column(joined, "p_part", order_by=["part"]) == ["x", "y"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_age_may_be_beyond_64_bits(fs: FeatureStore, variant: str) -> None:
    types = {"id": "bigint", "at": "bigint"}
    times = {"event_time": "at", "event_time_unit": "us"}
    lefts = [(0, MAX), (1, MAX), (2, -MAX), (3, 3_600_000_000), (4, 3_600_000_001)]
    make_group(fs, "lefts", types, lefts, primary_key=["id"], **times)
    rights = [(0, -MAX, 0), (1, MAX - 3_600_000_000, 1), (2, -MAX - 1, 2), (3, 0, 3), (4, 0, 4)]
    make_group(fs, "rights", {**types, "x": "bigint"}, rights, primary_key=["id"], **times)
    fs = in_variant(fs, variant)
    lefts, rights = fs.get_feature_group("lefts"), fs.get_feature_group("rights")

    def found(max_age: timedelta) -> list[object]:
        return column(lefts.select_all().join(rights.select_all(), on=["id"], max_age=max_age), "x")

    assert found(timedelta(hours=1)) == [None, 1, 2, 3, None]
    assert found(timedelta(microseconds=2 * MAX)) == [0, 1, 2, 3, 4]
    assert found(timedelta(microseconds=2 * MAX - 1)) == [None, 1, 2, 3, 4]
    assert found(timedelta.max) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("variant", WITH_HISTORY)
@pytest.mark.parametrize("event_time", ["at", None])
def test_a_delay_may_lead_beyond_64_bits(fs: FeatureStore, variant: str, event_time: str | None) -> None:
    types = {"id": "bigint", "at": "bigint"}
    unit = {"event_time_unit": "us"}
    make_group(fs, "lefts", types, [(0, MAX), (1, -MAX), (2, 0)], primary_key=["id"], event_time="at", **unit)
    types = {**types, "x": "bigint"}
    options = {"event_time": "at", **unit} if event_time else {}
    rows = [(number, -MAX, 1) for number in range(3)]
    rights = make_group(fs, "rights", types, rows, primary_key=["id"], **options)
    rights.insert(frame(types, [(number, -MAX, 2) for number in range(3)]))
    fs = in_variant(fs, variant)
    query = fs.get_feature_group("lefts").select_all()
    query = query.join(fs.get_feature_group("rights").select(["x"]), on=["id"])

    def known(delay: timedelta) -> list[object]:
        return column(query.as_known(delay=delay), "x")

    assert known(timedelta(days=9)) == [2, None, None]
    assert known(timedelta(days=-9)) == [2, None, None]
    assert known(timedelta(microseconds=MAX)) == [2, None, 2]
    assert known(timedelta.max) == [2, 2, 2]
    assert known(timedelta.min) == [None, None, None]


def test_an_inner_join_cannot_take_back_multiplied_rows_of_a_right_side(fs: FeatureStore) -> None:
    roots = make_group(fs, "roots", {"id": "bigint"}, [(1,), (2,)], primary_key=["id"])
    middle = make_group(fs, "middle", {"id": "bigint", "x": "bigint"}, [(1, 1), (2, 2)], primary_key=["id"])
    needed = make_group(fs, "needed", {"id": "bigint", "y": "bigint"}, [(1, 1)], primary_key=["id"])
    rows = [(1, 1), (1, 2), (2, 1), (2, 2)]
    many = make_group(fs, "many", {"id": "bigint", "n": "bigint"}, rows, primary_key=["id", "n"])

    def both(**options: object) -> object:
        query = middle.select_all().join(needed.select_all(), **options)
        return query.join(many.select_all(), on=["id"], allow_many=True)

    with pytest.raises(QueryError, match=r"'middle_1' .* 'needed_1', and a join to 'many_1'.*multiply rows"):
        roots.select_all().join(both(join_type="inner"))
    assert column(roots.select_all().join(both()), "n", ["id", "n"]) == [1, 2, 1, 2]
    # In the left-most group the rows themselves are dropped, and one inner join alone multiplies what it finds.
    assert column(both(join_type="inner"), "n", ["id", "n"]) == [1, 2]
    alone = middle.select_all().join(many.select_all(), on=["id"], allow_many=True, join_type="inner")
    assert column(roots.select_all().join(alone), "n", ["id", "n"]) == [1, 2, 1, 2]


def test_decimal_keys_that_no_decimal_can_hold_both_are_refused(fs: FeatureStore) -> None:
    lefts = make_group(fs, "lefts", {"id": "bigint", "d": "decimal(38,30)"}, primary_key=["id"])
    rights = make_group(fs, "rights", {"d": "decimal(38,0)", "x": "bigint"}, primary_key=["d"])
    with pytest.raises(JoinKeyError, match="68 digits"):
        lefts.select_all().join(rights.select_all(), on=["d"])


@pytest.mark.parametrize("variant", WITH_HISTORY)
def test_rows_left_out_by_exclude_until_are_not_counted_as_unknown(
    fs: FeatureStore, clock: ManualClock, variant: str
) -> None:
    types = {"id": "bigint", "at": "timestamp"}
    lefts = [(0, "2026-02-01"), (1, "2026-02-01"), (2, "2026-02-01"), (3, "2026-01-02")]
    make_group(fs, "lefts", types, lefts, primary_key=["id"], event_time="at")
    types = {**types, "x": "bigint"}
    rights = make_group(
        fs, "rights", types, [(0, "2026-01-01", 0), (1, "2026-01-01", 1)], primary_key=["id"], event_time="at"
    )
    clock.advance(timedelta(days=9))
    rights.insert(frame(types, [(2, "2026-01-01", 2), (3, "2026-01-01", 3)]))
    fs = in_variant(fs, variant)
    later = fs.get_feature_group("rights").select_all().as_of(None, exclude_until="2026-01-05")
    query = fs.get_feature_group("lefts").select_all().join(later, on=["id"]).as_known()
    counts = query.explain(analyze=True).nodes[1].counts
    assert counts is not None
    assert (counts.n_matched, counts.n_not_known, counts.n_no_key) == (1, 1, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", HopyardWarning)
        assert column(query, "x") == [None, None, 2, None]
