"""Random histories of an online group, and what its online table must hold after each step, in plain Python.

A step writes (on time, late, tied, twice, for later, everything anew), removes, appends a feature, catches up,
rebuilds, takes the group offline and online again, merges files, ends the history, or opens the store again. It may die
at any failpoint that it reaches; its session is abandoned then, as that of a killed process would be.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import strategies as st

from hopyard.errors import FeatureVectorError, NotFoundError, OnlineBehindError, StoreError
from hopyard.feature_group import FeatureGroup
from hopyard.ingest.apply import encode
from hopyard.model.arrow import to_arrow_schema
from hopyard.model.position import CommitPosition
from hopyard.model.specs import FeatureGroupSpec
from hopyard.testing.frames import frame
from hopyard.testing.store import InjectedError, ManualClock, close_store, open_store
from parity import online_rows

Identity = tuple[object, ...]
Row = dict[str, Any]
Rows = dict[Identity, Row]

NOW = datetime(2024, 1, 10, tzinfo=UTC)
LATEST_POINT = 30
"""No step that is drawn here reaches more failpoints, or few do."""

KEYS: dict[str, dict[str, list[object]]] = {
    "bigint": {"k": [-(2**63), -1, 0, 1, 2**63 - 1]},
    "string": {"k": ["", "a", "a\0b", "\U0001f33f", "x" * 600, "x" * 599 + "y"]},
    "two": {"k": [-1, 0], "l": ["a", "b\0"]},
    "timestamp": {"k": [datetime(1969, 12, 31, 23, 59, tzinfo=UTC), NOW]},
}
KEY_TYPES: dict[str, dict[str, str]] = {
    "bigint": {"k": "bigint"},
    "string": {"k": "string"},
    "two": {"k": "int", "l": "string"},
    "timestamp": {"k": "timestamp"},
}
TIMES: dict[str, tuple[str, str | None, list[object]]] = {
    "timestamp": (
        "timestamp",
        None,
        [*(NOW - timedelta(days=day) for day in range(5)), datetime(1960, 1, 1, tzinfo=UTC)],
    ),
    "date": ("date", None, [*(date(2024, 1, 10 - day) for day in range(5)), date(1960, 1, 1)]),
    "seconds": ("bigint", "s", [*(int(NOW.timestamp()) - 86_400 * day for day in range(5)), -(10**9)]),
}
VALUES: dict[str, list[object]] = {
    "double": [None, 0.0, -0.0, 1.5, float("nan"), float("inf")],
    "string": [None, "", "Ošlo \U0001f33f", "y" * 300],
    "bigint": [None, 0, -(2**63), 2**63 - 1],
    "array<double>": [None, [], [1.0, None]],
}
TTLS = [None, None, timedelta(days=2), timedelta(days=30)]


class Fuse:
    """A failpoint that raises at the nth point from where it is lit."""

    def __init__(self) -> None:
        self.left: int | None = None

    def __call__(self, point: str) -> None:
        if self.left is None:
            return
        if self.left == 0:
            self.left = None
            raise InjectedError(point)
        self.left -= 1


@dataclass(frozen=True)
class Layout:
    """What a group is made of."""

    keys: str
    times: str | None
    ttl: timedelta | None
    values: dict[str, str]

    @property
    def primary_key(self) -> list[str]:
        return list(KEY_TYPES[self.keys])

    @property
    def types(self) -> dict[str, str]:
        time = {} if self.times is None else {"t": TIMES[self.times][0]}
        return {**KEY_TYPES[self.keys], **time, **self.values}

    def identity(self, row: Mapping[str, Any]) -> Identity:
        return tuple(row[name] for name in (*self.primary_key, *([] if self.times is None else ["t"])))

    def micros(self, row: Mapping[str, Any]) -> int:
        """Return a row's event time in microseconds since 1970."""
        time = row["t"]
        if isinstance(time, datetime):
            return round((time - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))
        if isinstance(time, date):
            return (time - date(1970, 1, 1)).days * 86_400_000_000
        return int(time) * 1_000_000

    def newest(self, rows: Rows) -> dict[Identity, Row]:
        """Return the newest row of each primary key."""
        found: dict[Identity, Row] = {}
        for row in rows.values():
            key = tuple(row[name] for name in self.primary_key)
            if key not in found or (self.times and self.micros(row) > self.micros(found[key])):
                found[key] = row
        return found


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    times = draw(st.sampled_from([*TIMES, None, "timestamp"]))
    return Layout(
        keys=draw(st.sampled_from(list(KEYS))),
        times=times,
        ttl=None if times is None else draw(st.sampled_from(TTLS)),
        values={f"v{i}": draw(st.sampled_from(list(VALUES))) for i in range(draw(st.integers(1, 2)))},
    )


