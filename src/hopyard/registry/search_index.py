"""The index behind `SqlRegistry.search`: entries in a table, their words in SQLite's FTS5.

It is changed in the transaction that changes a record. What other programs left out of step, or removed, is made anew
from the records by the next search.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    bindparam,
    delete,
    func,
    insert,
    inspect,
    literal_column,
    select,
)

from hopyard.errors import StoreError
from hopyard.model.search import Hit, MatchedIn, SearchRequest
from hopyard.ports import Record
from hopyard.registry.search_entries import SEARCHED_KINDS, About, Entry, entries_of, value_text
from hopyard.registry.tables import RECORD, SEARCH_ENTRY, SEARCH_TEXT, TEXT_COLUMNS

_WEIGHTS = (10.0, 6.0, 4.0, 3.0, 1.0)
"""What a match in each of TEXT_COLUMNS is worth."""
_EXACT_NAME = 3.0
"""How much more a thing is worth whose name is all that was asked for."""
_MARK = "\x01"
_CREATE = (
    "CREATE VIRTUAL TABLE search_text USING fts5("
    "name, keywords, tags, description, context, tokenize = 'unicode61 remove_diacritics 2')"
)


Found = tuple[float, tuple[MatchedIn, ...], Row[Any]]


def index_record(connection: Connection, record: Record) -> None:
    """Replace the entries of a record, in the connection's transaction. Without an index nothing happens."""
    if record.kind in SEARCHED_KINDS and has_index(connection):
        _remove(connection, record.id)
        _add(connection, record)


def forget_record(connection: Connection, record: Record) -> None:
    """Remove the entries of a record, in the connection's transaction."""
    if record.kind in SEARCHED_KINDS and has_index(connection):
        _remove(connection, record.id)


def has_index(connection: Connection) -> bool:
    """Return whether both tables are there."""
    names = inspect(connection).get_table_names()
    return SEARCH_ENTRY.name in names and SEARCH_TEXT.name in names


def is_in_step(connection: Connection) -> bool:
    """Return whether every record has its entries, as of its revision, and no others have any."""
    if not has_index(connection):
        return False
    records = select(RECORD.c.id, RECORD.c.revision).where(RECORD.c.kind.in_(SEARCHED_KINDS))
    entries = select(SEARCH_ENTRY.c.record_id, SEARCH_ENTRY.c.revision)
    n_entries = select(func.count()).select_from(SEARCH_ENTRY)
    n_texts = select(func.count()).select_from(SEARCH_TEXT)
    return (
        connection.execute(records.except_(entries).limit(1)).first() is None
        and connection.execute(entries.except_(records).limit(1)).first() is None
        and connection.execute(n_entries).scalar() == connection.execute(n_texts).scalar()
    )


