"""A few rows of a feature group, as they are offline and online, side by side."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from hopyard.compute.convert import check_limit, to_dataframe
from hopyard.compute.layout import online_table
from hopyard.errors import ConfigError
from hopyard.ingest.apply import IS_THERE, newest_rows_of
from hopyard.ingest.create import current_group
from hopyard.model.arrow import to_arrow_schema
from hopyard.model.position import CommitPosition
from hopyard.model.specs import FeatureGroupSpec
from hopyard.online.codec import encode_keys
from hopyard.online.decode import row_decoder
from hopyard.query.build import group_source, scan, select
from hopyard.retrieve.read import read_plan
from hopyard.session import Session

_ROWS_PER_KEY = 20
"""How many rows are looked at for each key that is to be shown: most groups have several."""
_MAX_CELL = 30
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """A key's newest row.

    Attributes:
        offline: its features, from the last commit.
        online: the same from the online store; None: it has no such key, or the group is not online.
        differs: the features that are not equal. All of them where online has no such key.
    """

    offline: Row
    online: Row | None
    differs: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Preview:
    """A few rows, offline and online. `print` shows a table, and so does a notebook.

    Attributes:
        label: the group and its version, `weather_1`.
        commit: the last commit.
        online_commit: the commit that is readable online; None: none, or the group is not online.
        is_online: whether the group is online.
        features: the names of the columns.
        rows: in the order of the keys.
    """

    label: str
    commit: int
    online_commit: int | None
    is_online: bool
    features: tuple[str, ...]
    rows: tuple[PreviewRow, ...]
    schema: pa.Schema

    @property
    def offline(self) -> Any:
        """The offline rows as a dataframe."""
        return self._frame([row.offline for row in self.rows])

    @property
    def online(self) -> Any:
        """The online rows as a dataframe, all null for a key that is not there; None: the group is not online."""
        return self._frame([row.online or {} for row in self.rows]) if self.is_online else None

    @property
    def is_same(self) -> bool:
        """Whether both have the same values in every row shown."""
        return not any(row.differs for row in self.rows)

    def __repr__(self) -> str:
        return f"Preview({self.label}, {len(self.rows)} rows, {self._state()})"

    def __str__(self) -> str:
        table = [self.features, *([text for text, _ in self._cells(row)] for row in self.rows)]
        widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
        lines = ("  ".join(map(str.ljust, cells, widths)).rstrip() for cells in table)
        return "\n".join([f"{self.label}: {self._state()}", *lines])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.features)
        body = "".join(
            "<tr>"
            + "".join(
                f"<td><mark>{html.escape(text)}</mark></td>" if differs else f"<td>{html.escape(text)}</td>"
                for text, differs in self._cells(row)
            )
            + "</tr>"
            for row in self.rows
        )
        return (
            f"<table><caption>{html.escape(f'{self.label}: {self._state()}')}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )

    def _state(self) -> str:
        if not self.is_online:
            return f"offline at commit {self.commit}, not online"
        at = "nothing yet" if self.online_commit is None else f"commit {self.online_commit}"
        n = sum(bool(row.differs) for row in self.rows)
        found = f"{n} of {len(self.rows)} rows differ (offline | online)" if n else "same rows"
        return f"offline at commit {self.commit}, online at {at}, {found}"

    def _cells(self, row: PreviewRow) -> list[tuple[str, bool]]:
        """Return the text of each feature, and whether it differs: then both values are in it."""
        return [
            (f"{_shown(row.offline[name])} | {_shown(row.online[name]) if row.online else '-'}", True)
            if name in row.differs
            else (_shown(row.offline[name]), False)
            for name in self.features
        ]

    def _frame(self, rows: list[Row]) -> Any:
        return to_dataframe(pa.Table.from_pylist(rows, schema=self.schema), "default")


def preview(session: Session, spec: FeatureGroupSpec, n: int) -> Preview:
    """Return the newest rows of `n` keys of a group, offline and online."""
    check_limit(n)
    if n is None:
        raise ConfigError("n=None: a preview is of a number of rows. Use read() for all of them.")
    spec = current_group(session, spec)
    snapshot = session.offline.snapshot(spec.location)
    rows = _offline_rows(session, spec, n)
    position = session.online.position(spec.id) if spec.online_enabled else None
    found = _online_rows(session, spec, rows) if spec.online_enabled else [None] * rows.num_rows
    return Preview(
        label=spec.label,
        commit=snapshot.commit,
        online_commit=position.number if isinstance(position, CommitPosition) else None,
        is_online=spec.online_enabled,
        features=tuple(rows.column_names),
        rows=tuple(
            PreviewRow(row, other, _differences(row, other) if spec.online_enabled else ())
            for row, other in zip(rows.to_pylist(), found, strict=True)
        ),
        schema=to_arrow_schema(spec.schema),
    )


def _offline_rows(session: Session, spec: FeatureGroupSpec, n: int) -> pa.Table:
    everything = scan(group_source(spec))
    if not spec.primary_key:
        return read_plan(session, everything, limit=n, missing="null")
    keys = read_plan(session, select(everything, spec.primary_key), limit=n * _ROWS_PER_KEY)
    keys = keys.group_by(list(spec.primary_key), use_threads=False).aggregate([]).slice(0, n)
    snapshot = session.offline.snapshot(spec.location)
    rows = newest_rows_of(session, spec, snapshot, keys).read_all()
    rows = rows.filter(rows.column(IS_THERE)).drop_columns([IS_THERE])
    encoded = encode_keys(online_table(spec), rows).to_pylist()
    order = sorted(range(len(encoded)), key=encoded.__getitem__)
    return rows.take(pa.array(order, pa.int64()))


def _online_rows(session: Session, spec: FeatureGroupSpec, rows: pa.Table) -> list[Row | None]:
    table = online_table(spec)
    if session.online.position(table.id) is None:  # it may not even have a table there
        return [None] * rows.num_rows
    keys = encode_keys(table, rows).to_pylist()
    stored = session.online.read([(table.id, key) for key in keys])
    names = [name for name in rows.column_names if name not in spec.primary_key]
    decode = row_decoder(table, names)
    key_rows = rows.select(list(spec.primary_key)).to_pylist()
    return [
        None if row is None else key | dict(zip(names, decode(row), strict=True))
        for key, row in zip(key_rows, stored, strict=True)
    ]


def _differences(offline: Row, online: Row | None) -> tuple[str, ...]:
    if online is None:
        return tuple(offline)
    return tuple(name for name, value in offline.items() if not _is_equal(value, online[name]))


def _is_equal(left: object, right: object) -> bool:
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_is_equal, left, right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_is_equal(left[name], right[name]) for name in left)
    return left == right


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    text = "null" if value is None else str(value)
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain if len(plain) <= _MAX_CELL else plain[: _MAX_CELL - 3] + "..."
