"""Every operation is killed with SIGKILL at every failpoint that it reaches, and everything holds afterwards.

The points are read from the source; a test fails where a step on the disk has none, or where no operation reaches one.
Which points an operation reaches is found out by running it once. The journal is outside of the store: what is in it
was acknowledged.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from children import assert_killed, finish, start
from failpoints import failpoints, steps, unused_exceptions
from hopyard.errors import NotFoundError, TrainingDatasetError
from hopyard.failpoint import around
from hopyard.feature_group import FeatureGroup
from hopyard.model.position import CommitPosition
from hopyard.project import Project
from hopyard.testing.store import close_store, open_store
from operations import OPERATIONS, killed, picture, prepare, recorded, row
from parity import assert_online_equals_offline, online_rows, wanted_rows

T = TypeVar("T")


def test_every_step_on_the_disk_has_a_failpoint_before_and_after_it() -> None:
    found = steps()
    assert len(found) >= 35, "are they still found?"
    assert [step.shown for step in found if not step.is_covered] == []


def test_no_exception_is_left_for_a_call_that_is_gone() -> None:
    assert unused_exceptions() == []


@pytest.mark.parametrize(
    ("code", "is_covered"),
    [
        ("sync(path)", False),
        ("with around(failpoint, 'x'):\n    sync(path)", True),
        ("with around(failpoint, 'x'):\n    def later():\n        sync(path)", False),
        ("failpoint('before_x')\nsync(path)\nfailpoint('after_x')", True),
        ("failpoint('before_x')\nsync(path)\nfailpoint('after_y')", False),
        ("failpoint('before_x')\nsync(path)", False),
        ("sync(path)\nfailpoint('after_x')", False),
        ("failpoint('before_x')\ntry:\n    path.rename(other)\nfinally:\n    pass\nfailpoint('after_x')", True),
        ("with e.begin(write=True) as t:\n    t.put(k, v)\n    f.failpoint('before_x')\nf.failpoint('after_x')", True),
        ("with e.begin(write=True) as t:\n    t.put(k, v)\nf.failpoint('after_x')", False),
        ("with e.begin(write=True) as t:\n    f.failpoint('before_x')\n    t.put(k, v)\nf.failpoint('after_x')", False),
        ("session.online.write(table, rows, position)", False),
        ("written.replace(target)", False),
        ("os.replace(a, b)", False),
        ("connection.commit()", False),
    ],
)  # fmt: skip
def test_what_is_covered(tmp_path: Path, code: str, *, is_covered: bool) -> None:
    (tmp_path / "module.py").write_text(code)
    assert [step.is_covered for step in steps(tmp_path)] == [is_covered]


@pytest.mark.parametrize(
    "code",
    ["text.replace('a', 'b')", "at.replace(tzinfo=UTC)", "msgspec.structs.replace(s, a=1)", "x.begin()"],
)
def test_what_is_no_step(tmp_path: Path, code: str) -> None:
    (tmp_path / "module.py").write_text(code)
    assert steps(tmp_path) == []


def test_the_points_around_a_step() -> None:
    reached: list[str] = []
    with around(reached.append, "x"):
        reached.append("x")
    with pytest.raises(KeyError), around(reached.append, "y"):
        raise KeyError
    assert reached == ["before_x", "x", "after_x", "before_y"]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """Return a folder in memory, where that is possible: a kill asks nothing of the disk."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="hopyard-crash-", dir=place) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def store_of(home: Path) -> Callable[[str], Path]:
    """Return a function that gives the prepared store of an operation; the same one where the preparation is."""
    made: dict[str, Path] = {}

    def find(name: str) -> Path:
        step = OPERATIONS[name].prepare
        if step.__name__ not in made:
            made[step.__name__] = home / f"prepared-{step.__name__}"
            assert finish(start(prepare, made[step.__name__], step)) == 0
        return made[step.__name__]

    return find


@pytest.fixture(scope="module")
def reached(home: Path, store_of: Callable[[str], Path]) -> dict[str, list[str]]:
    """Return the points that each operation reaches, in order."""
    found = {}
    for name in OPERATIONS:
        folder = copy(store_of(name), home / f"after-{name}")
        assert finish(start(recorded, name, folder, home / f"{name}.points")) == 0
        found[name] = (home / f"{name}.points").read_text().split("\n")
    return found