@dataclass
class Stores:
    """A folder with a store, in which each history has a group of its own."""

    folder: Path
    clock: ManualClock = field(default_factory=lambda: ManualClock("2024-01-10"))
    fuse: Fuse = field(default_factory=Fuse)
    numbers: Any = field(default_factory=count)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        self.project = open_store(self.folder, clock=self.clock, failpoint=self.fuse, n_threads=1)
        self.fs = self.project.get_feature_store()

    def close(self) -> None:
        close_store(self.project)


@dataclass
class History:
    """A group, and what it must hold: its columns, its rows, and its rows at each commit."""

    stores: Stores
    layout: Layout
    name: str
    rows: Rows = field(default_factory=dict)
    states: dict[int, tuple[Rows, list[FeatureGroupSpec]]] = field(default_factory=dict)
    is_caught_up: bool = True
    n_died: int = 0

    def __post_init__(self) -> None:
        time = None if self.layout.times is None else TIMES[self.layout.times]
        options: dict[str, Any] = {} if time is None else {"event_time": "t", "event_time_unit": time[1]}
        self.stores.clock.set(NOW)
        self.stores.fs.create_feature_group(
            self.name,
            primary_key=self.layout.primary_key,
            features=self.layout.types,
            online_enabled=True,
            ttl=self.layout.ttl,
            **options,
        ).save()
        self.note()

    @property
    def group(self) -> FeatureGroup:
        return self.stores.fs.get_feature_group(self.name)

    def note(self) -> None:
        """Keep what the last commit holds, and with which features it may have been written online."""
        group = self.group
        number = group.commit_details(1)[0].number
        rows, specs = self.states.get(number, (dict(self.rows), []))
        if group.spec not in specs:
            specs.append(group.spec)
        self.states[number] = rows, specs

    def do(self, step: Callable[[FeatureGroup], object], after: Rows, *, dies_at: int | None) -> bool:
        """Do a step that makes of the rows what `after` says; return whether it was done as a whole."""
        before = self.rows
        self.stores.fuse.left = dies_at
        done = True
        must_be = after
        try:
            step(self.group)
        except OnlineBehindError:
            done = False
        except StoreError:
            done, must_be = False, before
        except InjectedError:
            done, must_be = False, {}
        finally:
            self.stores.fuse.left = None
        if not done:
            self.n_died += 1
            self.stores.open()
            self.read_layout()
        found = self.found()
        if must_be == {} and not done:
            assert same(found, before) or same(found, after), "a part of a step was kept"
            self.rows = after if same(found, after) else before
        else:
            assert same(found, must_be)
            self.rows = must_be
        self.note()
        return done

    def read_layout(self) -> None:
        """Take over the features that the group has now: to append one may have died before or after it was there."""
        types = {feature.name: feature.type for feature in self.group.features}
        self.layout = replace(self.layout, values={n: t for n, t in types.items() if n.startswith("v")})

    def found(self) -> Rows:
        rows = self.group.read(dataframe_type="python")
        found = {self.layout.identity(row): row for row in rows}
        assert len(found) == len(rows), "an identity is there twice"
        return found

    def check(self) -> None:
        """Compare the online table with the rows at the commit that it has come to, byte for byte."""
        group, online = self.group, self.stores.project.session.online
        if not group.online_enabled:
            return
        last = group.commit_details(1)[0].number
        position = online.position(group.spec.id)
        if position is None:
            assert not self.is_caught_up
            with suppress(NotFoundError):
                assert online_rows(self.stores.project, group) == {}
            return
        assert isinstance(position, CommitPosition)
        rows, specs = self.states[position.number]
        stored = online_rows(self.stores.project, group)
        if self.is_caught_up:
            assert position.number == last
            assert stored == self.encoded(rows, group.spec)
            self.check_vectors(group)
        else:
            candidates = [self.encoded(rows, spec) for spec in [*specs, group.spec]]
            assert stored in candidates, f"at commit {position.number} of {last}"

    def encoded(self, rows: Rows, spec: FeatureGroupSpec) -> dict[bytes, bytes]:
        names = [feature.name for feature in spec.features]
        newest = [{name: row.get(name) for name in names} for row in self.layout.newest(rows).values()]
        found = encode(spec, pa.Table.from_pylist(newest, to_arrow_schema(spec.schema)))
        return dict(zip(found.keys.to_pylist(), found.rows.to_pylist(), strict=True))

    def check_vectors(self, group: FeatureGroup) -> None:
        """Compare vectors through a feature view with the newest rows, each unless it is past its ttl."""
        fs, keys = self.stores.fs, self.layout.primary_key
        version = len(self.layout.values)
        view = fs.get_or_create_feature_view(
            f"{self.name}_view", version=version, query=group.select_except(keys)
        )
        view.init_serving()
        newest = self.layout.newest(self.rows)
        entries = [dict(zip(keys, key, strict=True)) for key in _all_keys(self.layout)]
        wanted = []
        for entry in entries:
            row = newest.get(tuple(entry.values()))
            if row is not None and self.layout.ttl is not None:
                now_us = round(
                    (self.stores.clock.now - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)
                )
                age_us = now_us - self.layout.micros(row)
                row = None if timedelta(microseconds=age_us) > self.layout.ttl else row
            wanted.append([None if row is None else row[name] for name in view.features])
            if row is None:
                with pytest.raises(FeatureVectorError):
                    view.get_feature_vector(entry)
        vectors = view.get_feature_vectors(entries, allow_missing=True)
        assert [[bits(value) for value in vector] for vector in vectors] == [
            [bits(value) for value in vector] for vector in wanted
        ]


