"""Everything that writes into a store, one operation each, to be killed at every failpoint that it reaches.

Each operation works on a copy of a store that was prepared for it. `picture` says what a store holds, as its users see
it: after a kill it has to be the picture from before the operation or the one from after it, never something between.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from hopyard.errors import HopyardError
from hopyard.failpoint import Failpoint
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.project import Project
from hopyard.testing.store import InjectedError, close_store, open_store

START = datetime(2024, 1, 1, tzinfo=UTC)
GROUP = "readings"
N_MANY = 130_000
"""More keys than are set online in one step."""
N_CHECKPOINT = 50
"""So many versions, and a checkpoint is due."""


def row(key: str, hour: int, value: float) -> dict[str, object]:
    return {"key": key, "at": START + timedelta(hours=hour), "value": value}


def new_group(fs: FeatureStore, *, online_enabled: bool = True) -> FeatureGroup:
    return fs.create_feature_group(
        GROUP, primary_key="key", event_time="at", online_enabled=online_enabled, ttl=timedelta(days=36500)
    )


def group_of(fs: FeatureStore) -> FeatureGroup:
    return fs.get_feature_group(GROUP)


# How stores are prepared.


def nothing(fs: FeatureStore) -> None:
    pass


def filled(fs: FeatureStore, *, online_enabled: bool = True) -> None:
    group = new_group(fs, online_enabled=online_enabled)
    group.insert([row("a", 1, 10.0), row("b", 1, 20.0), row("c", 1, 30.0)])
    group.insert([row("a", 2, 11.0)])


def filled_offline(fs: FeatureStore) -> None:
    filled(fs, online_enabled=False)


def behind(fs: FeatureStore) -> None:
    filled(fs)
    group_of(fs).insert([row("a", 3, 12.0), row("d", 1, 40.0)], online="later")
    group_of(fs).remove_rows([{"key": "b"}], online="later")


def behind_by_all(fs: FeatureStore) -> None:
    filled(fs)
    group_of(fs).insert([row("z", 1, 26.0)], overwrite=True, online="later")
    group_of(fs)._session.online.drop(group_of(fs).spec.id)


def with_many_keys(fs: FeatureStore) -> None:
    keys = pa.array([f"m{number:06}" for number in range(N_MANY)])
    times = pa.array([START] * N_MANY, pa.timestamp("us", "UTC"))
    new_group(fs).insert(pa.table({"key": keys, "at": times, "value": pa.nulls(N_MANY, pa.float64())}))


def with_many_versions(fs: FeatureStore) -> None:
    filled(fs)
    for number in range(N_CHECKPOINT):
        group_of(fs).insert([row("b", 2 + number, float(number))])
    for path in (Path(group_of(fs).location) / "_delta_log").glob("*checkpoint*"):
        path.unlink()  # delta-rs has made one; none is due before another 50 versions


def with_view(fs: FeatureStore) -> None:
    filled(fs)
    fs.create_feature_view("view", group_of(fs).select(["value"]))


def with_dataset(fs: FeatureStore) -> None:
    with_view(fs)
    fs.get_feature_view("view").create_training_data()


# The operations.


def create(fs: FeatureStore) -> None:
    fs.get_or_create_feature_group(
        GROUP,
        version=1,
        primary_key="key",
        event_time="at",
        online_enabled=True,
        features={"key": "string", "at": "timestamp", "value": "double"},
    ).save()


def insert(fs: FeatureStore) -> None:
    group_of(fs).insert([row("a", 5, 50.0), row("new", 1, 1.0)])


def insert_late(fs: FeatureStore) -> None:
    group_of(fs).insert([row("a", 0, -1.0)])


def insert_for_later(fs: FeatureStore) -> None:
    group_of(fs).insert([row("a", 5, 50.0)], online="later")


def insert_with_id(fs: FeatureStore) -> None:
    group_of(fs).insert([row("a", 7, 70.0)], commit_id="load-7")


def update(fs: FeatureStore) -> None:
    group_of(fs).insert([row("a", 1, 10.5), row("b", 1, 20.5)])


def overwrite(fs: FeatureStore) -> None:
    group_of(fs).insert([row("z", 1, 26.0)], overwrite=True)


def remove_keys(fs: FeatureStore) -> None:
    group_of(fs).remove_rows([{"key": "a"}])


def remove_newest(fs: FeatureStore) -> None:
    group_of(fs).remove_rows([{"key": "a", "at": START + timedelta(hours=2)}])


def remove_many(fs: FeatureStore) -> None:
    group_of(fs).remove_rows(pa.table({"key": [f"m{number:06}" for number in range(1, N_MANY)]}))


def append(fs: FeatureStore) -> None:
    if "extra" not in _names(group_of(fs)):
        group_of(fs).append_features({"extra": "double"})


def append_with_default(fs: FeatureStore) -> None:
    if "extra" not in _names(group_of(fs)):
        group_of(fs).append_features({"extra": "double"}, defaults={"extra": 7.0})


def catch_up(fs: FeatureStore) -> None:
    group_of(fs).catch_up_online()


def rebuild(fs: FeatureStore) -> None:
    group_of(fs).rebuild_online()


def enable(fs: FeatureStore) -> None:
    group_of(fs).enable_online()


def disable(fs: FeatureStore) -> None:
    group_of(fs).disable_online()


def delete(fs: FeatureStore) -> None:
    with suppress(HopyardError):  # it is gone already
        group_of(fs).delete()


def maintain(fs: FeatureStore) -> None:
    group_of(fs).maintain()


def vacuum(fs: FeatureStore) -> None:
    group_of(fs).vacuum(keep=1)


def make_dataset(fs: FeatureStore) -> None:
    view = fs.get_feature_view("view")
    if not view.get_training_datasets():
        view.create_training_data()


def rebuild_dataset(fs: FeatureStore) -> None:
    fs.get_feature_view("view").get_training_dataset(1).rebuild()


def delete_dataset(fs: FeatureStore) -> None:
    with suppress(HopyardError):
        fs.get_feature_view("view").get_training_dataset(1).delete()


def add_tag(fs: FeatureStore) -> None:
    group_of(fs).add_tag("owner", "weather")


def _names(group: FeatureGroup) -> list[str]:
    return [feature.name for feature in group.features]


Step = Callable[[FeatureStore], None]


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that writes.

    Attributes:
        prepare: makes the store that it works on.
        fails_at: a point at which it meets an error, so that it undoes what it did.
        only: the points that are of interest, if the others are those of another operation, too; part of their names.
        is_in_steps: the online rows change in several steps, between which a reader may see some of them.
        gap: points at which what it replaces is gone; the error that a reader gets says to do it again.
    """

    run: Step
    prepare: Step = filled
    fails_at: str | None = None
    only: str = ""
    is_in_steps: bool = False
    gap: tuple[str, ...] = ()


