"""What the store in LMDB does beyond what every online store does."""

from __future__ import annotations

import shutil
from pathlib import Path

import lmdb
import pytest

from hopyard.errors import (
    ConfigError,
    CorruptStoreError,
    FormatVersionError,
    LockTimeoutError,
    NotFoundError,
    StoreError,
)
from hopyard.online.environment import filesystem_of, refuse_network_filesystem, writer_locks
from online_stores import OTHER, TABLE, at, batch, lmdb_store, read, run, use_what_is_not_there, values


def test_nothing_is_created_by_reading(tmp_path: Path) -> None:
    store = lmdb_store(tmp_path)
    use_what_is_not_there(store)
    assert not (tmp_path / "online").exists()


def test_a_folder_that_was_deleted_and_made_again(tmp_path: Path) -> None:
    old = lmdb_store(tmp_path)
    old.ensure(TABLE)
    shutil.rmtree(tmp_path / "online")
    new = lmdb_store(tmp_path)
    assert new.position(TABLE.id) is None
    with pytest.raises(NotFoundError):
        read(new, "a")
    new.ensure(TABLE)
    new.write(TABLE, batch(("a", 1, 1)), at(1))
    assert values(new, "a") == values(old, "a") == [1]
    old.close()
    new.close()


def test_a_store_of_a_newer_hopyard_is_refused(tmp_path: Path) -> None:
    store = lmdb_store(tmp_path)
    store.ensure(TABLE)
    store.close()
    with lmdb.open(str(tmp_path / "online"), max_dbs=8) as environment:
        version = environment.open_db(b"__store__")
        with environment.begin(write=True) as txn:
            assert txn.get(b"format_version", db=version) == b"1"
            txn.put(b"format_version", b"2", db=version)
    for _ in range(2):
        with pytest.raises(FormatVersionError, match="format version 2; this Hopyard reads up to 1"):
            read(store, "a")


@pytest.mark.parametrize("content", [b"no database" * 1000, b"\x00" * 8192])
def test_a_file_that_is_no_store_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "online").mkdir()
    (tmp_path / "online" / "data.mdb").write_bytes(content)
    with pytest.raises(CorruptStoreError, match=r"online/data\.mdb cannot be read.*hopyard verify"):
        read(lmdb_store(tmp_path), "a")


def test_a_position_that_cannot_be_read(tmp_path: Path) -> None:
    store = lmdb_store(tmp_path)
    store.ensure(TABLE)
    store.close()
    with lmdb.open(str(tmp_path / "online"), max_dbs=8) as environment:
        marks = environment.open_db(b"__marks__")
        with environment.begin(write=True) as txn:
            txn.put(TABLE.id.encode(), b"{", db=marks)
    with pytest.raises(CorruptStoreError, match="position of the online table '0a1b'"):
        store.position(TABLE.id)
    store.close()


def test_a_writer_waits_for_another_one_no_longer_than_allowed(tmp_path: Path) -> None:
    store = lmdb_store(tmp_path, timeout_seconds=0.05)
    store.ensure(TABLE)
    with writer_locks(tmp_path / "online").hold("online", timeout_seconds=1):
        with pytest.raises(LockTimeoutError):
            store.write(TABLE, batch(("a", 1, 1)), at(1))
        assert values(store, "a") == [None]
    store.write(TABLE, batch(("a", 1, 1)), at(1))
    store.close()


def test_a_full_store_says_so_and_keeps_what_it_has(tmp_path: Path) -> None:
    store = lmdb_store(tmp_path, map_size_bytes=1 << 20)
    store.ensure(TABLE)
    store.write(TABLE, batch(("a", 1, 1)), at(1))
    with pytest.raises(StoreError, match="is full"):
        store.write(TABLE, batch(*((f"{n}", 1, 1) for n in range(50_000))), at(2))
    assert (values(store, "a", "7"), store.position(TABLE.id)) == ([1, None], at(1))
    store.close()


def test_one_process_uses_a_folder_with_one_durability(tmp_path: Path) -> None:
    fast, safe = lmdb_store(tmp_path, sync="os"), lmdb_store(tmp_path)
    fast.ensure(TABLE)
    with pytest.raises(ConfigError, match="sync='os'"):
        safe.ensure(OTHER)
    fast.close()
    safe.close()


def test_less_address_space_means_a_smaller_map(tmp_path: Path) -> None:
    code = """
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        store.ensure(TABLE)
        store.write(TABLE, batch(("a", 1, 1)), at(1))
        assert values(store, "a") == [1]
        """
    assert run(code, lmdb_store, tmp_path) == 0


MOUNTS = """\
overlay / overlay rw 0 0
server:/a /mnt/net nfs4 rw 0 0
me@host: /mnt/with\\040blank fuse.sshfs rw 0 0
/dev/sdb /mnt/net/local ext4 rw 0 0
/dev/sdc /srv xfs rw 0 0
//smb/b /srv cifs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me", "overlay"),
        ("/mnt/net/store", "nfs4"),
        ("/mnt/network", "overlay"),
        ("/mnt/net/local/store", "ext4"),
        ("/mnt/with blank/x", "fuse.sshfs"),
        ("/srv", "cifs"),
    ],
)
def test_the_file_system_of_a_path(path: str, kind: str) -> None:
    assert filesystem_of(path, MOUNTS) == kind


def test_a_network_file_system_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"/mnt/net/store, which is on a network file system \(nfs4\)"):
        refuse_network_filesystem(Path("/mnt/net/store"), MOUNTS)
    refuse_network_filesystem(Path("/home/me"), MOUNTS)
