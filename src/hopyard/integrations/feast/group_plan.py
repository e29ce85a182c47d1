"""A feature view of Feast as a feature group: checked against its file before anything is created."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from hopyard.errors import SchemaMismatchError
from hopyard.integrations.feast.column_types import decide
from hopyard.integrations.feast.definitions import Definitions, Finding, SourceDefinition, ViewDefinition
from hopyard.integrations.feast.source_file import ColumnPlan, RowPlan, SourceFile
from hopyard.integrations.feast.values import Where
from hopyard.model.arrow import to_arrow
from hopyard.model.names import nearest_name
from hopyard.model.types import KEY_KINDS, parse_type
from hopyard.time import Clock

_PANDAS_INDEX = re.compile(r"__index_level_\d+__")
"""An index without a name, in a file that pandas wrote."""
CONSTANT_KEY = "entityless"
"""The key of a view without entities: 0 in each row."""


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """A feature group to be, and the rows that go into it."""

    name: str
    view: ViewDefinition
    features: Mapping[str, str]
    """Types by name: keys, event time, features."""
    primary_key: tuple[str, ...]
    key_names: Mapping[str, str]
    """Join keys of Feast, and the columns that they are here."""
    feature_names: Mapping[str, str]
    """Features of Feast, and what they are called here."""
    event_time: str
    ttl: timedelta | None
    online: bool
    rows: RowPlan
    source: SourceFile
    n_rows: int


@dataclass(slots=True)
class _Draft:
    """What is being found out about one view."""

    view: ViewDefinition
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    columns: list[ColumnPlan] = field(default_factory=list)


def plan_groups(definitions: Definitions, repository: Path, clock: Clock) -> list[GroupPlan]:
    """Return the feature groups of a repository; what is wrong with them is added to the definitions' problems."""
    plans = []
    for view in definitions.views:
        draft = _Draft(view)
        try:
            plan = _plan(draft, repository, clock)
        except SchemaMismatchError as error:
            draft.problems.append(str(error))
            plan = None
        what = f"feature view {view.name!r}"
        definitions.problems += [Finding(what, view.where, problem) for problem in draft.problems]
        definitions.notes += [Finding(what, view.where, note) for note in draft.notes]
        if plan is not None and not draft.problems:
            plans.append(plan)
    by_name: dict[str, Where] = {}
    for plan in plans:
        if plan.name in by_name:
            definitions.problems.append(
                Finding(
                    f"feature view {plan.view.name!r}",
                    plan.view.where,
                    f"its feature group would be {plan.name!r}, as that of the view at {by_name[plan.name]}: "
                    "rename one of them",
                )
            )
        by_name[plan.name] = plan.view.where
    return plans


def find_file(source: SourceDefinition, repository: Path) -> Path | None:
    """Return the file that a source means: below the repository, else beside its definition."""
    for folder in (repository, (repository / source.where.file).parent):
        path = folder / source.path
        if path.exists():
            return path
    return None


def _plan(draft: _Draft, repository: Path, clock: Clock) -> GroupPlan | None:
    view = draft.view
    path = find_file(view.source, repository)
    if path is None:
        draft.problems.append(
            f"its file {str(repository / view.source.path)!r} ({view.source.where}) is not there: put it there, or "
            "change the path"
        )
        return None
    to_source = {name: column for column, name in view.source.field_mapping.items()}
    file = SourceFile(path, view.source.format, _csv_types(view, to_source))
    keys = [key for entity in view.entities for key in entity.join_keys]
    if len(set(keys)) < len(keys):
        draft.problems.append(f"two of its entities have one join key ({', '.join(keys)})")
    time = _event_time(draft, file, to_source)
    created = _column(draft, file, to_source, view.source.created, "created_timestamp_column")
    key_types = {declared.name: declared.type for declared in view.fields if declared.type}
    for entity in view.entities:
        for key in entity.join_keys:
            declared = key_types.get(key) or key_types.get(entity.name) or entity.type
            _add_column(draft, file, to_source, key, declared, "join key", entity.description)
    n_keys = len(draft.columns)
    features = _features(draft, file, to_source, keys, time, created)
    if draft.problems or time is None:
        return None
    time_name = nearest_name(next((name for name, column in to_source.items() if column == time), time))
    columns = [*draft.columns[:n_keys], ColumnPlan(time, time_name, "timestamp"), *draft.columns[n_keys:]]
    constant = None if keys else CONSTANT_KEY
    if not _check_names(draft, columns, constant):
        return None
    if constant:
        draft.notes.append(
            f"it has no entities: its rows have the key {CONSTANT_KEY} = 0. Give {CONSTANT_KEY}=0 in spines and entries"
        )
    return GroupPlan(
        name=nearest_name(view.name),
        view=view,
        features={
            **({constant: "bigint"} if constant else {}),
            **{column.name: column.type for column in columns},
        },
        primary_key=(constant,) if constant else tuple(column.name for column in columns[:n_keys]),
        key_names={CONSTANT_KEY: CONSTANT_KEY} if constant else {key: nearest_name(key) for key in keys},
        feature_names={name: nearest_name(name) for name in features},
        event_time=time_name,
        ttl=view.ttl,
        online=view.online and not _is_future(draft, file, time, clock),
        rows=RowPlan(
            columns=tuple(columns),
            keys=tuple(column.source for column in columns[:n_keys]),
            event_time=time,
            created=created,
            constant=constant,
        ),
        source=file,
        n_rows=file.n_rows(),
    )


