"""The registry in a SQL database: SQLite in the store's folder by default, others by URL."""

from __future__ import annotations

import builtins
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    NullPool,
    Select,
    column,
    create_engine,
    delete,
    event,
    insert,
    inspect,
    make_url,
    select,
    table,
    update,
)
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from hopyard.errors import (
    ConfigError,
    ConflictError,
    CorruptStoreError,
    FormatVersionError,
    NotFoundError,
    StoreError,
)
from hopyard.failpoint import Failpoint, never_fail
from hopyard.model.search import Hit, SearchRequest
from hopyard.ports import Record, RecordKind
from hopyard.registry.migrations import upgrade
from hopyard.registry.search_index import forget_record, index_record, is_in_step, rebuild, search
from hopyard.registry.tables import HEAD, HISTORY, RECORD, VERSION_TABLE
from hopyard.time import Clock, show

BUSY_TIMEOUT_SECONDS = 60.0
CREATE_TIMEOUT_SECONDS = 10.0
"""How long an opener tries again while others create the same schema."""

_FIELDS = tuple(column.name for column in RECORD.columns)


def sqlite_url(file: Path) -> URL:
    """Return the URL of a registry in a file, whatever characters its path has."""
    return URL.create("sqlite", database=str(file))


class SqlRegistry:
    """Names, versions and documents in two tables (tables.py); implements `ports.Registry`.

    Nothing is opened before the first call. Safe for threads, for processes, and after a fork.
    """

    def __init__(self, url: str | URL, *, clock: Clock, failpoint: Failpoint = never_fail) -> None:
        """Args: url: SQLAlchemy's form, such as `sqlite:////folder/registry.db`. Raises ConfigError."""
        try:
            self._url = make_url(url)
        except ArgumentError as error:
            raise ConfigError(
                f"{url!r} is no database URL: give one such as sqlite:////folder/file.db."
            ) from error
        if _is_sqlite(self._url) and self._url.database in (None, "", ":memory:"):
            raise ConfigError(
                f"{str(url)!r} names no file, so other processes and threads would not see the registry. "
                f"Give one, such as sqlite:////folder/registry.db."
            )
        self._clock, self._failpoint = clock, failpoint
        self._opened: Engine | None = None
        self._opening = threading.Lock()
        self._pid = os.getpid()

    def get(self, project: str, kind: RecordKind, name: str, version: int) -> Record:
        """Return the record. Raises NotFoundError with the close names, or the versions, that there are."""
        found = self.find(project, kind, name, version)
        if found is not None:
            return found
        versions = [record.version for record in self.list(project, kind, name)]
        if versions:
            raise NotFoundError(
                f"version of {_words(kind)} {name!r}", str(version), [str(v) for v in versions]
            )
        raise NotFoundError(_words(kind), name, self._names(project, kind))

    def find(self, project: str, kind: RecordKind, name: str, version: int | None = None) -> Record | None:
        """Return the record, or None. Version None: the latest, by number."""
        rows = select(RECORD).where(*_named(project, kind, name))
        if version is None:
            rows = rows.order_by(RECORD.c.version.desc()).limit(1)
        else:
            rows = rows.where(RECORD.c.version == version)
        with self._reading() as connection:
            return _record(connection.execute(rows).mappings().first())

    def list(self, project: str, kind: RecordKind, name: str | None = None) -> builtins.list[Record]:
        """Return the records of a kind, ordered by name and version."""
        rows = select(RECORD).where(RECORD.c.project == project, RECORD.c.kind == kind)
        if name is not None:
            rows = rows.where(RECORD.c.name == name)
        with self._reading() as connection:
            records = [Record(**row) for row in connection.execute(rows).mappings()]
        # Sorted here: databases differ in how they order text.
        return sorted(records, key=lambda record: (record.name, record.version))

    def put(self, record: Record, *, expected_revision: int) -> Record:
        """Store a record and return it as stored, with its new revision, instants from the clock.

        `created_at_us` and `updated_at_us` of the argument are ignored.

        Raises:
            ConflictError: the record exists (expected 0), is gone, has another revision; its id is taken.
        """
        now = self._clock()
        try:
            with self._writing() as connection:
                if expected_revision == 0:
                    stored = _changed(record, revision=1, created_at_us=now, updated_at_us=now)
                    connection.execute(insert(RECORD).values(_values(stored)))
                else:
                    seen = _find(connection, record)
                    if seen is None or not _replaces(seen, record, expected_revision):
                        raise _conflict(record, expected_revision, seen)
                    stored = _changed(
                        record,
                        revision=expected_revision + 1,
                        created_at_us=seen.created_at_us,
                        updated_at_us=now,
                    )
                    done = connection.execute(update(RECORD).where(*_exactly(seen)).values(_values(stored)))
                    # On databases whose reads do not lock, somebody may have come between.
                    if done.rowcount != 1:
                        raise _conflict(record, expected_revision, _find(connection, record))
                connection.execute(insert(HISTORY).values(_values(stored) | {"is_deleted": False}))
                index_record(connection, stored)
        except StoreError as error:
            # Creating met a unique constraint: of the name, or of the id (in the history, if it was deleted).
            if expected_revision != 0 or not isinstance(error.__cause__, IntegrityError):
                raise
            with self._reading() as connection:
                raise _conflict(record, expected_revision, _find(connection, record)) from error
        return stored

    def delete(self, record: Record) -> None:
        """Remove a record; its history stays, and says when, and as whom (`record.actor`), it was removed.

        Raises:
            ConflictError: its revision is not the stored one, or it is gone.
        """
        now = self._clock()
        with self._writing() as connection:
            seen = _find(connection, record)
            if seen is None or not _replaces(seen, record, record.revision):
                raise _conflict(record, record.revision, seen)
            if connection.execute(delete(RECORD).where(*_exactly(seen))).rowcount != 1:
                raise _conflict(record, record.revision, _find(connection, record))
            last = _changed(seen, revision=seen.revision + 1, updated_at_us=now, actor=record.actor)
            connection.execute(insert(HISTORY).values(_values(last) | {"is_deleted": True}))
            forget_record(connection, seen)

    def history(self, id: str) -> builtins.list[Record]:
        """Return every revision of a record, oldest first; also of a deleted one. Empty: no such id.

        The removal itself is no revision: it is kept in the table, and not returned.
        """
        rows = select(*(HISTORY.c[name] for name in _FIELDS)).where(HISTORY.c.id == id, ~HISTORY.c.is_deleted)
        with self._reading() as connection:
            found = connection.execute(rows.order_by(HISTORY.c.revision)).mappings()
            return [Record(**row) for row in found]

    def search(self, request: SearchRequest) -> builtins.list[Hit]:
        """Return what matches a request, the best first. An index that is missing or out of step is made anew.

        Raises:
            StoreError: the database has no full-text search.
        """
        with self._reading() as connection:
            if is_in_step(connection):
                return search(connection, request)
        with self._writing() as connection:
            rebuild(connection)
            return search(connection, request)

    def close(self) -> None:
        """Release connections. The registry can be used again afterwards."""
        self._forget_parent()
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.dispose()

    def _names(self, project: str, kind: RecordKind) -> builtins.list[str]:
        rows = select(RECORD.c.name).where(RECORD.c.project == project, RECORD.c.kind == kind).distinct()
        with self._reading() as connection:
            return [*connection.execute(rows).scalars()]

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._errors("read"), self._engine().connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._errors("written"), _for_writing(self._engine()).begin() as connection:
            yield connection
            self._failpoint("before_registry_commit")
        self._failpoint("after_registry_commit")

    @contextmanager
    def _errors(self, done: str) -> Iterator[None]:
        """Turn the database's errors into ours."""
        try:
            yield
        except (DBAPIError, PoolTimeoutError) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            where = self._url.render_as_string(hide_password=True)
            if (
                type(error) is DatabaseError
            ):  # not one of its subclasses: "file is not a database", "malformed"
                raise CorruptStoreError(
                    f"The registry at {where} cannot be {done}: {cause}. Restore the file from a backup."
                ) from error
            raise StoreError(
                f"The registry at {where} cannot be {done}: {cause}. "
                f"Check that the database is there, that you may write to it, and that its disk is not full."
            ) from error

    def _engine(self) -> Engine:
        """Return this process's engine, its schema up to date."""
        self._forget_parent()
        opened = self._opened
        if opened is not None:
            return opened
        with self._opening:
            if self._opened is None:
                engine = _create_engine(self._url)
                with self._errors("opened"):
                    _prepare(engine, self._failpoint)
                self._opened = engine
            return self._opened

    def _forget_parent(self) -> None:
        """After a fork, leave its connections to the parent, and the lock too: a thread may hold it there."""
        if self._pid == os.getpid():
            return
        if self._opened is not None:
            self._opened.dispose(close=False)
        self._opened, self._opening, self._pid = None, threading.Lock(), os.getpid()


