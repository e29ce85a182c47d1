"""The rows of a plan as a stream of Arrow batches: joined narrow first, then the features of the winners alone.

A join needs keys and times only. Where the groups are large, the engine joins those, and gives for each row of the
result the addresses of the winners; their features are then read and put beside each other here, a part of the result
at a time, so that a result may be larger than memory. How a result comes about changes nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import compress, pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hopyard.config import Config
from hopyard.model.arrow import to_arrow_schema
from hopyard.model.commit import Snapshot
from hopyard.model.plan import FrameSource, Output, Plan
from hopyard.query.lower import PLACE, address_name, late_outputs, lower, lower_fetch, lower_narrow
from hopyard.query.nodes import files_of
from hopyard.query.scan import ADDRESS, ADDRESS_BITS
from hopyard.retrieve.ahead import ahead
from hopyard.retrieve.spool import Spool
from hopyard.session import Session

BATCH_ROWS = 122_880
MAX_ARRAY_BYTES = 2**31 - 2**20
"""What one Arrow array of text holds: its offsets have 32 bits."""
_PARTS_OF_MEMORY = 16
"""A part of the result may take so much of the memory limit: it exists about three times while it is put together, and
the one before it is still in use."""
_LATE_FROM_BYTES = 25_000_000
"""Below that, a second statement costs more than what it saves."""
_LATE_FROM_FEATURES = 6
_LATE_SHARE_OF_WINNERS = 0.5
_ROOT_LATE_FROM_FEATURES = 4
_CARRIED_PART_OF_MEMORY = 8
_BYTES = {"boolean": 1, "int": 4, "float": 4, "date": 4, "string": 24, "binary": 32, "decimal": 16}
_ROW_MASK = (1 << ADDRESS_BITS) - 1


def collect(
    session: Session,
    plan: Plan,
    snapshots: Mapping[int, Snapshot],
    *,
    frame: pa.Table | None = None,
    order_by: Sequence[tuple[int, str]] = (),
    limit: int | None = None,
) -> pa.Table:
    """Return the rows of a resolved plan as one table with its schema; see `stream`."""
    if _late(session, plan, snapshots, frame, order_by):
        return stream(session, plan, snapshots, frame=frame, order_by=order_by, limit=limit).read_all()
    engine = session.engine
    return engine.collect(
        lower(plan, snapshots, engine.capabilities, frame=frame, order_by=order_by, limit=limit)
    )


def stream(
    session: Session,
    plan: Plan,
    snapshots: Mapping[int, Snapshot],
    *,
    frame: pa.Table | None = None,
    order_by: Sequence[tuple[int, str]] = (),
    limit: int | None = None,
) -> pa.RecordBatchReader:
    """Return the rows of a resolved plan as batches with its schema, in the order asked for.

    Args:
        snapshots: by node; may be pruned.
    """
    engine = session.engine
    late = _late(session, plan, snapshots, frame, order_by)
    if not late:
        return engine.run(
            lower(plan, snapshots, engine.capabilities, frame=frame, order_by=order_by, limit=limit)
        )
    statement = lower_narrow(
        plan, snapshots, engine.capabilities, late=late, frame=frame, order_by=order_by, limit=limit
    )
    narrow = engine.collect(statement)
    schema = to_arrow_schema(plan.schema)
    fetched = late_outputs(plan, late, order_by)
    n_rows = rows_per_part(plan, session.config.memory_bytes)

    def put_together(part: pa.Table) -> pa.Table:
        columns = {name: part.column(name) for name in part.column_names}
        for node in sorted(late):
            outputs = [out for out in fetched if out.node == node]
            addresses = part.column(address_name(node))
            columns |= _fetch(session, plan, snapshots, node, outputs, addresses, frame)
        return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)

    if narrow.num_rows <= n_rows:
        tables: Iterator[pa.Table] = map(put_together, [narrow] if narrow.num_rows else [])
    else:
        order = _order_of_files(narrow, plan, snapshots, late)
        if order_by or frame is not None:
            tables = _in_order(narrow, order, n_rows, put_together, schema)
        else:
            parts = (narrow.take(order[start : start + n_rows]) for start in range(0, len(order), n_rows))
            tables = ahead(map(put_together, parts))
    batches = (batch for table in tables for batch in table.to_batches(max_chunksize=BATCH_ROWS))
    return pa.RecordBatchReader.from_batches(schema, batches)


def _in_order(
    narrow: pa.Table,
    order: npt.NDArray[np.int64],
    n_rows: int,
    put_together: Callable[[pa.Table], pa.Table],
    schema: pa.Schema,
) -> Iterator[pa.Table]:
    """Yield the rows of `narrow` in its order, though they are put together in the order of the files.

    Each part is put together in the order of the result, and cut where the parts of the result begin; the pieces wait
    in a temporary file. To put the parts of the result together one by one would read nearly every file for each.

    Args:
        order: the places of the rows, in the order of the files.
    """
    with Spool(schema, max_bytes=0) as spool:
        pieces: dict[int, list[int]] = {}
        places: dict[int, list[npt.NDArray[np.int64]]] = {}

        def parts() -> Iterator[tuple[npt.NDArray[np.int64], pa.Table]]:
            for start in range(0, len(order), n_rows):
                chosen = np.sort(order[start : start + n_rows])
                yield chosen, put_together(narrow.take(pa.array(chosen)))

        for chosen, table in ahead(parts()):
            cuts = np.searchsorted(chosen, np.arange(0, narrow.num_rows + n_rows, n_rows))
            for number, (start, end) in enumerate(pairwise(cuts.tolist())):
                rows = table.slice(start, end - start)
                batches = rows.to_batches()
                pieces.setdefault(number, []).extend(spool.add(batch) for batch in batches)
                places.setdefault(number, []).append(chosen[start:end])
            del table, rows, batches

        def sorted_part(number: int) -> pa.Table:
            found = pa.Table.from_batches(spool.batches(places=pieces[number]), schema)
            positions = np.argsort(np.concatenate(places[number]))
            columns = _taken(found, {name: name for name in schema.names}, pa.array(positions))
            return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)

        yield from ahead(map(sorted_part, sorted(pieces)))


def _late(
    session: Session,
    plan: Plan,
    snapshots: Mapping[int, Snapshot],
    frame: pa.Table | None,
    order_by: Sequence[tuple[int, str]],
) -> frozenset[int]:
    """Return the nodes that are fetched late; none: the query is one statement."""
    n_root_rows = frame.num_rows if frame is not None else snapshots[0].n_rows
    late = late_nodes(plan, snapshots, n_root_rows, order_by, session.config)
    is_small = n_root_rows * _narrow_width(plan, late, order_by) < session.config.memory_bytes // 4
    return late if is_small and session.engine.capabilities.has_file_lists else frozenset()


def late_nodes(
    plan: Plan,
    snapshots: Mapping[int, Snapshot],
    n_root_rows: int,
    order_by: Sequence[tuple[int, str]],
    config: Config,
) -> frozenset[int]:
    """Return the nodes whose features are fetched for the winners alone.

    To look a winner up costs more than to carry a few numbers through the join. It pays for a node with many features,
    of which few rows win; and where all that is carried would not fit into memory. Every row of the root is in the
    result: its features are fetched only where they are many, and else carried through all the joins. Those of a frame
    are in memory. docs/decisions/0008 has the figures.
    """
    if not plan.joins or config.late_features == "never":
        return frozenset()
    nodes = range(len(plan.nodes))
    wide = late_outputs(plan, nodes, order_by)
    outputs = [[out for out in wide if out.node == node] for node in nodes]
    carried_bytes = sum(snapshots[node].n_rows * _width(plan, outputs[node]) for node in nodes[1:])
    is_asked = config.late_features == "always"
    if not is_asked and carried_bytes < _LATE_FROM_BYTES:
        return frozenset()
    is_large = carried_bytes > config.memory_bytes // _CARRIED_PART_OF_MEMORY

    def is_late(node: int) -> bool:
        few_win = n_root_rows <= snapshots[node].n_rows * _LATE_SHARE_OF_WINNERS
        n_features = len(outputs[node])
        return n_features >= (2 if is_large else _LATE_FROM_FEATURES) and (is_large or few_win)

    late = {node for node in nodes[1:] if (is_asked and outputs[node]) or is_late(node)}
    if not late:
        return frozenset()
    n_from = 1 if is_asked or isinstance(plan.root.source, FrameSource) else _ROOT_LATE_FROM_FEATURES
    return frozenset(late | {0} if len(outputs[0]) >= n_from else late)


def rows_per_part(plan: Plan, memory_bytes: int) -> int:
    """Return how many rows of the result are put together at a time: whole batches, at least one."""
    width = _width(plan, plan.outputs)
    return max(1, memory_bytes // _PARTS_OF_MEMORY // max(1, width) // BATCH_ROWS) * BATCH_ROWS


def _order_of_files(
    narrow: pa.Table, plan: Plan, snapshots: Mapping[int, Snapshot], late: frozenset[int]
) -> npt.NDArray[np.int64]:
    """Return the places of the rows in the order of the largest group's files: each part needs only a few files then.

    Files are in the order of time, more or less, and so are the winners of one part in the other groups.
    """
    largest = max(
        late - {0}, key=lambda node: sum(file.size_bytes for file in files_of(plan, snapshots, node))
    )
    addresses = narrow.column(address_name(largest)).combine_chunks()
    return np.argsort(addresses.fill_null(-1).to_numpy(), kind="stable")


def _narrow_width(plan: Plan, late: frozenset[int], order_by: Sequence[tuple[int, str]]) -> int:
    """Return about how many bytes a row has that is carried while its features are fetched."""
    fetched = late_outputs(plan, late, order_by)
    return _width(plan, [out for out in plan.outputs if out not in fetched]) + 8 * len(late)


def _width(plan: Plan, outputs: Sequence[Output]) -> int:
    kinds = (plan.field(out.node, out.feature).feature_type.kind for out in outputs)
    return sum(_BYTES.get(kind, 8) + 1 for kind in kinds)


def _fetch(
    session: Session,
    plan: Plan,
    snapshots: Mapping[int, Snapshot],
    node: int,
    outputs: Sequence[Output],
    addresses: pa.ChunkedArray,
    frame: pa.Table | None,
) -> dict[str, pa.Array | pa.ChunkedArray]:
    """Return the outputs of a late node for these addresses, in their order; null where there is none."""
    if isinstance(plan.nodes[node].source, FrameSource):
        assert frame is not None
        return _taken(frame, {out.name: out.feature for out in outputs}, addresses.combine_chunks())
    places = np.flatnonzero(np.asarray(addresses.is_valid()))
    known = addresses.drop_null().to_numpy()
    # Only the files that hold winners are opened; addresses count in the list of these.
    all_files, file_of = files_of(plan, snapshots, node), known >> ADDRESS_BITS
    is_used = np.zeros(len(all_files), np.bool_)
    is_used[file_of] = True
    place_of = np.cumsum(is_used) - 1
    wanted = pa.table(
        {
            ADDRESS: pa.array((place_of[file_of] << ADDRESS_BITS) | (known & _ROW_MASK)),
            PLACE: pa.array(places),
        }
    )
    fields = {out.name: plan.field(node, out.feature) for out in outputs}
    statement = lower_fetch(list(compress(all_files, is_used)), fields, wanted)
    found = session.engine.collect(statement)
    position = np.full(len(addresses), -1, np.int64)
    position[found.column(PLACE).to_numpy()] = np.arange(found.num_rows)
    return _taken(found, {name: name for name in fields}, _or_null(position))


def _or_null(position: npt.NDArray[np.int64]) -> pa.Array:
    missing = position < 0
    return pa.array(position, mask=missing) if missing.any() else pa.array(position)


def _taken(
    table: pa.Table, names: Mapping[str, str], places: pa.Array, *, max_bytes: int = MAX_ARRAY_BYTES
) -> dict[str, pa.Array | pa.ChunkedArray]:
    """Return columns of a table, by new names, at these places.

    Args:
        max_bytes: a column with more text than this is taken from chunk by chunk: one array could not hold it.
    """

    def take(name: str) -> pa.Array | pa.ChunkedArray:
        column = table.column(name)
        if column.nbytes <= max_bytes:
            # One chunk: to take from many copies them anyway, and for each column again.
            return column.combine_chunks().take(places)
        n_rows = max(1, len(places) * max_bytes // column.nbytes // 4)
        taken = [column.take(places.slice(start, n_rows)) for start in range(0, len(places), n_rows)]
        return pa.chunked_array([chunk for part in taken for chunk in part.chunks], column.type)

    with ThreadPoolExecutor(2) as pool:  # Arrow works without the interpreter's lock
        return dict(zip(names, pool.map(take, names.values()), strict=True))