def copy(store: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    if store.exists():
        shutil.copytree(store, to)
    return to


def online_groups(project: Project) -> list[FeatureGroup]:
    groups = project.get_feature_store().list_feature_groups()
    return [group for group in groups if group.online_enabled]


def rows_of(project: Project, group: FeatureGroup) -> dict[bytes, bytes] | None:
    """Return what is online of a group; None: it has no online table."""
    try:
        return online_rows(project, group)
    except NotFoundError:
        return None


def test_every_failpoint_is_reached_by_some_operation(reached: dict[str, list[str]]) -> None:
    assert set(failpoints()) == {point for points in reached.values() for point in points}


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What an operation finds, and what it leaves where nobody disturbs it."""

    before: dict[str, object]
    online_before: dict[str, dict[bytes, bytes] | None]
    after: dict[str, object]


@pytest.fixture(scope="module")
def undisturbed(
    home: Path, store_of: Callable[[str], Path], reached: dict[str, list[str]]
) -> Callable[[str], Undisturbed]:
    def find(name: str) -> Undisturbed:
        folder = copy(store_of(name), home / f"before-{name}")
        return Undisturbed(
            before=opened(folder, picture),
            online_before=opened(folder, lambda p: {g.name: rows_of(p, g) for g in online_groups(p)}),
            after=opened(home / f"after-{name}", picture),
        )

    return find


def places_of(name: str, points: Sequence[str]) -> list[int]:
    """Return the places of the points that are of interest."""
    wanted = OPERATIONS[name].only.split(",")
    found = [place for place, point in enumerate(points) if any(part in point for part in wanted)]
    assert found
    return found


@pytest.mark.parametrize("name", OPERATIONS)
def test_killed_at_every_point_it_is_done_as_a_whole_or_not_at_all(
    name: str,
    home: Path,
    store_of: Callable[[str], Path],
    reached: dict[str, list[str]],
    undisturbed: Callable[[str], Undisturbed],
) -> None:
    points = [*reached[name], "acknowledged"]
    folder, journal = home / f"killed-{name}", home / f"{name}.journal"
    for place in places_of(name, points):
        copy(store_of(name), folder)
        journal.write_text("")
        assert_killed(killed, name, folder, journal, place)
        is_acknowledged = bool(journal.read_text())
        is_last = points[place] == "acknowledged"
        assert is_acknowledged == (is_last and OPERATIONS[name].fails_at is None), points[place]
        judge(name, folder, points[place], undisturbed(name), is_acknowledged=is_acknowledged, place=place)


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if not operation.fails_at])
def test_interrupted_around_a_commit_it_is_done_as_a_whole_or_not_at_all(
    name: str,
    home: Path,
    store_of: Callable[[str], Path],
    reached: dict[str, list[str]],
    undisturbed: Callable[[str], Undisturbed],
) -> None:
    """What a process can still do that was interrupted, by Ctrl-C for example, must not make it worse."""
    places = [place for place, point in enumerate(reached[name]) if "_commit" in point or "_link" in point]
    for place in places:
        folder = copy(store_of(name), home / f"interrupted-{name}")
        countdown = iter(range(place, -1, -1))

        def interrupt(_: str, countdown: Iterator[int] = countdown) -> None:
            if next(countdown, None) == 0:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            OPERATIONS[name].run(open_store(folder, failpoint=interrupt, n_threads=1).get_feature_store())
        judge(name, folder, reached[name][place], undisturbed(name), is_acknowledged=False, place=place)


def judge(
    name: str, folder: Path, point: str, undisturbed: Undisturbed, *, is_acknowledged: bool, place: int
) -> None:
    """Compare a store after a kill with what it was before and what it would be; then go on with it."""
    operation = OPERATIONS[name]
    if point in operation.gap:
        with pytest.raises(TrainingDatasetError, match=r"rebuild\(\)"):
            opened(folder, picture)
        opened(folder, lambda project: operation.run(project.get_feature_store()))
    project = open_store(folder)
    now = picture(project)
    assert now in ([undisturbed.after] if is_acknowledged else [undisturbed.before, undisturbed.after]), point
    for group in online_groups(project):
        rows, position = rows_of(project, group), project.session.online.position(group.spec.id)
        old = undisturbed.online_before.get(group.name)
        if position == CommitPosition(number=group.commit_details(1)[0].number):
            assert rows == wanted_rows(group), point
        else:
            assert not is_acknowledged or name == "insert_for_later", point
            # A table that was gone is made known, empty, before it is filled.
            assert rows == old or not (rows or old) or operation.is_in_steps, point
    if place % 2:  # either a catch-up comes next, or another writer
        for group in online_groups(project):
            group.catch_up_online()
            assert_online_equals_offline(project, group)
    if not is_acknowledged and operation.fails_at is None:
        operation.run(project.get_feature_store())
        assert undisturbed.after in (now, picture(project)), point
    for group in online_groups(project):
        extra = dict.fromkeys({feature.name for feature in group.features} & {"extra"})
        group.insert([row("b", 99, 99.0) | extra])
        assert_online_equals_offline(project, group)
    assert {finding.kind for finding in project.verify().findings} <= {"orphan_folder"}, point
    close_store(project)


def opened(folder: Path, look: Callable[[Project], T]) -> T:
    """Return what a function sees in the store of a folder, opened anew."""
    project = open_store(folder)
    try:
        return look(project)
    finally:
        close_store(project)
