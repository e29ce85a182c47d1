"""Full disks, read-only folders and damaged files: an error that says what to do, no wrong row, no dead interpreter.

What could end the interpreter runs in a child.
"""

from __future__ import annotations

import fcntl
import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

import hopyard
from children import finish, start
from hopyard.errors import CorruptStoreError, OnlineBehindError, StoreError
from hopyard.feature_group import FeatureGroup
from hopyard.model.position import CommitPosition
from hopyard.online.lmdb import LmdbOnlineStore
from hopyard.ports import EncodedRows, OnlineTable
from hopyard.project import Project
from hopyard.testing.store import close_store, open_store
from parity import assert_online_equals_offline, online_rows

N_ROWS = 300
PAGE = 4096


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of 16 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=16m", "tmpfs", folder):
        pytest.skip("a disk of one's own can be mounted by root only")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def mount(*arguments: object) -> bool:
    """Return whether something could be mounted."""
    if shutil.which("mount") is None:
        return False
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, check=False)
    return done.returncode == 0


def fill(disk: Path, *, left_kb: int) -> Path:
    """Write a file that leaves so much room on a disk, and return it."""
    status = os.statvfs(disk)
    filler = disk / "filler"
    filler.write_bytes(bytes(max(0, status.f_bavail * status.f_frsize - left_kb * 1024)))
    return filler


def error_of(work: Callable[[], object]) -> StoreError | None:
    """Return the error that something raises."""
    try:
        work()
    except StoreError as error:
        return error
    return None


def value(number: int, *, size: int) -> str:
    return f"{number}/" * size


def filled(folder: Path, *, size: int = 10) -> Project:
    project = open_store(folder)
    fs = project.get_feature_store()
    group = fs.create_feature_group("readings", primary_key="id", online_enabled=True)
    group.insert([{"id": number, "text": value(number, size=size)} for number in range(N_ROWS)])
    fs.create_feature_view("view", group.select(["text"]))
    return project


def group_of(project: Project) -> FeatureGroup:
    return project.get_feature_store().get_feature_group("readings")


def data_file(folder: Path) -> Path:
    return folder / "projects" / "default" / "online" / "data.mdb"


@pytest.mark.parametrize("left_kb", [0, 40, 56, 80, 112, 144, 176, 4000])
def test_a_full_disk_leaves_nothing_half_visible(small_disk: Path, left_kb: int) -> None:
    project = filled(small_disk / "store")
    group = group_of(project)
    before, rows = group.commit_details(1)[0].number, online_rows(project, group)
    filler = fill(small_disk, left_kb=left_kb)
    frame = [{"id": number, "text": f"{number} " * 20} for number in range(1_500)]

    error = error_of(lambda: group.insert(frame))
    is_online = error is None
    is_there = is_online or isinstance(error, OnlineBehindError)
    assert is_online == (left_kb == 4000)
    assert is_online or re.search("is full: |disk is not full|Is the disk full", str(error))

    filler.unlink()
    assert group.commit_details(1)[0].number == before + is_there
    assert len(group.read(dataframe_type="python")) == (1_500 if is_there else N_ROWS)
    if is_online:
        assert len(online_rows(project, group)) == 1_500
    else:
        assert online_rows(project, group) == rows
    assert group.catch_up_online() == (is_there and not is_online)
    assert_online_equals_offline(project, group)
    group.insert(frame)
    assert_online_equals_offline(project, group)
    assert project.verify().findings == ()
    close_store(project)


def begin(folder: Path, result: Path) -> None:
    """Make an online table, and say how that went."""
    store = LmdbOnlineStore(folder)
    error = error_of(lambda: store.ensure(OnlineTable(id="0a1b", name="t", key=(), values=())))
    result.write_text(str(error or "done"))


@pytest.mark.parametrize("left_kb", [0, 4, 8, 12, 60, 64, 68, 72, 76])
def test_an_online_store_is_not_begun_on_a_full_disk(small_disk: Path, tmp_path: Path, left_kb: int) -> None:
    """LMDB maps its files into memory: a page that finds no room on the disk ends the process."""
    folder, result = small_disk / "online", tmp_path / "result"
    (folder / "locks").mkdir(parents=True)
    filler = fill(small_disk, left_kb=left_kb)
    assert finish(start(begin, folder, result)) == 0
    assert "is full: " in result.read_text()
    filler.unlink()
    assert finish(start(begin, folder, result)) == 0
    assert result.read_text() == "done"


def take_lock(file: Path, result: Path) -> None:
    """Try to take the lock by which LMDB knows whether somebody has the environment open."""
    with file.open("r+b") as opened:
        try:
            fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
            result.write_text("free")
        except OSError:
            result.write_text("held")


def test_who_has_the_files_open_says_so(tmp_path: Path) -> None:
    """Closing any descriptor of the lock file would drop the lock, and the next process would clear the readers."""
    folder, result = tmp_path / "online", tmp_path / "result"
    table = OnlineTable(id="0a1b", name="t", key=(), values=())
    for _ in range(2):  # its files are new, then they are there
        store = LmdbOnlineStore(folder)
        store.ensure(table)
        store.scan(table.id)
        assert finish(start(take_lock, folder / "lock.mdb", result)) == 0
        assert result.read_text() == "held"
        store.close()
        assert finish(start(take_lock, folder / "lock.mdb", result)) == 0
        assert result.read_text() == "free"


