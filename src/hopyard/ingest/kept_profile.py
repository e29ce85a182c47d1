"""The file in which a group's profile waits for the next commit: one per group, of about 2 MB per column.

It is a cache as the statistics are: replaced as a whole, not forced to disk, and absent if it is damaged or was written
by another version of the engine, whose hashes may differ.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

import duckdb
import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hopyard.compute.column_profile import ColumnProfile, Counts, Ends, Sums
from hopyard.compute.profile import Profile
from hopyard.compute.sample import Sample
from hopyard.compute.tally import Tally
from hopyard.ingest.kept_statistics import profile_file, replace_file
from hopyard.model.codec import Frozen
from hopyard.model.commit import DataFile
from hopyard.model.plan import Value, literal
from hopyard.model.schema import Field
from hopyard.model.specs import FeatureGroupSpec
from hopyard.session import Session

PROFILE_FORMAT = f"1 {duckdb.__version__}"
ABOUT = "about"

Arrays = dict[str, npt.NDArray[Any]]
Bytes = npt.NDArray[np.uint8]


class _Column(Frozen, frozen=True, kw_only=True):
    """What is kept of a column, but for its arrays."""

    name: str
    type: str
    n: int
    n_nans: int
    n_positive: int
    n_negative: int
    ends: tuple[Value | None, ...]
    total: str
    squares: str
    bins: tuple[int, ...]
    share: int | None
    n_above: int = 0


class _About(Frozen, frozen=True, kw_only=True):
    format: str
    commit: int
    n_rows: int
    n_bins: int
    hashed: tuple[str, ...]
    files: tuple[DataFile, ...]
    share: int
    columns: tuple[_Column, ...]


class KeptProfile(Frozen, frozen=True, kw_only=True):
    """A profile, and what it is of.

    Attributes:
        hashed: the columns whose hash chooses the sample.
        files: those that had the rows.
    """

    commit: int
    n_rows: int
    n_bins: int
    hashed: tuple[str, ...]
    files: tuple[DataFile, ...]
    profile: Profile


def keep_profile(session: Session, spec: FeatureGroupSpec, kept: KeptProfile) -> None:
    """Replace the profile of a group. One that cannot be written is left as it is."""
    arrays: Arrays = {"rows": kept.profile.sample.hashes}
    columns = []
    for place, column in enumerate(kept.profile.columns):
        columns.append(_described(column))
        arrays |= {f"{name}.{place}": values for name, values in _arrays(column, kept.profile.sample)}
    about = _About(
        format=PROFILE_FORMAT,
        commit=kept.commit,
        n_rows=kept.n_rows,
        n_bins=kept.n_bins,
        hashed=kept.hashed,
        files=kept.files,
        share=kept.profile.sample.share,
        columns=tuple(columns),
    )
    arrays[ABOUT] = _to_bytes(about)
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    replace_file(profile_file(session, spec), buffer.getbuffer())


def read_profile(session: Session, spec: FeatureGroupSpec) -> KeptProfile | None:
    """Return the profile that is kept of a group; None: there is none that can be used."""
    try:
        content = BytesIO(profile_file(session, spec).read_bytes())
        with np.load(content, allow_pickle=False) as arrays:
            about = msgspec.json.decode(arrays[ABOUT].tobytes(), type=_About)
            if about.format != PROFILE_FORMAT:
                return None
            columns = tuple(_column(about, place, arrays) for place in range(len(about.columns)))
            numbers = {
                column.name: _numbers(column, place, arrays)
                for place, column in enumerate(columns)
                if column.is_number
            }
            sample = Sample(about.share, arrays["rows"], numbers)
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        AttributeError,
        zipfile.BadZipFile,
        msgspec.MsgspecError,
    ):
        return None
    return KeptProfile(
        commit=about.commit,
        n_rows=about.n_rows,
        n_bins=about.n_bins,
        hashed=about.hashed,
        files=about.files,
        profile=Profile(columns, sample),
    )


def _described(column: ColumnProfile) -> _Column:
    counts, ends, tally = column.counts, column.ends, column.tally
    found = (ends.low, ends.high, ends.least, ends.greatest)
    return _Column(
        name=column.name,
        type=column.field.type,
        n=counts.n,
        n_nans=counts.n_nans,
        n_positive=counts.n_positive,
        n_negative=counts.n_negative,
        ends=tuple(None if end is None else literal(end) for end in found),
        total=str(column.sums.total),
        squares=str(column.sums.squares),
        bins=column.sums.bins,
        share=None if tally is None else tally.share,
        n_above=0 if tally is None else tally.n_above,
    )


def _arrays(column: ColumnProfile, sample: Sample) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    if column.tally is not None:
        yield "hashes", column.tally.hashes
        yield "times", column.tally.times.astype(np.min_scalar_type(column.tally.times.max(initial=0)))
        if column.tally.values is not None:
            yield "values", _to_bytes(column.tally.values.tolist())
    if column.is_number:
        values = sample.columns[column.name]
        yield "numbers", pc.fill_null(values, 0).to_numpy()
        if values.null_count:
            yield "nulls", values.is_null().to_numpy(zero_copy_only=False)


def _column(about: _About, place: int, arrays: Any) -> ColumnProfile:
    kept = about.columns[place]
    column = ColumnProfile(Field(name=kept.name, type=kept.type), about.n_rows)
    column.counts = Counts(kept.n, kept.n_nans, kept.n_positive, kept.n_negative)
    column.ends = Ends(*(None if end is None else end.to_python() for end in kept.ends))
    column.sums = Sums(int(kept.total), int(kept.squares), kept.bins)
    if kept.share is not None:
        values = arrays.get(f"values.{place}")
        if values is not None:
            values = _objects(msgspec.json.decode(values.tobytes()))
        column.tally = Tally(
            kept.share,
            arrays[f"hashes.{place}"],
            arrays[f"times.{place}"].astype(np.int64),
            values,
            kept.n_above,
        )
    return column


def _numbers(column: ColumnProfile, place: int, arrays: Any) -> pa.Array:
    return pa.array(arrays[f"numbers.{place}"], column.arrow, mask=arrays.get(f"nulls.{place}"))


def _objects(values: Sequence[object]) -> npt.NDArray[np.object_]:
    found = np.empty(len(values), object)
    found[:] = values
    return found


def _to_bytes(value: object) -> Bytes:
    return np.frombuffer(msgspec.json.encode(value), np.uint8)