def _create_engine(url: URL) -> Engine:
    try:
        if not _is_sqlite(url):
            return create_engine(url, pool_pre_ping=True, isolation_level="READ COMMITTED")
        # No pool: a connection must not be carried across a fork, not even idle: SQLite would remember file
        # locks that the child does not have. Opening takes 0.3 ms, and no data path asks the registry.
        engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"A registry at {url.drivername}:// needs the package {error.name!r}: install it."
        ) from error
    except ArgumentError as error:
        raise ConfigError(f"There is no kind of database named {url.drivername!r}: {error}.") from error
    Path(url.database or "").absolute().parent.mkdir(parents=True, exist_ok=True)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself; `_begin_sqlite` does
    connection.execute("PRAGMA synchronous = FULL")  # what we return is on disk


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at once where told: to read first and write later fails if another one wrote."""
    begin = connection.get_execution_options().get("hopyard_begin", "BEGIN")
    if begin:
        connection.exec_driver_sql(begin)


def _for_writing(engine: Engine) -> Engine:
    return engine.execution_options(hopyard_begin="BEGIN IMMEDIATE")


def _prepare(engine: Engine, failpoint: Failpoint) -> None:
    """Create the schema, or bring it up to date; any number of processes may do so at once.

    Raises:
        FormatVersionError: a newer Hopyard wrote it.
    """
    deadline = time.monotonic() + CREATE_TIMEOUT_SECONDS
    while _version(engine) < int(HEAD):
        try:
            if _is_sqlite(engine.url):
                _use_wal(engine)
            with _for_writing(engine).begin() as connection:
                upgrade(connection)
                failpoint("before_registry_upgrade")
            failpoint("after_registry_upgrade")
        except DBAPIError:
            # Most likely somebody else is creating the same tables: look again.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _version(engine: Engine) -> int:
    """Return the number of the schema's revision; 0: there is none yet. Raises FormatVersionError."""
    where = f"The registry at {engine.url.render_as_string(hide_password=True)}"
    with engine.connect() as connection:
        if not inspect(connection).has_table(VERSION_TABLE):
            return 0
        numbers: Select[tuple[Any]] = select(column("version_num")).select_from(table(VERSION_TABLE))
        found = connection.execute(numbers).scalars().all()
    try:
        version = max((int(number) for number in found), default=0)
    except ValueError:
        raise CorruptStoreError(
            f"{where} has a table {VERSION_TABLE} with {found!r}, which is no version of Hopyard's. "
            f"Does another program use this database?"
        ) from None
    if version > int(HEAD):
        raise FormatVersionError(where, version, int(HEAD))
    return version