def rebuild(connection: Connection) -> None:
    """Make the index anew from the records, in the connection's transaction.

    Raises:
        StoreError: the database has no full-text search.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    if not is_sqlite:
        raise StoreError("Search needs a registry in SQLite: this one is in another database.")
    modules = connection.exec_driver_sql("SELECT name FROM pragma_module_list")
    if "fts5" not in modules.scalars().all():
        raise StoreError(
            "Search needs SQLite with FTS5, which this Python's SQLite lacks. Use another Python."
        )
    connection.exec_driver_sql("DROP TABLE IF EXISTS search_text")
    SEARCH_ENTRY.drop(connection, checkfirst=True)
    SEARCH_ENTRY.create(connection)
    connection.exec_driver_sql(_CREATE)
    for row in connection.execute(select(RECORD).where(RECORD.c.kind.in_(SEARCHED_KINDS))).mappings().all():
        _add(connection, Record(**row))


def search(connection: Connection, request: SearchRequest) -> list[Hit]:
    """Return what matches, the best first; equal ones by kind, name and newest version."""
    found = list(_all(connection, request) if request.words is None else _matches(connection, request))
    best = max((score for score, _, _ in found), default=1.0)
    hits = [_hit(row, matched_in, score / best) for score, matched_in, row in found]
    hits = [hit for hit in hits if _has_tags(hit, request.tags) and set(request.keywords) <= {*hit.keywords}]
    hits.sort(key=lambda hit: (-hit.score, request.kinds.index(hit.kind), hit.name, hit.group, -hit.version))
    return hits[: request.limit]


def _all(connection: Connection, request: SearchRequest) -> Iterator[Found]:
    for row in connection.execute(_entries(request)):
        yield 1.0, (), row


def _matches(connection: Connection, request: SearchRequest) -> Iterator[Found]:
    words = [word for word in request.words or () if any(map(str.isalnum, word))]
    if not words:
        return  # of signs alone no word is made, and none can be found
    # Quoted, nothing in a word is syntax. The star asks for its beginning.
    asked = " AND ".join('"' + word.replace('"', '""') + '"*' for word in words)
    text: ColumnElement[Any] = literal_column(SEARCH_TEXT.name)
    marked = [func.highlight(text, at, _MARK, "") for at in range(len(TEXT_COLUMNS))]
    rows = (
        _entries(request)
        .add_columns(func.bm25(text, *_WEIGHTS), *marked)
        # With + 0 SQLite looks for the words first: otherwise it asks the index anew for each entry.
        .join(SEARCH_TEXT, SEARCH_ENTRY.c.id == SEARCH_TEXT.c.rowid + literal_column("0"))
        .where(text.op("MATCH")(bindparam("asked")))
    )
    exact = " ".join(request.words or ()).lower()
    n_own = len(SEARCH_ENTRY.columns)
    for row in connection.execute(rows, {"asked": asked}):
        is_feature = row.kind == "feature"
        where = tuple(
            _place(name, is_feature=is_feature)
            for name, value in zip(TEXT_COLUMNS, row[n_own + 1 :], strict=True)
            if _MARK in value
        )
        if is_feature and where == ("group",):
            continue  # it would be every feature of the group
        yield -row[n_own] * (_EXACT_NAME if row.name == exact else 1.0), where, row


def _entries(request: SearchRequest) -> Any:
    return select(SEARCH_ENTRY).where(
        SEARCH_ENTRY.c.project == request.project, SEARCH_ENTRY.c.kind.in_(request.kinds)
    )


def _place(column: str, *, is_feature: bool) -> MatchedIn:
    if column == "context":
        return "group" if is_feature else "features"
    return cast(MatchedIn, column)


def _hit(row: Row[Any], matched_in: tuple[MatchedIn, ...], score: float) -> Hit:
    about = msgspec.json.decode(row.about, type=About)
    return Hit(
        kind=row.kind,
        name=row.name,
        version=row.version,
        group=row.group_name,
        description=about.description,
        tags=about.tags,
        keywords=about.keywords,
        matched_in=matched_in,
        score=score,
    )


def _has_tags(hit: Hit, wanted: Mapping[str, Any]) -> bool:
    return all(name in hit.tags and _is_value(hit.tags[name], value) for name, value in wanted.items())


def _is_value(stored: object, wanted: object) -> bool:
    """Return whether a tag has a value; as text also the one of a number, which a command line cannot tell apart."""
    if wanted is None or stored == wanted:
        return True
    is_plain = isinstance(stored, (bool, int, float))
    return is_plain and isinstance(wanted, str) and value_text(stored) == wanted


def _remove(connection: Connection, record_id: str) -> None:
    old = select(SEARCH_ENTRY.c.id).where(SEARCH_ENTRY.c.record_id == record_id)
    connection.execute(delete(SEARCH_TEXT).where(SEARCH_TEXT.c.rowid.in_(old)))
    connection.execute(delete(SEARCH_ENTRY).where(SEARCH_ENTRY.c.record_id == record_id))


def _add(connection: Connection, record: Record) -> None:
    entries = list(entries_of(record))
    last = connection.execute(select(func.coalesce(func.max(SEARCH_ENTRY.c.id), 0))).scalar_one()
    rows = [_values(record, entry, last + at) for at, entry in enumerate(entries, start=1)]
    connection.execute(insert(SEARCH_ENTRY), rows)
    words = [{"rowid": row["id"]} | entry.words for row, entry in zip(rows, entries, strict=True)]
    connection.execute(insert(SEARCH_TEXT), words)


def _values(record: Record, entry: Entry, id: int) -> dict[str, Any]:
    return {
        "id": id,
        "record_id": record.id,
        "revision": record.revision,
        "project": record.project,
        "kind": entry.kind,
        "group_name": entry.group_name,
        "name": entry.name,
        "version": record.version,
        "about": msgspec.json.encode(entry.about),
    }