def _all_keys(layout: Layout) -> list[Identity]:
    found: list[Identity] = [()]
    for values in KEYS[layout.keys].values():
        found = [(*key, value) for key in found for value in values]
    return found


def bits(value: object) -> object:
    """Return something that is equal where a value is the same to the last bit."""
    if isinstance(value, float):
        return struct.pack(">d", value)
    if isinstance(value, list):
        return [bits(item) for item in value]
    return type(value).__name__, value


def same(left: Rows, right: Rows) -> bool:
    def shown(rows: Rows) -> dict[Identity, dict[str, object]]:
        return {key: {name: bits(value) for name, value in row.items()} for key, row in rows.items()}

    return shown(left) == shown(right)


@st.composite
def frames(draw: st.DrawFn, layout: Layout, rows_there: Rows) -> list[Row]:
    """Draw rows in any order, some of one identity, and some of rows that are there."""
    known = st.sampled_from(list(rows_there.values())) if rows_there else st.nothing()
    rows = []
    for _ in range(draw(st.integers(1, 4))):
        row: Row = {name: draw(st.sampled_from(values)) for name, values in KEYS[layout.keys].items()}
        if layout.times is not None:
            row["t"] = draw(st.sampled_from(TIMES[layout.times][2]))
        row |= {name: draw(st.sampled_from(VALUES[type_])) for name, type_ in layout.values.items()}
        there = draw(st.one_of(st.none(), known))
        if there is not None:
            row |= {name: there[name] for name in there if name not in layout.values}
        rows.append(row)
    return rows


STEPS = [
    "insert",
    "insert",
    "insert",
    "insert_later",
    "insert_later",
    "overwrite",
    "overwrite_later",
    "remove_keys",
    "remove_keys_later",
    "remove_rows",
    "append",
    "append_with_default",
    "catch_up",
    "rebuild",
    "offline_and_online",
    "maintain",
    "vacuum",
    "reopen",
    "later",
]


