"""What a training dataset was made from, and what its content is: enough to rebuild it and to prove it the same.

A manifest is stable, documented JSON (docs/reference/manifest.md).
"""

from __future__ import annotations

from typing import Any, Literal

from hopyard.model.codec import Frozen
from hopyard.model.plan import Plan, Value
from hopyard.model.schema import Schema
from hopyard.model.specs import TransformationSpec

MANIFEST_FORMAT = 1
DEFAULT_SEED = 20200617

SplitMode = Literal["threshold", "exact"]
DataFormat = Literal["parquet", "csv", "arrow"]


class RandomSplit(Frozen, frozen=True, kw_only=True, tag="random"):
    """Rows by a seeded hash of their identity. `ratios` sum to 1, in the order of `names`.

    `mode` is what was used: `threshold` compares each hash with the cumulated ratios, `exact` ranks them. With
    `group_by` the hash is that of these columns, so that equal ones are in one split. With `stratify_by` the rows that
    are equal in these columns are ranked and cut apart from the others.
    """

    names: tuple[str, ...]
    ratios: tuple[float, ...]
    seed: int = DEFAULT_SEED
    mode: SplitMode
    group_by: tuple[str, ...] = ()
    stratify_by: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that decide, beside the identity."""
        return self.group_by or self.stratify_by


class TimeRange(Frozen, frozen=True, kw_only=True):
    """`start_us <= event time < end_us`, open where null. UTC microseconds."""

    name: str
    start_us: int | None = None
    end_us: int | None = None


class TimeSplit(Frozen, frozen=True, kw_only=True, tag="time"):
    """Rows by the root's event time."""

    ranges: tuple[TimeRange, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the splits."""
        return tuple(range_.name for range_ in self.ranges)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that decide, beside the event time: none."""
        return ()


class ColumnSplit(Frozen, frozen=True, kw_only=True, tag="column"):
    """Rows by a column that names their split; those where it is null are in none."""

    names: tuple[str, ...]
    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that decide."""
        return (self.column,)


Split = RandomSplit | TimeSplit | ColumnSplit


class FittedStatistics(Frozen, frozen=True, kw_only=True):
    """The numbers that a transformation was fitted to on the train split, as exact literals.

    `values` names single numbers (`min`, `max`, `mean`, `std`), `categories` the sorted distinct values.
    """

    feature: str
    transformation: str
    values: dict[str, Value] = {}
    categories: tuple[Value, ...] = ()


class ContentHash(Frozen, frozen=True, kw_only=True):
    """`sha256` over the ordered content, `rows` the order-free digest (both hexadecimal; docs/reference/hashes.md)."""

    sha256: str
    rows: str


class TrainingFile(Frozen, frozen=True, kw_only=True):
    """A file of the training dataset, its path relative to the dataset's folder."""

    path: str
    size_bytes: int
    sha256: str


class LabelCount(Frozen, frozen=True, kw_only=True):
    """How many rows have a value of a label."""

    value: Value
    n_rows: int


class LabelBalance(Frozen, frozen=True, kw_only=True):
    """The values of a label in a split: `counts` of each, null included, the most frequent first; `n_values` in all.

    Of a label with more than 20 values only the 20 most frequent ones are listed; one with more than 1,000 has none.
    """

    label: str
    n_values: int
    counts: tuple[LabelCount, ...]


class SplitContent(Frozen, frozen=True, kw_only=True):
    """One split: its rows, the balance of its labels, its content before and after transformation, its files."""

    name: str
    n_rows: int
    balance: tuple[LabelBalance, ...] = ()
    before: ContentHash
    after: ContentHash
    files: tuple[TrainingFile, ...] = ()


class GroupCommit(Frozen, frozen=True, kw_only=True):
    """Which state of a feature group was read."""

    name: str
    version: int
    commit: int
    committed_at_us: int


class Manifest(Frozen, frozen=True, kw_only=True):
    """Everything that determines a training dataset. `plan` is resolved: every group has its commit.

    `view` is empty for a dataset that was made from a query or a dataframe alone; it has a `name` of its own.
    `location` is a folder that the user chose, absolute. `spine` are the rows of a plan whose root is a dataframe.
    `description`, `tags` and `keywords` may change: the registry has those of today, the file those of its writing.
    """

    format_version: int = MANIFEST_FORMAT
    project: str
    name: str = ""
    view: str = ""
    view_version: int = 0
    version: int
    description: str = ""
    created_at_us: int
    created_by: str = ""
    plan: Plan
    groups: tuple[GroupCommit, ...]
    labels: tuple[str, ...] = ()
    split: Split | None = None
    event_time_start_us: int | None = None
    event_time_end_us: int | None = None
    transformations: tuple[TransformationSpec, ...] = ()
    fitted: tuple[FittedStatistics, ...] = ()
    location: str = ""
    data_format: DataFormat = "parquet"
    spine: TrainingFile | None = None
    spine_identity: tuple[str, ...] = ()
    schema: Schema
    splits: tuple[SplitContent, ...]
    libraries: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    rebuildable: bool = True
    not_rebuildable_because: str = ""
    tags: dict[str, Any] = {}
    keywords: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The name under which the dataset is registered: `delays_1` for those of view `delays` version 1."""
        return self.name or f"{self.view}_{self.view_version}"
