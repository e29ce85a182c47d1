"""Online against offline, bit for bit: what the online table holds, and what the snapshot at its position says it must.

Both sides come in the order of their keys, so that they are compared while they stream by. Of the offline side the
encoded rows are held in memory, in Arrow; of the online side nothing is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from hopyard.errors import CorruptStoreError
from hopyard.ingest.apply import encode, n_behind, newest_rows
from hopyard.ingest.create import KIND, load_group
from hopyard.model.commit import Snapshot
from hopyard.model.position import CommitPosition, Position
from hopyard.model.specs import FeatureGroupSpec
from hopyard.online.key_values import key_values
from hopyard.online.keys import LONGEST_PLAIN_KEY
from hopyard.ports import OnlineTable
from hopyard.session import Session

MAX_EXAMPLES = 3
FREE_TRIES = 2
_BATCH_ROWS = 65_536

Rows = Iterable[tuple[bytes, bytes]]


@dataclass(slots=True)
class Keys:
    """How many keys there are of one kind, and a few of them."""

    n: int = 0
    examples: list[bytes] = field(default_factory=list)

    def add(self, key: bytes) -> None:
        self.n += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(key)


@dataclass(slots=True)
class Parity:
    """How an online table compares with its group's offline rows.

    Attributes:
        position: what the online table says that it holds; None: nothing was ever applied.
        n_rows: how many rows it has.
        missing, extra, different: keys that only the offline table has, that only the online one has, and whose rows
            differ.
        is_stable: False: it kept changing while it was read, so nothing can be said.
    """

    position: Position | None
    n_rows: int = 0
    missing: Keys = field(default_factory=Keys)
    extra: Keys = field(default_factory=Keys)
    different: Keys = field(default_factory=Keys)
    is_stable: bool = True

    @property
    def is_equal(self) -> bool:
        return not (self.missing.n or self.extra.n or self.different.n)


def check_online(session: Session, spec: FeatureGroupSpec) -> Parity:
    """Return how the group's online table compares with the snapshot of the commit at its position.

    Writers are not held up, unless they change the table each time that it is read, or something differs: then the last
    try takes the group's lock.

    Raises:
        StoreError, TimeTravelError: a side that cannot be read.
        LockTimeoutError: writers hold the group's lock for too long.
    """
    for _ in range(FREE_TRIES):
        parity = _compare_once(session, spec)
        if parity.is_stable and parity.is_equal:
            return parity
    with hold(session, spec):
        return _compare_once(session, spec)


def commits_behind(session: Session, spec: FeatureGroupSpec) -> int:
    """Return how many commits the online table lacks, but for those that a writer is about to apply.

    Raises:
        StoreError, LockTimeoutError: as `check_online`.
    """
    if not n_behind(session, spec):
        return 0
    with hold(session, spec):
        return n_behind(session, spec)


def hold(session: Session, spec: FeatureGroupSpec) -> AbstractContextManager[None]:
    """Hold the lock of the group's writers."""
    return session.locks.hold(f"group.{spec.id}", timeout_seconds=session.config.lock_timeout_seconds)


def shown_key(table: OnlineTable, key: bytes) -> str:
    """Return an encoded key as messages show it: its values, or the bytes where they are none."""
    try:
        values = key_values(table, key)
    except CorruptStoreError:
        return f"0x{key.hex()}"
    return ", ".join(f"{name}={value!s}" for name, value in values.items())


def _compare_once(session: Session, spec: FeatureGroupSpec) -> Parity:
    position = session.online.position(spec.id)
    if not isinstance(position, CommitPosition):
        return Parity(position)
    snapshot = session.offline.snapshot(spec.location, position.number)
    # Features may have been appended since. The table itself knows them too early: before they are online.
    spec = load_group(session.registry.get(spec.project, KIND, spec.name, spec.version))
    parity = compare(
        _expected(session, _as_of(spec, snapshot), snapshot), session.online.scan(spec.id), position
    )
    is_stable = session.online.position(spec.id) == position
    return parity if is_stable else Parity(position, is_stable=False)


def compare(expected: Rows, found: Rows, position: Position) -> Parity:
    """Return how two streams of keys and rows compare; each in the order of its keys, but for those beyond
    `LONGEST_PLAIN_KEY` bytes, which may come in any order."""
    parity = Parity(position)
    long_expected: dict[bytes, bytes] = {}
    long_found: dict[bytes, bytes] = {}
    left, right = _plain(expected, long_expected), _plain(_counted(found, parity), long_found)
    wanted, stored = next(left, None), next(right, None)
    while wanted is not None or stored is not None:
        if stored is None or (wanted is not None and wanted[0] < stored[0]):
            assert wanted is not None
            parity.missing.add(wanted[0])
            wanted = next(left, None)
        elif wanted is None or stored[0] < wanted[0]:
            parity.extra.add(stored[0])
            stored = next(right, None)
        else:
            if wanted[1] != stored[1]:
                parity.different.add(wanted[0])
            wanted, stored = next(left, None), next(right, None)
    for key in sorted(long_expected.keys() | long_found.keys()):
        if key not in long_found:
            parity.missing.add(key)
        elif key not in long_expected:
            parity.extra.add(key)
        elif long_expected[key] != long_found[key]:
            parity.different.add(key)
    return parity


def _counted(rows: Rows, parity: Parity) -> Iterator[tuple[bytes, bytes]]:
    for row in rows:
        parity.n_rows += 1
        yield row


def _plain(rows: Rows, long: dict[bytes, bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the rows whose keys come in order, and keep the others."""
    for key, row in rows:
        if len(key) > LONGEST_PLAIN_KEY:
            long[key] = row
        else:
            yield key, row


def _as_of(spec: FeatureGroupSpec, snapshot: Snapshot) -> FeatureGroupSpec:
    """Return the group with the features that it had at a snapshot: rows of a table that is behind are shorter."""
    features = tuple(feature for feature in spec.features if feature.name in snapshot.columns)
    return msgspec.structs.replace(spec, features=features)


def _expected(session: Session, spec: FeatureGroupSpec, snapshot: Snapshot) -> Iterator[tuple[bytes, bytes]]:
    """Yield every key and row that the online table must hold, in key order."""
    keys, rows = [], []
    for batch in newest_rows(session, spec, snapshot):
        encoded = encode(spec, pa.Table.from_batches([batch]))
        keys.append(encoded.keys.cast(pa.large_binary()))
        rows.append(encoded.rows.cast(pa.large_binary()))
    table = pa.table(
        {"key": pa.chunked_array(keys, pa.large_binary()), "row": pa.chunked_array(rows, pa.large_binary())}
    )
    order = pc.sort_indices(table.column("key"))
    for start in range(0, len(order), _BATCH_ROWS):
        batch = table.take(order.slice(start, _BATCH_ROWS))
        yield from zip(batch.column("key").to_pylist(), batch.column("row").to_pylist(), strict=True)
