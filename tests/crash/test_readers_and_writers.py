"""Four processes read vectors while two write: no error, no torn vector, and what was applied never goes back.

Each row carries a checksum of itself as a feature, and the rows of a set are always written together.
`HOPYARD_CRASH_SECONDS` says for how long: 20, or ten minutes by `make crash`.
"""

from __future__ import annotations

import json
import os
import random
import time
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hopyard
from children import start
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.model.position import CommitPosition
from parity import assert_online_equals_offline

SECONDS = float(os.environ.get("HOPYARD_CRASH_SECONDS", "20"))
END_SECONDS = 120
"""How long the processes may take to see that it is over."""
N_READERS, N_WRITERS = 4, 2
N_MEMBERS = 5
LASTING, REMOVED = range(6), range(6, 9)
"""Sets of keys that are written only, and sets that are removed at times."""
KEYS = [{"part": part, "member": member} for part in (*LASTING, *REMOVED) for member in range(N_MEMBERS)]
START = datetime(2024, 1, 1, tzinfo=UTC)


def checksum(row: dict[str, object]) -> int:
    names = ("part", "member", "at", "writer", "number", "text")
    return zlib.crc32("|".join(str(row[name]) for name in names).encode())


def rows_of(part: int, at: datetime, writer: int, number: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for member in range(N_MEMBERS):
        text = f"{writer}.{number} " * (1 + number % 40)
        row = {"part": part, "member": member, "at": at, "writer": writer, "number": number, "text": text}
        rows.append(row | {"check": checksum(row)})
    return rows


def group_of(fs: FeatureStore) -> FeatureGroup:
    return fs.get_feature_group("parts")


def write(folder: Path, stop: Path, journal: Path, writer: int) -> None:
    """Write sets, on time and late, remove some, and rebuild at times; note each one that is done."""
    group = group_of(hopyard.login(folder).get_feature_store())
    choose, number = random.Random(writer), 0
    with journal.open("a") as file:
        while not stop.exists():
            number += 1
            parts = choose.sample([*LASTING, *REMOVED], 2)
            now = datetime.now(UTC)
            at = now - timedelta(days=1) if number % 7 == 0 else now
            rows = [row for part in parts for row in rows_of(part, at, writer, number)]
            group.insert(rows, online="later" if number % 5 == 0 else "now")
            file.writelines(json.dumps([part, at.isoformat()]) + "\n" for part in parts)
            file.flush()
            if number % 11 == 0:
                part = choose.choice(list(REMOVED))
                group.remove_rows([{"part": part, "member": member} for member in range(N_MEMBERS)])
            if number % 31 == 0:
                group.rebuild_online()
        group.catch_up_online()


def read(folder: Path, stop: Path, results: Path, reader: int) -> None:
    """Read all vectors again and again, in batches that differ, and compare what must agree."""
    project = hopyard.login(folder)
    fs = project.get_feature_store()
    group, view = group_of(fs), fs.get_feature_view("parts")
    view.init_serving()
    choose, n_vectors, applied = random.Random(reader), 0, -1
    newest: dict[int, datetime] = {}
    while not stop.exists():
        entries = KEYS if choose.random() < 0.5 else choose.sample(KEYS, 20)
        rows = view.get_feature_vectors(entries, allow_missing=True)
        seen: dict[int, tuple[object, ...]] = {}
        for entry, vector in zip(entries, rows, strict=True):
            row = dict(zip(view.features, vector, strict=True))
            part = entry["part"]
            if row["at"] is not None:
                assert (row["part"], row["member"]) == tuple(entry.values())
                assert checksum(row) == row["check"], f"torn: {row}"
            else:
                assert part in REMOVED, f"lost: {entry}"
            version = (row["at"], row["writer"], row["number"])
            assert seen.setdefault(part, version) == version, f"half of a write: {entry}"
            if part in LASTING:
                assert row["at"] >= newest.get(part, START), f"went back: {entry}"
                newest[part] = row["at"]
        n_vectors += len(rows)
        position = project.session.online.position(group.spec.id)
        assert isinstance(position, CommitPosition)
        assert position.number >= applied, "the applied commit went back"
        applied = position.number
    results.write_text(json.dumps({"n_vectors": n_vectors, "applied": applied}))


def test_readers_beside_writers(tmp_path: Path) -> None:
    folder, stop = tmp_path / "store", tmp_path / "stop"
    project = hopyard.login(folder)
    fs = project.get_feature_store()
    group = fs.create_feature_group(
        "parts", primary_key=["part", "member"], event_time="at", online_enabled=True
    )
    group.insert([row for part in (*LASTING, *REMOVED) for row in rows_of(part, START, 0, 0)])
    fs.create_feature_view("parts", group.select_all())

    processes = {}
    for reader in range(N_READERS):
        processes[f"reader {reader}"] = start(read, folder, stop, tmp_path / f"reader{reader}", reader)
    for writer in range(1, N_WRITERS + 1):
        processes[f"writer {writer}"] = start(write, folder, stop, tmp_path / f"writer{writer}", writer)
    over = time.monotonic() + SECONDS
    while time.monotonic() < over and all(process.is_alive() for process in processes.values()):
        time.sleep(0.1)
    stop.touch()
    for process in processes.values():
        process.join(END_SECONDS)
    assert {name: process.exitcode for name, process in processes.items()} == dict.fromkeys(processes, 0)

    results = [json.loads((tmp_path / f"reader{reader}").read_text()) for reader in range(N_READERS)]
    assert all(result["n_vectors"] for result in results)
    last = group.commit_details(1)[0].number
    assert all(0 <= result["applied"] <= last for result in results)
    group = group_of(fs)
    group.catch_up_online()
    assert_online_equals_offline(project, group)
    written: dict[int, datetime] = dict.fromkeys(LASTING, START)
    for writer in range(1, N_WRITERS + 1):
        lines = (tmp_path / f"writer{writer}").read_text().splitlines()
        assert lines
        for part, at in map(json.loads, lines):
            if part in written:
                written[part] = max(written[part], datetime.fromisoformat(at))
    view = fs.get_feature_view("parts")
    view.init_serving()
    found = view.get_feature_vectors([{"part": part, "member": 0} for part in LASTING], return_type="dict")
    assert {row["part"]: row["at"] for row in found} == written
