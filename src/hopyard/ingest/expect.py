"""Expectations become a group's: checked against its features and what else they name, then stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import get_args

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from hopyard.errors import AlreadyExistsError, ConfigError, HopyardError, NotFoundError, SchemaMismatchError
from hopyard.ingest.create import change_group
from hopyard.ingest.find import get_group
from hopyard.ingest.schemas import from_schema
from hopyard.ingest.suites import from_suite
from hopyard.model.arrow import to_arrow_schema
from hopyard.model.expectations import (
    KINDS,
    BadRows,
    Expectation,
    Fresh,
    InRange,
    InSet,
    Matches,
    NotNull,
    Policy,
    References,
    RowCount,
    Unique,
    columns_of,
    kind_of,
)
from hopyard.model.plan import Value
from hopyard.model.specs import FeatureGroupSpec
from hopyard.model.types import FeatureType
from hopyard.query.failing import NEW, NEW_ROWS, ROW, Rows
from hopyard.query.sql import bind, read_select
from hopyard.query.values import convert
from hopyard.session import Session

_WHOLE = frozenset({"int", "bigint"})
_POLICIES: tuple[str, ...] = get_args(Policy)


def expectations_of(given: object) -> tuple[Expectation, ...]:
    """Return what a user gives as expectations: some, lists of them, suites of Great Expectations, schemas of Pandera.

    Raises:
        ConfigError: something else; it lists the kinds that there are.
    """
    if isinstance(given, get_args(Expectation)):
        return (given,)
    for translate in (from_suite, from_schema):
        if (translated := translate(given)) is not None:
            return translated
    if isinstance(given, Iterable) and not isinstance(given, (str, bytes, dict)):
        return tuple(expectation for item in given for expectation in expectations_of(item))
    raise ConfigError(
        f"{given!r} is no expectation. Make them with hopyard.expectations: {', '.join(KINDS)}; "
        f"or give a schema of Pandera, or a suite of Great Expectations."
    )


def check_policy(policy: object) -> None:
    """Raise ConfigError unless this is a policy."""
    if policy not in _POLICIES:
        raise ConfigError(
            f"policy={policy!r} is unknown: use 'strict' (a write with failing rows is refused) or 'always' "
            f"(it is written, with a warning and a report)."
        )


def with_expectations(
    session: Session,
    spec: FeatureGroupSpec,
    given: object,
    policy: Policy | None,
    *,
    keep: bool,
) -> FeatureGroupSpec:
    """Return a group with these expectations; one that is stored is changed there, too.

    Args:
        given: see `expectations_of`.
        keep: add to those that the group has, each once; else they take their place.
        policy: None: the one that the group has.
    Raises:
        ConfigError, NotFoundError, QueryError, SchemaMismatchError: an expectation that can never be checked.
    """
    if policy is not None:
        check_policy(policy)
    resolved = [check_expectation(session, spec, item) for item in expectations_of(given)]

    def change(stored: FeatureGroupSpec) -> FeatureGroupSpec:
        known = stored.expectations if keep else ()
        chosen = tuple(dict.fromkeys((*known, *resolved)))
        return msgspec.structs.replace(
            stored, expectations=chosen, expectation_policy=policy or stored.expectation_policy
        )

    return change_group(session, spec, change) if spec.id else change(spec)


def check_same_expectations(
    session: Session, stored: FeatureGroupSpec, given: object | None, policy: Policy | None
) -> None:
    """Raise AlreadyExistsError if a stored group expects something else; None: whatever it expects.

    Raises also what `with_expectations` does.
    """
    differences = []
    if given is not None:
        wanted = tuple(check_expectation(session, stored, item) for item in expectations_of(given))
        if set(wanted) != set(stored.expectations):
            found = [", ".join(map(str, items)) or "nothing" for items in (stored.expectations, wanted)]
            differences.append(f"it expects {found[0]}, not {found[1]}")
    if policy is not None:
        check_policy(policy)
        if policy != stored.expectation_policy:
            differences.append(f"its policy is {stored.expectation_policy!r}, not {policy!r}")
    if differences:
        raise AlreadyExistsError(
            f"Feature group {stored.label!r} exists and differs: {'; '.join(differences)}. Leave these arguments out, "
            f"or change what it expects with set_expectations()."
        )


def check_all(session: Session, spec: FeatureGroupSpec) -> FeatureGroupSpec:
    """Return a group whose features have just become known, its expectations checked against them."""
    resolved = tuple(
        # What another group must have was checked without the types of this one's columns.
        check_expectation(
            session, spec, msgspec.structs.replace(item, id="") if isinstance(item, References) else item
        )
        for item in spec.expectations
    )
    return msgspec.structs.replace(spec, expectations=resolved)


def check_expectation(session: Session, spec: FeatureGroupSpec, expectation: Expectation) -> Expectation:
    """Return an expectation as it is stored, what it names resolved.

    Of a group that is not stored and declares no features, columns are checked with its first rows.

    Raises:
        NotFoundError: a column that the group lacks, or a group that is not there.
        ConfigError: an empty range or set, a regular expression that does not compile, counts that cannot be.
        SchemaMismatchError: a column of another type than the expectation is about.
        QueryError: a value that the column can never equal, or SQL that cannot be run.
    """
    if spec.features:
        known = [feature.name for feature in spec.features]
        for column in columns_of(expectation):
            if column not in known:
                raise _unknown(spec, kind_of(expectation), column, known)
    if isinstance(expectation, InRange):
        _check_range(spec, expectation)
    elif isinstance(expectation, InSet):
        _check_set(spec, expectation)
    elif isinstance(expectation, Matches):
        _check_regex(spec, expectation)
    elif isinstance(expectation, RowCount):
        _check_count(expectation)
    elif isinstance(expectation, Fresh):
        return _checked_fresh(spec, expectation)
    elif isinstance(expectation, References):
        return _resolved(session, spec, expectation)
    elif isinstance(expectation, BadRows):
        _check_sql(session, spec, expectation)
    else:
        assert isinstance(expectation, (NotNull, Unique))
    return expectation


def _unknown(spec: FeatureGroupSpec, kind: str, column: str, known: Sequence[str]) -> NotFoundError:
    error = NotFoundError(f"feature of {spec.label!r}", column, known)
    error.args = (f"{kind}: {error} Its features are: {', '.join(known)}.",)
    return error


def _type(spec: FeatureGroupSpec, column: str) -> FeatureType | None:
    """Return the type of a column; None: the group does not know its features yet."""
    return spec.feature(column).field.feature_type if spec.features else None


def _bound(spec: FeatureGroupSpec, column: str, value: Value) -> object:
    type_ = _type(spec, column)
    return value.to_python() if type_ is None else convert(column, type_, value)


def _check_range(spec: FeatureGroupSpec, expectation: InRange) -> None:
    column = expectation.column
    if expectation.min is None and expectation.max is None:
        raise ConfigError(f"in_range({column!r}): give min=, max= or both.")
    bounds = [
        _bound(spec, column, value) for value in (expectation.min, expectation.max) if value is not None
    ]
    if any(bound != bound for bound in bounds):
        raise ConfigError(
            f"in_range({column!r}): NaN is no bound. Leave it out for a range without this end."
        )
    if len(bounds) < 2:
        return
    least, greatest = bounds
    try:
        is_empty = least > greatest or (  # type: ignore[operator]
            least == greatest and (expectation.exclude_min or expectation.exclude_max)
        )
    except TypeError:
        raise ConfigError(
            f"in_range({column!r}): min={least!r} and max={greatest!r} cannot be compared. Give both in the type of "
            f"the column."
        ) from None
    if is_empty:
        raise ConfigError(
            f"in_range: the range '{expectation}' is empty, so that no row would pass. Swap its ends?"
        )


def _check_set(spec: FeatureGroupSpec, expectation: InSet) -> None:
    if not expectation.values:
        raise ConfigError(f"in_set({expectation.column!r}): the set is empty, so that no row would pass.")
    if any(value.value is None for value in expectation.values):
        raise ConfigError(
            f"in_set({expectation.column!r}): leave out None. Null passes anyway, unless not_null() forbids it."
        )
    for value in expectation.values:
        _bound(spec, expectation.column, value)


def _check_regex(spec: FeatureGroupSpec, expectation: Matches) -> None:
    type_ = _type(spec, expectation.column)
    if type_ is not None and type_.kind != "string":
        raise SchemaMismatchError(
            f"matches: {expectation.column!r} of {spec.label!r} is {type_}, and only text matches a regular expression."
        )
    try:
        pc.match_substring_regex(pa.array([""]), pattern=expectation.regex)
    except (pa.ArrowInvalid, TypeError) as error:
        raise ConfigError(
            f"matches({expectation.column!r}, {expectation.regex!r}): the regular expression does not compile: "
            f"{error}. The syntax is that of RE2, without look-around and back-references."
        ) from error


def _check_count(expectation: RowCount) -> None:
    for name in ("min", "max"):
        bound = getattr(expectation, name)
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int) or bound < 0):
            raise ConfigError(f"row_count: {name}={bound!r} must be a whole number from 0.")
    if expectation.of not in ("frame", "group"):
        raise ConfigError(f"row_count: of={expectation.of!r} is unknown: use 'frame' or 'group'.")
    least, most = expectation.min, expectation.max
    if least is None and most is None:
        raise ConfigError("row_count(): give min=, max= or both.")
    if least is not None and most is not None and least > most:
        raise ConfigError(f"row_count: min={least} is more than max={most}. Swap them?")


def _checked_fresh(spec: FeatureGroupSpec, expectation: Fresh) -> Fresh:
    if expectation.within_us <= 0:
        raise ConfigError("fresh: the greatest age must be more than nothing, such as timedelta(hours=6).")
    column = expectation.column or spec.event_time
    if column is None:
        raise ConfigError(
            f"fresh: {spec.label!r} has no event time. Say which column: fresh(..., column='...')."
        )
    type_ = _type(spec, column)
    if type_ is not None and column != spec.event_time and type_.kind not in ("timestamp", "date"):
        raise SchemaMismatchError(
            f"fresh: {column!r} of {spec.label!r} is {type_}. Give a timestamp, a date, or the event time."
        )
    return msgspec.structs.replace(expectation, column=column)


def _resolved(session: Session, spec: FeatureGroupSpec, expectation: References) -> References:
    if expectation.id:  # it was, and may have to find its group again only when rows are written
        return expectation
    is_own = expectation.group == spec.name and expectation.version in (0, spec.version)
    other = spec if is_own else get_group(session, expectation.group, expectation.version or None)
    keys = expectation.keys or other.primary_key
    if not keys:
        raise ConfigError(
            f"foreign_key: {other.label!r} has no primary key. Say which columns are meant: "
            f"foreign_key(..., references='...')."
        )
    if len(keys) != len(expectation.columns):
        raise ConfigError(
            f"foreign_key: {len(expectation.columns)} column(s) ({', '.join(expectation.columns)}) cannot refer to "
            f"{len(keys)} of {other.label!r} ({', '.join(keys)}). Give as many, in the same order."
        )
    known = [feature.name for feature in other.features]
    for column, key in zip(expectation.columns, keys, strict=True):
        if known and key not in known:
            raise _unknown(other, "foreign_key", key, known)
        left, right = _type(spec, column), _type(other, key)
        if left is not None and right is not None and left != right and not {left.kind, right.kind} <= _WHOLE:
            raise SchemaMismatchError(
                f"foreign_key: {column!r} of {spec.label!r} is {left} and {key!r} of {other.label!r} is {right}: "
                f"they are never equal."
            )
    if is_own and not spec.id:  # named by its own id once it has one
        return msgspec.structs.replace(expectation, keys=tuple(keys))
    return msgspec.structs.replace(expectation, version=other.version, id=other.id, keys=tuple(keys))


def _check_sql(session: Session, spec: FeatureGroupSpec, expectation: BadRows) -> None:
    if not spec.features:
        read_select(expectation.query)
        return
    rows = Rows(spec, None, has_frame=True)
    empty = to_arrow_schema(spec.schema).empty_table().append_column(ROW, pa.array([], pa.int64()))
    try:
        bind(session, expectation.query, {NEW_ROWS: rows.whole()}, {NEW: empty})
    except HopyardError as error:
        error.args = (f"sql: {error} The rows to be checked are the table {NEW_ROWS}.",)
        raise
