"""Leakage that shows in values: features that equal the label or give it away, and entities in two splits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hopyard.compute.relation import Agreement, agreement, category_auc, group_codes, next_rows, rank_auc
from hopyard.model.plan import Output
from hopyard.retrieve.leakage.report import LeakageFinding, LeakageKind, Severity, show_value
from hopyard.retrieve.leakage.rows import CheckedRows, Mask, hidden

MIN_PAIRS = 200
EQUAL_SHARE = Fraction(99, 100)
MIN_CLASS_ROWS = 200
AUC_LIMIT = Fraction(995, 1000)
MIN_CATEGORY_ROWS = 20

Values = npt.NDArray[Any]
Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]

_WHOLE = frozenset({"boolean", "int", "bigint"})
_NUMBERS = _WHOLE | {"float", "double", "decimal"}
_RANKED = _NUMBERS | {"timestamp", "date"}
_CATEGORIES = frozenset({"string", "binary"})


@dataclass(frozen=True, slots=True)
class _Copy:
    """A feature that equals the label, at the pairs (place of the feature, place of the label) of a shift."""

    kind: LeakageKind
    entity: tuple[str, ...]
    found: Agreement
    pairs: Pairs


class ValueChecks:
    """The checks by value.

    Attributes:
        skipped: what could not be checked, filled while the checks run.
    """

    def __init__(self, rows: CheckedRows) -> None:
        self._rows = rows
        self._neighbours = _neighbours(rows)
        self.skipped: list[str] = []

    def of_label(self, label: Output) -> Iterator[LeakageFinding]:
        """Yield the features that equal a label or separate its classes."""
        copies = set()
        self._note_few_pairs(label)
        for feature in self._rows.features:
            copy = self._copy(feature, label)
            if copy is not None:
                copies.add(feature.name)
                yield self._copy_finding(feature, label, copy)
        classes = self._classes(label)
        if classes is None:
            return
        for feature in self._rows.features:
            if feature.name not in copies:
                yield from self._predicts_alone(feature, label, *classes)

    def _note_few_pairs(self, label: Output) -> None:
        """Say of which features too few rows have a value beside the label for any share of equal ones to tell."""
        known_label = self._rows.is_known(label.name)
        n_labels = int(known_label.sum())
        if n_labels < MIN_PAIRS:
            self.skipped.append(
                f"whether a feature equals {label.name!r}, of its own or the next row: {n_labels} rows have it, and "
                f"{MIN_PAIRS} are needed"
            )
            return
        few = [
            feature.name
            for feature in self._rows.features
            if int((self._rows.is_known(feature.name) & known_label).sum()) < MIN_PAIRS
            and _are_comparable(self._rows, feature, label)
        ]
        if few:
            self.skipped.append(
                f"whether {', '.join(few)} equal(s) {label.name!r}: fewer than {MIN_PAIRS} rows have both"
            )

    def _copy(self, feature: Output, label: Output) -> _Copy | None:
        """Return the shift at which a feature equals the label most often, if that is nearly always."""
        values = _comparable(self._rows, feature, label)
        if values is None:
            return None
        known, known_label = self._rows.is_known(feature.name), self._rows.is_known(label.name)
        everywhere = np.arange(self._rows.n_rows)
        shifts: list[tuple[LeakageKind, tuple[str, ...], Pairs]] = [
            ("label_copy", (), (everywhere, everywhere))
        ]
        for entity, (before, after) in self._neighbours:
            shifts.append(("next_label", entity, (before, after)))
            shifts.append(("previous_label", entity, (after, before)))
        best: _Copy | None = None
        for kind, entity, (mine, labels) in shifts:
            both = known[mine] & known_label[labels]
            mine, labels = mine[both], labels[both]
            left, right = values[0][mine], values[1][labels]
            is_equal = np.asarray(left == right)
            n_equal = int(np.count_nonzero(is_equal))
            if len(is_equal) < MIN_PAIRS or Fraction(n_equal, len(is_equal)) < EQUAL_SHARE:
                continue
            found = agreement(left, right, is_equal)
            if (
                not found.is_constant
                and 2 * found.n_telling_equal >= found.n_telling
                and (best is None or found.share > best.found.share)
            ):
                best = _Copy(kind, entity, found, (mine, labels))
        return best

    def _copy_finding(self, feature: Output, label: Output, copy: _Copy) -> LeakageFinding:
        rows, found = self._rows, copy.found
        what = {
            "label_copy": label.name,
            "next_label": f"{label.name} of the next row",
            "previous_label": f"{label.name} of the previous row",
        }[copy.kind]
        of_entity = f" of the same {', '.join(copy.entity)}" if copy.entity else ""
        advice = {
            "label_copy": "Leave it out, or make it a label.",
            "next_label": "It looks ahead: leave it out, or compute it from earlier rows only.",
            "previous_label": "Right if each label is known before the next row is predicted; else leave it out.",
        }[copy.kind]
        severity: Severity = "warning" if copy.kind == "previous_label" else "error"
        mine, labels = copy.pairs
        is_example = np.flatnonzero(_equal_places(rows, feature, label, copy.pairs))
        at, at_label = int(mine[is_example[0]]), int(labels[is_example[0]])
        shown = {feature.name: rows.value(at, feature.name), what: rows.value(at_label, label.name)}
        return LeakageFinding(
            kind=copy.kind,
            severity=severity,
            label=label.name,
            features=(feature.name,),
            group=rows.group(feature.node),
            message=f"It equals {what}{of_entity} in {found.n_equal} of {found.n_pairs} pairs that have both "
            f"({float(found.share):.2%}).",
            advice=advice,
            n_rows=found.n_equal,
            n_checked=found.n_pairs,
            example=rows.example(at, shown),
        )

    def _classes(self, label: Output) -> tuple[Mask, Mask, str] | None:
        """Return in which rows a binary label is known and positive, and what positive is; None: it is not to ask."""
        known = self._rows.is_known(label.name)
        if self._rows.field(label).feature_type.kind not in _RANKED | _CATEGORIES:
            return None
        column = self._rows.table.column(label.name).filter(pa.array(known))
        values = pc.unique(column)
        if len(values) != 2:
            self.skipped.append(
                f"whether one feature alone predicts {label.name!r}: that is asked of labels with two values, and it "
                f"has {len(values)}"
            )
            return None
        positive = max(values.to_pylist())
        is_positive = known.copy()
        is_positive[known] = np.asarray(pc.equal(column, pa.scalar(positive, column.type)))
        n_positive, n_negative = int(is_positive.sum()), int((known & ~is_positive).sum())
        if min(n_positive, n_negative) < MIN_CLASS_ROWS:
            self.skipped.append(
                f"whether one feature alone predicts {label.name!r}: its two values have {n_positive} and {n_negative} "
                f"rows, and {MIN_CLASS_ROWS} of each are needed"
            )
            return None
        return known, is_positive, show_value(positive)

    def _predicts_alone(
        self, feature: Output, label: Output, known_label: Mask, is_positive: Mask, positive: str
    ) -> Iterator[LeakageFinding]:
        known = self._rows.is_known(feature.name)
        is_null = known_label & ~known
        if is_null.any():
            auc = rank_auc(is_null[known_label].astype(np.int8), is_positive[known_label])
            if _is_telling(auc):
                how = f"Whether it is null separates {label.name}={positive} from the other rows"
                yield self._alone_finding(feature, label, auc, how, known_label, is_null)
        kept = known & known_label
        values = self._scores(feature, kept)
        if values is None:
            return
        kept, scores, is_category = values
        n_positive = int(is_positive[kept].sum())
        if min(n_positive, int(kept.sum()) - n_positive) < MIN_CLASS_ROWS:
            return
        auc = (category_auc if is_category else rank_auc)(scores, is_positive[kept])
        if _is_telling(auc):
            how = f"Alone it separates {label.name}={positive} from the other rows"
            yield self._alone_finding(feature, label, auc, how, kept, kept)

    def _scores(self, feature: Output, kept: Mask) -> tuple[Mask, Values, bool] | None:
        """Return which rows count, what they are ordered by, and whether these are codes of categories."""
        kind = self._rows.field(feature).feature_type.kind
        column = self._rows.table.column(feature.name)
        if kind in _RANKED:
            return kept, _ordered(column, kind)[kept], False
        if kind not in _CATEGORIES or (feature.node == 0 and feature.feature in self._keys()):
            return None
        codes = group_codes([column])
        sizes = np.bincount(codes[kept], minlength=1)
        kept = kept & (sizes[np.clip(codes, 0, len(sizes) - 1)] >= MIN_CATEGORY_ROWS)
        return kept, codes[kept], True

    def _keys(self) -> set[str]:
        source = self._rows.plan.root.source
        return {*source.primary_key, *(key.column for key in source.foreign_key)}

    def _alone_finding(
        self, feature: Output, label: Output, auc: Fraction, how: str, counted: Mask, shown: Mask
    ) -> LeakageFinding:
        n_rows = int(counted.sum())
        first = int(np.flatnonzero(shown)[0])
        return LeakageFinding(
            kind="predicts_alone",
            severity="error",
            label=label.name,
            features=(feature.name,),
            group=self._rows.group(feature.node),
            message=f"{how}, with an AUC of {float(auc):.4f} over {n_rows} rows.",
            advice="Find out how it is made: so good a feature usually holds the label, or what follows from it.",
            n_rows=n_rows,
            n_checked=n_rows,
            example=self._rows.example(first, (feature.name, label.name)),
        )

    def same_entities(self) -> Iterator[LeakageFinding]:
        """Yield the entities that are in the first split, train, and in another one."""
        rows = self._rows
        for entity in rows.entities() if len(rows.split_names) > 1 else ():
            if not entity:
                continue
            codes = group_codes(rows.key_columns(entity))
            train = np.unique(codes[(rows.split == 0) & (codes >= 0)])
            for place, name in enumerate(rows.split_names[1:], start=1):
                own = np.unique(codes[(rows.split == place) & (codes >= 0)])
                both = np.intersect1d(train, own, assume_unique=True)
                if not len(both):
                    continue
                at = np.flatnonzero(np.isin(codes, both) & (rows.split == place))[0]
                shown = {column: rows.value(int(at), hidden(0, column)) for column in entity}
                yield LeakageFinding(
                    kind="same_entity",
                    severity="warning",
                    label="",
                    features=entity,
                    group=rows.group(0),
                    message=f"{len(both)} of the {len(own)} values of {', '.join(entity)} in {name} are in "
                    f"{rows.split_names[0]}, too ({len(both) / len(own):.1%}).",
                    advice="Rows of one entity are alike, so a test on known entities promises too much for new ones. "
                    f"Split by time, or make sure that the model meets the same {', '.join(entity)} again in use.",
                    n_rows=len(both),
                    n_checked=len(own),
                    example=shown,
                )


def _is_telling(auc: Fraction) -> bool:
    return auc >= AUC_LIMIT or auc <= 1 - AUC_LIMIT


def _neighbours(rows: CheckedRows) -> list[tuple[tuple[str, ...], Pairs]]:
    """Return for each kind of entity the pairs of rows that follow each other in time."""
    times = rows.times(0)
    if times is None:
        return []
    entities = rows.entities() or [()]
    found = []
    for entity in entities:
        codes = group_codes(rows.key_columns(entity)) if entity else np.zeros(rows.n_rows, np.int64)
        found.append((entity, next_rows(codes, times[0])))
    return found


def _ordered(column: pa.ChunkedArray, kind: str) -> Values:
    """Return values in numpy, in the order of the column's own; what they are for null does not matter."""
    if kind == "decimal":
        return np.asarray(pc.rank(column, tiebreaker="dense").cast(pa.int64()))
    array = column.combine_chunks()
    if kind == "timestamp":
        array = array.view(pa.int64())
    elif kind == "date":
        array = array.view(pa.int32())
    elif kind == "boolean":
        array = array.cast(pa.int8())
    return np.asarray(array.fill_null(0))