def test_a_read_only_disk_is_named(small_disk: Path) -> None:
    """SQLite and LMDB both write who reads: no part of a store can be used where nothing can be written."""
    folder = small_disk / "store"
    close_store(filled(folder))
    assert mount("-o", "remount,ro", small_disk)
    with pytest.raises(StoreError, match=r"registry\.db cannot be opened: .*that you may write to it"):
        hopyard.login(folder)
    online = LmdbOnlineStore(data_file(folder).parent)
    with pytest.raises(StoreError, match=r"online\.lock.*Read-only file system"):
        online.position("0a1b")


def read_all(folder: Path, result: Path, size: int) -> None:
    """Read every vector, and say what was read: all right, or which error."""
    try:
        view = open_store(folder).get_feature_store().get_feature_view("view")
        view.init_serving()
        vectors = view.get_feature_vectors([{"id": number} for number in range(N_ROWS)])
        is_right = vectors == [[value(number, size=size)] for number in range(N_ROWS)]
        result.write_text("right" if is_right else "wrong")
    except StoreError as error:
        result.write_text(f"{type(error).__name__}: {error}")


def zeros(data: bytes, page: int) -> bytes:
    return data[: page * PAGE] + bytes(PAGE) + data[(page + 1) * PAGE :]


def noise(data: bytes, page: int) -> bytes:
    return data[: page * PAGE] + random.Random(page).randbytes(PAGE) + data[(page + 1) * PAGE :]


def cut(data: bytes, page: int) -> bytes:
    return data[: page * PAGE]


@pytest.mark.parametrize(("damage", "size"), [(cut, 10), (cut, 2_000), (zeros, 10), (noise, 10)])
def test_a_damaged_file_is_named_and_never_gives_a_wrong_row(
    tmp_path: Path, damage: Callable[[bytes, int], bytes], size: int
) -> None:
    # LMDB has no checksums: noise in the middle of a row larger than a page is found by verify and check_parity.
    folder, result = tmp_path / "store", tmp_path / "result"
    close_store(filled(folder, size=size))
    file = data_file(folder)
    whole = file.read_bytes()
    n_pages = len(whole) // PAGE
    pages = sorted({1, 2, 3, 5, n_pages // 3, n_pages // 2, *range(n_pages - 4, n_pages)})
    n_found = 0
    for page in pages if damage is cut else pages[1:]:
        file.write_bytes(damage(whole, page))
        result.write_text("nothing")
        assert finish(start(read_all, folder, result, size)) == 0, f"page {page}"
        said = result.read_text()
        assert said == "right" or said.startswith("CorruptStoreError"), f"page {page}: {said}"
        if said != "right":
            n_found += 1
            assert file.read_bytes() == damage(whole, page), "it is left as it was found"
            assert str(file) in said
            assert "hopyard online catchup" in said
    assert n_found >= 4


def test_after_a_damaged_file_is_removed_everything_is_written_anew(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    close_store(filled(folder))
    file = data_file(folder)
    file.write_bytes(cut(file.read_bytes(), 5))
    project = open_store(folder)
    group = group_of(project)
    with pytest.raises(OnlineBehindError, match=r"data\.mdb cannot be read") as raised:
        group.insert([{"id": 1, "text": "new"}])
    assert raised.value.commit == group.commit_details(1)[0].number
    with pytest.raises(CorruptStoreError, match="hopyard online catchup"):
        project.session.online.position(group.spec.id)
    close_store(project)

    shutil.rmtree(file.parent)
    project = open_store(folder)
    assert group_of(project).catch_up_online() > 0
    assert_online_equals_offline(project, group_of(project))
    close_store(project)


def read_large(folder: Path, result: Path, n_rows: int) -> None:
    """Read rows of several pages each, and say what was read: all right, or which error."""
    store, found = LmdbOnlineStore(folder), []
    error = error_of(lambda: found.extend(store.read([("0a1b", b"%d" % n) for n in range(n_rows)])))
    is_right = found == [large_row(n) for n in range(n_rows)]
    result.write_text(str(error) if error else "right" if is_right else "wrong")


def large_row(number: int) -> bytes:
    return bytes(12) + b"%d/" % number * 8_000


def test_a_file_that_ends_in_the_middle_of_a_row(tmp_path: Path) -> None:
    folder, result, said = tmp_path / "online", tmp_path / "result", []
    table = OnlineTable(id="0a1b", name="t", key=(), values=())
    store = LmdbOnlineStore(folder)
    store.ensure(table)
    n_rows = 20
    for number in range(n_rows):
        key, row = pa.array([b"%d" % number]), pa.array([large_row(number)])
        store.write(table, EncodedRows(keys=key, rows=row), CommitPosition(number=number))
    store.close()
    file = folder / "data.mdb"
    whole = file.read_bytes()
    for n_pages in range(1, 9):
        file.write_bytes(whole[: -n_pages * PAGE])
        assert finish(start(read_large, folder, result, n_rows)) == 0, f"{n_pages} pages"
        said.append(result.read_text())
        assert said[-1] == "right" or f"{file} cannot be read" in said[-1], f"{n_pages} pages"
    assert any("it ends in the middle of a row" in text for text in said)


def test_a_file_whose_last_pages_are_free_is_used(tmp_path: Path) -> None:
    """LMDB does not write a page at the end that was needed in between only: the file is short, and whole."""
    folder = tmp_path / "store"
    project = filled(folder)
    rows = online_rows(project, group_of(project))
    close_store(project)
    file = data_file(folder)
    whole = file.read_bytes()
    file.write_bytes(whole[:-PAGE])
    project = open_store(folder)
    assert online_rows(project, group_of(project)) == rows
    assert file.stat().st_size == len(whole)
    close_store(project)