def play(history: History, data: st.DataObject) -> None:
    """Draw a history's steps, do them, and compare after each of them."""
    for _ in range(data.draw(st.integers(2, 7))):
        kind = data.draw(st.sampled_from(STEPS))
        dies_at = data.draw(st.one_of(st.none(), st.integers(0, LATEST_POINT)))
        _step(history, data, kind, dies_at)
        history.check()
    history.do(lambda group: group.enable_online(), history.rows, dies_at=None)
    history.is_caught_up = True
    history.check()


def _step(history: History, data: st.DataObject, kind: str, dies_at: int | None) -> None:
    layout, rows = history.layout, history.rows
    is_online = history.group.online_enabled
    leaves_caught_up = True
    if kind == "reopen":
        if data.draw(st.booleans()):
            history.stores.close()
        history.stores.open()
        return
    if kind == "later":
        history.stores.clock.advance(data.draw(st.sampled_from([timedelta(days=1), timedelta(days=2)])))
        return
    if kind.startswith(("insert", "overwrite")):
        drawn = data.draw(frames(layout, rows))
        named = {layout.identity(row): row for row in drawn}
        is_new = kind.startswith("overwrite")
        when: Any = "later" if kind.endswith("later") else "now"
        table = frame(layout.types, [[row[name] for name in layout.types] for row in drawn])
        after = named if is_new else {**rows, **named}
        done = history.do(
            lambda group: group.insert(table, overwrite=is_new, online=when), after, dies_at=dies_at
        )
        leaves_caught_up = when == "now"
    elif kind.startswith("remove"):
        drawn = data.draw(frames(layout, rows))
        on = layout.primary_key + ([] if kind.startswith("remove_keys") or layout.times is None else ["t"])
        gone = {tuple(row[name] for name in on) for row in drawn}
        after = {id_: row for id_, row in rows.items() if tuple(row[name] for name in on) not in gone}
        when = "later" if kind.endswith("later") else "now"
        table = frame(
            {name: layout.types[name] for name in on}, [[row[name] for name in on] for row in drawn]
        )
        done = history.do(lambda group: group.remove_rows(table, online=when), after, dies_at=dies_at)
        leaves_caught_up = when == "now"
    elif kind.startswith("append"):
        done = _append(history, data, dies_at, has_default=kind == "append_with_default")
    elif kind == "offline_and_online":
        done = history.do(
            lambda group: group.enable_online() if not group.online_enabled else group.disable_online(),
            rows,
            dies_at=dies_at,
        )
        leaves_caught_up = done
    elif kind in ("catch_up", "rebuild"):
        if not is_online:
            return
        done = history.do(
            lambda group: group.catch_up_online() if kind == "catch_up" else group.rebuild_online(),
            rows,
            dies_at=dies_at,
        )
    else:
        done = history.do(
            lambda group: group.maintain() if kind == "maintain" else group.vacuum(keep=1),
            rows,
            dies_at=dies_at,
        )
        leaves_caught_up = history.is_caught_up and done
    history.is_caught_up = done and leaves_caught_up and history.group.online_enabled


def _append(history: History, data: st.DataObject, dies_at: int | None, *, has_default: bool) -> bool:
    """Append a feature, again if it died on the way: until then its column may be there, and is nobody's."""
    if len(history.layout.values) >= 4:
        return history.is_caught_up
    name, type_ = f"v{len(history.layout.values)}", data.draw(st.sampled_from(["double", "string"]))
    default = data.draw(st.sampled_from(VALUES[type_][1:])) if has_default else None
    defaults = {name: default} if has_default else None
    old_rows = history.rows
    longer = {id_: {**row, name: default} for id_, row in old_rows.items()}

    def step(group: FeatureGroup) -> None:
        group.append_features({name: type_}, defaults=defaults)

    done = history.do(step, longer, dies_at=dies_at)
    if name not in [feature.name for feature in history.group.features]:
        history.rows = old_rows
        done = history.do(step, longer, dies_at=None)
    history.read_layout()
    return done