OPERATIONS: dict[str, Operation] = {
    "create": Operation(create, nothing),
    "create_that_fails": Operation(create, nothing, fails_at="group_before_register", only="undo"),
    "insert": Operation(insert),
    "insert_late": Operation(insert_late, only="commit,apply"),
    "insert_for_later": Operation(insert_for_later),
    "insert_with_id": Operation(insert_with_id, only="commit,apply"),
    "insert_when_behind": Operation(insert, behind),
    "insert_when_behind_by_all": Operation(insert, behind_by_all),
    "update": Operation(update),
    "overwrite": Operation(overwrite),
    "remove_keys": Operation(remove_keys),
    "remove_keys_when_behind": Operation(remove_keys, behind),
    "remove_newest": Operation(remove_newest),
    "remove_many": Operation(remove_many, with_many_keys, only="step,partly", is_in_steps=True),
    "append": Operation(append),
    "append_with_default": Operation(append_with_default),
    "catch_up": Operation(catch_up, behind),
    "catch_up_by_all": Operation(catch_up, behind_by_all),
    "rebuild": Operation(rebuild, behind),
    "enable": Operation(enable, filled_offline),
    "enable_that_fails": Operation(enable, filled_offline, fails_at="online_built", only="undo"),
    "disable": Operation(disable),
    "delete": Operation(delete),
    "maintain": Operation(maintain, with_many_versions),
    "vacuum": Operation(vacuum),
    "make_dataset": Operation(make_dataset, with_view),
    "rebuild_dataset": Operation(
        rebuild_dataset, with_dataset, gap=("after_old_dataset_rename", "before_dataset_rename")
    ),
    "delete_dataset": Operation(delete_dataset, with_dataset),
    "add_tag": Operation(add_tag),
}


def prepare(folder: Path, step: Step) -> None:
    """Make the store that an operation works on; `nothing` leaves the folder to the operation."""
    if step is not nothing:
        project = open_store(folder)
        step(project.get_feature_store())
        close_store(project)


def run(name: str, folder: Path, failpoint: Failpoint, journal: Path) -> None:
    """Run an operation on the store in a folder; the journal gets a line when it is acknowledged."""
    operation = OPERATIONS[name]

    def failing(point: str) -> None:
        failpoint(point)
        if point == operation.fails_at:
            raise InjectedError(point)

    with suppress(InjectedError):
        # One thread, so that rows come in the same batches and reach the same points each time.
        operation.run(open_store(folder, failpoint=failing, n_threads=1).get_feature_store())
        with journal.open("a") as file:
            file.write("acknowledged\n")


def recorded(name: str, folder: Path, points: Path) -> None:
    """Run an operation and write down which points it reaches, in order."""
    reached: list[str] = []
    run(name, folder, reached.append, points.with_suffix(".journal"))
    points.write_text("\n".join(reached))


def killed(name: str, folder: Path, journal: Path, place: int) -> None:
    """Run an operation up to a point, by its place in the order in which they are reached; or to its end."""
    n_reached = 0

    def failpoint(point: str) -> None:
        nonlocal n_reached
        if n_reached == place:
            os.kill(os.getpid(), signal.SIGKILL)
        n_reached += 1

    run(name, folder, failpoint, journal)
    os.kill(os.getpid(), signal.SIGKILL)


def picture(project: Project) -> dict[str, object]:
    """Return all that a store's users can see of it, as of now."""
    fs = project.get_feature_store()
    found: dict[str, object] = {}
    for group in fs.list_feature_groups():
        rows = group.read(dataframe_type="python")
        found[group.name] = {
            "features": [(feature.name, feature.type) for feature in group.features],
            "rows": sorted(tuple(one.values()) for one in rows),
            "online": group.online_enabled,
            "tags": group.tags,
            "commits": [
                commit.operation
                for commit in group.commit_details()
                # The commit of appended features comes before they show; it changes no row.
                if not commit.is_vacuumed and commit.operation != "append_features"
            ],
        }
    for view in fs.list_feature_views():
        # Without versions: one whose files came into place, and died before it was registered, is not given again.
        datasets = view.get_training_datasets()
        found[f"view {view.name}"] = [dataset.read(dataframe_type="python") for dataset in datasets]
    return found