def _use_wal(engine: Engine) -> None:
    """Let readers and a writer work at once. It stays with the file, and cannot be set in a transaction."""
    with engine.execution_options(hopyard_begin="").connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _named(project: str, kind: str, name: str) -> tuple[ColumnElement[bool], ...]:
    return RECORD.c.project == project, RECORD.c.kind == kind, RECORD.c.name == name


def _exactly(record: Record) -> tuple[ColumnElement[bool], ...]:
    return RECORD.c.id == record.id, RECORD.c.revision == record.revision


def _find(connection: Connection, record: Record) -> Record | None:
    """Return what is stored under the record's name and version."""
    rows = select(RECORD).where(
        *_named(record.project, record.kind, record.name), RECORD.c.version == record.version
    )
    return _record(connection.execute(rows).mappings().first())


def _replaces(seen: Record, record: Record, expected_revision: int) -> bool:
    """Return whether `record` is the same record as `seen`, and was read at the revision that is stored."""
    return seen.id == record.id and seen.revision == expected_revision


def _record(row: Any) -> Record | None:
    return None if row is None else Record(**row)


def _values(record: Record) -> dict[str, object]:
    return {name: getattr(record, name) for name in _FIELDS}


def _changed(record: Record, **changes: object) -> Record:
    return msgspec.structs.replace(record, **changes)


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _conflict(record: Record, expected_revision: int, found: Record | None) -> ConflictError:
    """Return the error that says what was expected of the record, and what was found."""
    what = f"{_words(record.kind)} {record.name!r} version {record.version} of project {record.project!r}"
    if found is None and expected_revision == 0:
        return ConflictError(
            f"The {what} cannot be created (expected revision 0, found none): its id {record.id!r} belongs "
            f"to another record, or to one that was deleted. Give it a new id."
        )
    if found is None:
        return ConflictError(
            f"The {what} is not there (expected revision {expected_revision}, found none): it was deleted, "
            f"or never stored. Nothing was changed. List what there is, and decide anew."
        )
    which = "" if found.id == record.id else f" of another record, id {found.id!r} instead of {record.id!r}"
    by = f" by {found.actor!r}" if found.actor else ""
    event_ = "exists already" if expected_revision == 0 else "was changed by somebody else"
    return ConflictError(
        f"The {what} {event_}: expected revision {expected_revision}, found {found.revision}{which}, "
        f"stored{by} at {show(found.updated_at_us)}. Nothing was changed. Read it again, and decide anew."
    )
