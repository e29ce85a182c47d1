"""Random histories of an online group, played against a model in plain Python.

A history is a list of steps: rows come late, twice, with ties, are removed and overwritten, features are appended,
writers die between commit and apply, tables are caught up and rebuilt, processes start anew, time passes. After each
step at which the online table should be up to date, every vector must be what the model says, and at the end every byte
of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from hopyard.errors import OnlineBehindError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_view import FeatureView
from hopyard.project import Project
from hopyard.testing.store import InjectedError, ManualClock, open_store
from parity import assert_online_equals_offline

START = datetime(2026, 1, 1, tzinfo=UTC)
TTL = timedelta(hours=4)
KEYS = range(4)
HOURS = range(6)
DEFAULT = "new"

Identity = tuple[int, int]
Step = tuple[Any, ...]

IDENTITIES = st.tuples(st.sampled_from(KEYS), st.sampled_from(HOURS))
ROWS = st.lists(st.tuples(IDENTITIES, st.none() | st.integers(0, 9)), min_size=1, max_size=5)
"""Rows by identity; the same identity may come twice in a frame, and the last one wins."""
MODES = st.sampled_from(["now", "now", "now", "later", "crash", "crash in apply"])
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("insert"), ROWS, MODES),
    st.tuples(st.just("insert"), ROWS, MODES),
    st.tuples(st.just("overwrite"), ROWS, MODES),
    st.tuples(st.just("remove_keys"), st.lists(st.sampled_from(KEYS), min_size=1, max_size=2), MODES),
    st.tuples(st.just("remove_rows"), st.lists(IDENTITIES, min_size=1, max_size=2), MODES),
    st.tuples(st.just("append"), st.booleans()),
    st.tuples(st.sampled_from(["catch_up", "rebuild", "reopen", "hour"])),
)
HISTORIES = st.lists(STEPS, min_size=1, max_size=8)

_APPLY_POINTS = ("after_offline_commit", "before_online_apply")


class Failing:
    """A failpoint that is armed for one step."""

    def __init__(self) -> None:
        self.point = ""

    def __call__(self, reached: str) -> None:
        if reached == self.point:
            self.point = ""
            raise InjectedError(reached)


@dataclass(slots=True)
class World:
    """A store that many histories are played in, each in a group of its own."""

    folder: Path
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    failing: Failing = field(default_factory=Failing)
    n_played: int = 0
    project: Project = field(init=False)

    def __post_init__(self) -> None:
        self.project = self.open()

    def open(self) -> Project:
        return open_store(self.folder / "store", clock=self.clock, failpoint=self.failing)

    def play(self, history: list[Step], *, has_ttl: bool) -> None:
        """Play a history and compare; raises AssertionError."""
        self.n_played += 1
        self.clock.set(START + timedelta(hours=max(HOURS)))
        played = _Played(self, f"levels_{self.n_played}", has_ttl=has_ttl)
        try:
            for step in history:
                played.step(step)
            played.end()
        finally:
            self.failing.point = ""
            played.group.delete(force=True)


class _Played:
    """One history: the group, and the model of what it must hold."""

    def __init__(self, world: World, name: str, *, has_ttl: bool) -> None:
        self.world, self.name, self.has_ttl = world, name, has_ttl
        self.rows: dict[Identity, dict[str, object]] = {}
        self.columns = ["value"]
        self.is_behind = False
        fs = world.project.get_feature_store()
        self.group: FeatureGroup = fs.create_feature_group(
            name, primary_key="key", event_time="at", online_enabled=True, ttl=TTL if has_ttl else None
        )
        self.group.insert([self.row((0, 0), {"value": 0})])
        self.rows[0, 0] = {"value": 0}
        self.view: FeatureView = fs.create_feature_view(f"view_{name}", self.group.select(["value"]))
        self.view.init_serving()

    def row(self, identity: Identity, values: Mapping[str, object]) -> dict[str, object]:
        key, hour = identity
        return {
            "key": key,
            "at": START + timedelta(hours=hour),
            **{name: values[name] for name in self.columns},
        }

    def step(self, step: Step) -> None:
        kind = step[0]
        if kind in ("insert", "overwrite"):
            frame = [(identity, self.values(value)) for identity, value in step[1]]
            rows = [self.row(identity, values) for identity, values in frame]
            is_overwrite = kind == "overwrite"
            self.write(step[2], lambda online: self.group.insert(rows, overwrite=is_overwrite, online=online))
            self.rows = {**({} if is_overwrite else self.rows), **dict(frame)}
        elif kind == "remove_keys":
            keys = [{"key": key} for key in dict.fromkeys(step[1])]
            self.write(step[2], lambda online: self.group.remove_rows(keys, online=online))
            self.rows = {identity: row for identity, row in self.rows.items() if identity[0] not in step[1]}
        elif kind == "remove_rows":
            gone = [{"key": key, "at": START + timedelta(hours=hour)} for key, hour in dict.fromkeys(step[1])]
            self.write(step[2], lambda online: self.group.remove_rows(gone, online=online))
            self.rows = {identity: row for identity, row in self.rows.items() if identity not in step[1]}
        elif kind == "append":
            self.append(has_default=step[1])
        elif kind == "catch_up":
            self.group.catch_up_online()
            self.is_behind = False
        elif kind == "rebuild":
            self.group.rebuild_online()
            self.is_behind = False
        elif kind == "hour":
            self.world.clock.advance(timedelta(hours=1))
        else:
            self.reopen()
        if not self.is_behind:
            self.compare_vectors()

    def values(self, value: object) -> dict[str, object]:
        return {name: value if name == "value" else f"{name} {value}" for name in self.columns}

    def write(self, mode: str, work: Callable[[Any], object]) -> None:
        if mode.startswith("crash"):
            self.world.failing.point = _APPLY_POINTS[mode != "crash"]
            with suppress(InjectedError, OnlineBehindError):
                work("now")
            is_over = self.world.failing.point == ""
            self.world.failing.point = ""
            self.is_behind = self.is_behind or is_over
            if not is_over:
                self.is_behind = False  # the point was not reached: all went well
            self.reopen()
        else:
            work(mode)
            self.is_behind = mode == "later"

    def append(self, *, has_default: bool) -> None:
        name = f"extra{len(self.columns)}"
        defaults = {name: DEFAULT} if has_default else {}
        self.group.append_features({name: "string"}, defaults=defaults)
        self.columns.append(name)
        for row in self.rows.values():
            row[name] = defaults.get(name)
        self.is_behind = False

    def reopen(self) -> None:
        """Go on as another process would: with what is stored, and nothing else."""
        self.world.project.session.online.close()
        self.world.project = self.world.open()
        fs = self.world.project.get_feature_store()
        self.group = fs.get_feature_group(self.name)
        self.view = fs.get_feature_view(f"view_{self.name}")
        self.view.init_serving()

    def compare_vectors(self) -> None:
        found = self.view.get_feature_vectors([{"key": key} for key in KEYS], allow_missing=True)
        assert found == [[self.expected(key)] for key in KEYS]

    def expected(self, key: int) -> object:
        """Return the newest value of a key, or None past its time to live."""
        hours = [hour for other, hour in self.rows if other == key]
        if not hours:
            return None
        age = self.world.clock.now - (START + timedelta(hours=max(hours)))
        return None if self.has_ttl and age > TTL else self.rows[key, max(hours)]["value"]

    def end(self) -> None:
        self.group.catch_up_online()
        self.is_behind = False
        self.compare_vectors()
        stored = {
            (row["key"], (row["at"] - START) // timedelta(hours=1)): {
                name: row[name] for name in self.columns
            }
            for row in self.group.read(dataframe_type="python")
        }
        assert stored == self.rows
        assert_online_equals_offline(self.world.project, self.group)