def _are_comparable(rows: CheckedRows, feature: Output, label: Output) -> bool:
    """Return whether values of two columns can be equal, by their types."""
    kinds = {rows.field(out).feature_type.kind for out in (feature, label)}
    return kinds <= _NUMBERS or (len(kinds) == 1 and kinds <= _RANKED | _CATEGORIES)


def _comparable(rows: CheckedRows, feature: Output, label: Output) -> tuple[Values, Values] | None:
    """Return two columns in numpy values that are equal where the columns are; None: values of theirs never are.

    Numbers of different types are compared in the less precise of the two, in which a copy would have been stored.
    """
    types = [rows.field(out).feature_type for out in (feature, label)]
    columns = [rows.table.column(out.name) for out in (feature, label)]
    kinds = {type_.kind for type_ in types}
    if not _are_comparable(rows, feature, label):
        return None
    if kinds <= _WHOLE:
        return _ordered(columns[0], types[0].kind), _ordered(columns[1], types[1].kind)
    if kinds <= _NUMBERS and kinds != {"decimal"}:
        precise = np.float32 if "float" in kinds else np.float64
        left, right = (np.asarray(c.cast(pa.float64()).fill_null(0.0)).astype(precise) for c in columns)
        return left, right
    if kinds == {"decimal"} and types[0] != types[1]:
        columns = [column.cast(pa.decimal256(76, 38)) for column in columns]
    both = pa.chunked_array([chunk for column in columns for chunk in column.chunks], columns[0].type)
    codes = group_codes([both])
    return codes[: rows.n_rows], codes[rows.n_rows :]


def _equal_places(rows: CheckedRows, feature: Output, label: Output, pairs: Pairs) -> Mask:
    values = _comparable(rows, feature, label)
    assert values is not None
    return np.asarray(values[0][pairs[0]] == values[1][pairs[1]])
