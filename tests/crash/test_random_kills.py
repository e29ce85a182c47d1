"""Writers, and processes that rebuild, are killed with SIGKILL at random times; a model says what must be there.

What a process does follows from a seed. It notes in a journal outside of the store what was acknowledged.
`HOPYARD_CRASH_KILLS` says how many kills there are: 50, or more by `make crash`.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from children import start
from hopyard.feature_group import FeatureGroup
from hopyard.model.position import CommitPosition
from hopyard.testing.store import close_store, open_store
from parity import assert_online_equals_offline, online_rows, wanted_rows

START = datetime(2024, 1, 1, tzinfo=UTC)
KILLS = int(os.environ.get("HOPYARD_CRASH_KILLS", "50"))
KILLS_PER_STORE = 10
LONGEST_SECONDS = 0.2
N_FILLING = 5_000
"""Rows that are there from the beginning, so that a rebuild takes long enough to be met by a kill."""

WRITES = {
    "insert": 8,
    "insert_later": 2,
    "overwrite": 1,
    "remove_keys": 1,
    "remove_rows": 1,
    "append": 1,
    "append_with_default": 1,
    "catch_up": 2,
    "rebuild": 1,
    "maintain": 1,
}
REBUILDS = {"insert_later": 2, "remove_keys": 1, "overwrite_later": 1, "catch_up": 2, "rebuild": 6}
"""How often each operation is drawn: of a process that writes, and of one that mostly rebuilds."""


@dataclass(frozen=True, slots=True)
class Model:
    """What the table holds: the columns after key and time, and their values by key and time."""

    columns: tuple[str, ...] = ("value",)
    rows: Mapping[tuple[str, datetime], tuple[float | None, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    kind: str
    frame: list[dict[str, object]]
    after: Model
    column: str = ""


def draw(seed: int, number: int, model: Model) -> Operation:
    """Return operation `number` of a seed, and what the table holds after it."""
    choose = random.Random(f"{seed}-{number}")
    weights = REBUILDS if seed % 3 == 2 else WRITES
    kind = choose.choices(list(weights), list(weights.values()))[0]
    keys = choose.sample([f"k{index}" for index in range(12)], 4)
    rows = {
        (key, START + timedelta(hours=choose.randrange(6))): tuple(
            number + choose.random() for _ in model.columns
        )
        for key in keys
    }
    frame = [
        {"key": key, "at": at, **dict(zip(model.columns, values, strict=True))}
        for (key, at), values in rows.items()
    ]
    if kind.startswith("insert"):
        return Operation(kind, frame, replace(model, rows={**model.rows, **rows}))
    if kind.startswith("overwrite"):
        return Operation(kind, frame, replace(model, rows=rows))
    if kind == "remove_keys":
        left = {place: values for place, values in model.rows.items() if place[0] not in keys}
        return Operation(kind, [{"key": key} for key in keys], replace(model, rows=left))
    if kind == "remove_rows":
        left = {place: values for place, values in model.rows.items() if place not in rows}
        return Operation(kind, [{"key": key, "at": at} for key, at in rows], replace(model, rows=left))
    if kind.startswith("append") and len(model.columns) < 6:
        new, value = f"x{number}", 7.0 if kind == "append_with_default" else None
        longer = {place: (*values, value) for place, values in model.rows.items()}
        return Operation(kind, [], Model((*model.columns, new), longer), new)
    return Operation("catch_up" if kind.startswith("append") else kind, [], model)


def do(group: FeatureGroup, operation: Operation) -> None:
    kind, frame = operation.kind, operation.frame
    if kind.startswith("remove"):
        group.remove_rows(frame)
    elif kind.startswith(("insert", "overwrite")):
        group.insert(
            frame,
            overwrite=kind.startswith("overwrite"),
            online="later" if kind.endswith("later") else "now",
        )
    elif kind == "append":
        group.append_features({operation.column: "double"})
    elif kind == "append_with_default":
        group.append_features({operation.column: "double"}, defaults={operation.column: 7.0})
    elif kind == "catch_up":
        group.catch_up_online()
    elif kind == "rebuild":
        group.rebuild_online()
    else:
        group.maintain()


def group_of(folder: Path) -> FeatureGroup:
    return open_store(folder).get_feature_store().get_feature_group("readings")


def work(folder: Path, journal: Path, seed: int, first: int, model: Model) -> None:
    """Do one operation after the other, and note each one when it is done, until somebody kills this process."""
    group = group_of(folder)
    with journal.open("a") as file:
        for number in range(first, first + 10_000):
            operation = draw(seed, number, model)
            do(group, operation)
            model = operation.after
            file.write(f"{number}\n")
            file.flush()


def found_in(group: FeatureGroup) -> Model:
    names = [feature.name for feature in group.features]
    rows = group.read(dataframe_type="python")
    columns = tuple(name for name in names if name not in ("key", "at"))
    return Model(columns, {(r["key"], r["at"]): tuple(r[name] for name in columns) for r in rows})


@pytest.mark.parametrize("seed", range((KILLS + KILLS_PER_STORE - 1) // KILLS_PER_STORE))
def test_killed_at_any_time_nothing_acknowledged_is_lost_and_nothing_is_torn(
    tmp_path: Path, seed: int
) -> None:
    folder, journal = tmp_path / "store", tmp_path / "journal"
    model = Model(rows={(f"f{index}", START): (float(index),) for index in range(N_FILLING)})
    project = open_store(folder)
    group = project.get_feature_store().create_feature_group(
        "readings", primary_key="key", event_time="at", online_enabled=True
    )
    group.insert([{"key": key, "at": at, "value": values[0]} for (key, at), values in model.rows.items()])
    close_store(project)
    number = 0
    delays = random.Random(seed)
    for kill in range(min(KILLS_PER_STORE, KILLS - seed * KILLS_PER_STORE)):
        journal.write_text("")
        process = start(work, folder, journal, seed, number, model)
        while process.is_alive() and not journal.read_text():  # until it works, however slow the machine
            time.sleep(0.005)
        time.sleep(delays.random() * LONGEST_SECONDS)
        assert process.pid is not None
        assert process.exitcode is None, "it ended by itself"
        os.kill(process.pid, signal.SIGKILL)
        process.join()

        for _ in journal.read_text().split("\n")[:-1]:
            model, number = draw(seed, number, model).after, number + 1
        in_flight = draw(seed, number, model)
        project = open_store(folder)
        group = project.get_feature_store().get_feature_group("readings")
        found = found_in(group)
        assert found in (model, in_flight.after), f"torn after kill {kill}, in {in_flight.kind}"
        if project.session.online.position(group.spec.id) == CommitPosition(
            number=group.commit_details(1)[0].number
        ):
            assert online_rows(project, group) == wanted_rows(group), f"kill {kill}, in {in_flight.kind}"
        if found != model or in_flight.after == model:
            model, number = in_flight.after, number + 1
        following = draw(seed, number, model)
        do(group, following)
        model, number = following.after, number + 1
        assert found_in(group) == model
        if following.kind.endswith("later") or following.kind == "maintain":
            group.catch_up_online()
        assert_online_equals_offline(project, group)
        close_store(project)