def _csv_types(view: ViewDefinition, to_source: Mapping[str, str]) -> dict[str, pa.DataType]:
    """Return the types to read a CSV file with: times as text, which may have a zone or not."""
    types: dict[str, pa.DataType] = {}
    for name, declared in [
        *((key, entity.type) for entity in view.entities for key in entity.join_keys),
        *((declared.name, declared.type) for declared in view.fields),
    ]:
        if declared and not declared.startswith(("array", "timestamp")):
            types[to_source.get(name, name)] = to_arrow(parse_type(declared))
    for time in (view.source.timestamp,):
        if time:
            types[to_source.get(time, time)] = pa.string()
    return types


def _event_time(draft: _Draft, file: SourceFile, to_source: Mapping[str, str]) -> str | None:
    source = draft.view.source
    if source.timestamp is None:
        found = [
            column.name
            for column in file.schema
            if pa.types.is_timestamp(column.type) and column.name != source.created
        ]
        if len(found) != 1:
            draft.problems.append(
                f"its source ({source.where}) does not say which column is the event time, and the file has "
                f"{len(found)} of timestamps: give timestamp_field="
            )
            return None
        draft.notes.append(f"its source does not say which column is the event time: it is {found[0]!r}")
        return str(found[0])
    column = _column(draft, file, to_source, source.timestamp, "timestamp_field")
    if column is None:
        return None
    arrow = file.schema.field(column).type
    is_text = file.is_csv and pa.types.is_string(arrow)
    if not (pa.types.is_timestamp(arrow) or pa.types.is_date(arrow) or is_text):
        draft.problems.append(
            f"its event time {column!r} is {arrow} in {file.path}: it must be a timestamp or a date"
        )
        return None
    return column


def _column(
    draft: _Draft, file: SourceFile, to_source: Mapping[str, str], name: str | None, what: str
) -> str | None:
    """Return the column of the file that a name means, which may be the one before or after field_mapping."""
    if name is None:
        return None
    for column in (to_source.get(name, name), name):
        if column in file.schema.names:
            return column
    columns = ", ".join(file.schema.names)
    draft.problems.append(f"its {what} {name!r} is not in {file.path}, which has: {columns}")
    return None


def _features(
    draft: _Draft,
    file: SourceFile,
    to_source: Mapping[str, str],
    keys: list[str],
    time: str | None,
    created: str | None,
) -> list[str]:
    view = draft.view
    entities = {*keys, *(entity.name for entity in view.entities)}
    declared = [field for field in view.fields if field.name not in entities]
    for field_ in declared:
        if time is not None and to_source.get(field_.name, field_.name) == time:
            draft.notes.append(f"feature {field_.name!r} is the event time: it is no feature")
            declared.remove(field_)
            break
    if declared:
        for field_ in declared:
            if field_.type is None:
                draft.notes.append(
                    f"feature {field_.name!r} is declared {field_.feast_type}, which has no counterpart: it has the "
                    "type of the file"
                )
            _add_column(draft, file, to_source, field_.name, field_.type, "feature", field_.description)
        return [field_.name for field_ in declared]
    renamed = {column: name for name, column in to_source.items()}
    names = [
        renamed.get(column, column)
        for column in file.schema.names
        if column not in (time, created)
        and renamed.get(column, column) not in keys
        and not _PANDAS_INDEX.fullmatch(column)
    ]
    for name in names:
        _add_column(draft, file, to_source, name, None, "feature", "")
    if not names:
        draft.problems.append("it has no features: the file has only keys and times")
    return names


def _add_column(
    draft: _Draft,
    file: SourceFile,
    to_source: Mapping[str, str],
    name: str,
    declared: str | None,
    what: str,
    description: str,
) -> None:
    column = _column(draft, file, to_source, name, what)
    if column is None:
        return
    arrow = file.schema.field(column).type
    if file.is_csv and declared == "timestamp" and pa.types.is_string(arrow):
        file.latest(column)  # raises for a text that is no instant
        arrow = pa.timestamp("us")
    type_, note = decide(
        arrow, declared, column=column, casts=lambda wanted: file.casts_exactly(column, wanted)
    )
    if type_ is None:
        draft.problems.append(f"{what} {name!r}: {note}. Mend the file or the definition")
        return
    if what == "join key" and parse_type(type_).kind not in KEY_KINDS:
        draft.problems.append(
            f"join key {name!r} is {type_} in {file.path}: declare it as Int64, or store it as text"
        )
        return
    if note:
        draft.notes.append(f"{what} {name!r}: {note}")
    draft.columns.append(ColumnPlan(column, nearest_name(name), type_, description))


def _check_names(draft: _Draft, columns: list[ColumnPlan], constant: str | None) -> bool:
    seen: dict[str, str] = {constant: constant} if constant else {}
    for column in columns:
        if column.name in seen:
            draft.problems.append(
                f"{column.source!r} and {seen[column.name]!r} would both be called {column.name!r}: rename one of them"
            )
        seen[column.name] = column.source
    return not draft.problems


def _is_future(draft: _Draft, file: SourceFile, time: str, clock: Clock) -> bool:
    """Return whether rows are dated later than now: online they would hide the rows of today."""
    latest = file.latest(time)  # raises for a text that is no instant
    if not draft.view.online:
        return False
    if latest is None or latest <= clock():
        return False
    draft.notes.append(
        "it has rows dated later than now, which would hide older ones online: the group is offline only. "
        "FeatureGroup.enable_online(allow_future=True) serves them anyway"
    )
    return True
