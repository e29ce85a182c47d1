"""On-demand features: computed by users' functions when rows are inserted, and again when a vector is asked for.

An argument of such a function is a feature of the group, or a request parameter: a column of the frame that is used and
not stored. The type of a request parameter is that of the first frame, and stays.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pyarrow as pa

from hopyard.compute.transform.builtin import bind, declare, fit
from hopyard.errors import SchemaMismatchError, TrainingDatasetError, UserFunctionError
from hopyard.ingest.check import typed
from hopyard.ingest.infer import infer_features
from hopyard.model.schema import Field
from hopyard.model.specs import FeatureGroupSpec, FeatureSpec, TransformationSpec
from hopyard.session import Session
from hopyard.trust import require_trust


def draft_on_demand(spec: FeatureGroupSpec, transformations: object) -> FeatureGroupSpec:
    """Return a group that is not stored yet with on-demand features; they follow its other ones.

    Raises:
        UserFunctionError: something else than bound functions of users, or two results of one name.
        SchemaMismatchError: a result is a key or the event time, or is declared with another type.
    """
    found = (transformations,) if isinstance(transformations, TransformationSpec) else transformations
    if not isinstance(found, Sequence) or not all(
        isinstance(item, TransformationSpec) and item.function is not None for item in found
    ):
        raise UserFunctionError(
            f"transformation_functions={transformations!r} of a feature group must be a list of your own functions "
            f"that are bound to columns, such as [my_function('lat', 'lon')]. Built-in transformations belong to views."
        )
    results: list[Field] = []
    for item in found:
        results += declare(item, ()) or ()
    names = [field.name for field in results]
    if len(set(names)) < len(names):
        raise UserFunctionError(
            f"Two functions of {spec.name!r} give results of one name ({names}): use alias()."
        )
    declared = {feature.name: feature.type for feature in spec.features}
    for field in results:
        if field.name in _keys(spec) or declared.get(field.name, field.type) != field.type:
            raise SchemaMismatchError(
                f"{field.name!r} of {spec.name!r} is computed, and is {field.type}: it can be no key, no event time "
                f"and of no other type. Rename the result with alias()."
            )
    added = [FeatureSpec(name=field.name, type=field.type) for field in results if field.name not in declared]
    features = (*spec.features, *added) if spec.features else ()
    return msgspec.structs.replace(spec, transformations=tuple(found), features=features)


def with_on_demand(
    session: Session, spec: FeatureGroupSpec, table: pa.Table
) -> tuple[FeatureGroupSpec, pa.Table]:
    """Return a frame with the on-demand features of its group, without request parameters; the group knows their types.

    Args:
        spec: of a group that is not stored yet, the features may be missing. Then an argument is a feature, unless
            its function drops it.
    Raises:
        UntrustedCodeError: a function that may not run here.
        SchemaMismatchError: an argument is missing, or does not fit; or a result is given.
        UserFunctionError: a function fails, or gives something else than it declares.
    """
    if not spec.transformations or not table.column_names:
        return spec, table
    require_trust(
        {item.function.sha256: item.name for item in spec.transformations if item.function},
        trust_file=session.config.trust_file,
        store=session.root,
        owner=f"feature group {spec.label!r}",
        command=f"hopyard trust {spec.name} --kind group",
    )
    results = {name for item in spec.transformations for name in item.outputs}
    _check_given(spec, table, results)
    features = _feature_names(spec, table, results)
    known = {field.name: field for field in (*spec.request_parameters, *spec.schema)}
    taken = [name for item in spec.transformations for name in item.features if name not in results]
    fields = {name: known.get(name) or _inferred(table, name) for name in dict.fromkeys(taken)}
    arguments = typed(spec, list(fields.values()), table)
    columns = {name: arguments.column(name) for name in fields}
    for item in spec.transformations:
        takes = tuple(fields[name] for name in item.features)
        given = [columns[name] for name in item.features]
        try:
            transform = bind(item, takes, fit(item, given))
        except TrainingDatasetError as error:  # a function over arrays whose rows know each other
            raise UserFunctionError(f"{error} Nothing was written.") from error
        for field, found in zip(transform.outputs, transform.columns(given), strict=True):
            fields[field.name], columns[field.name] = field, found
            table = table.append_column(field.name, found)
    parameters = tuple(fields[name] for name in dict.fromkeys(taken) if name not in features)
    table = table.drop_columns([field.name for field in parameters])
    return msgspec.structs.replace(spec, request_parameters=parameters), table


def _check_given(spec: FeatureGroupSpec, table: pa.Table, results: set[str]) -> None:
    given = sorted(results & set(table.column_names))
    if given:
        raise SchemaMismatchError(
            f"{', '.join(map(repr, given))} of {spec.label!r} is computed when rows are inserted: leave it out. "
            f"Nothing was written."
        )
    available = {*table.column_names}
    for item in spec.transformations:
        missing = [name for name in item.features if name not in available]
        if missing:
            raise SchemaMismatchError(
                f"The dataframe lacks {', '.join(map(repr, missing))}, from which {item.name} computes "
                f"{', '.join(map(repr, item.outputs))} of {spec.label!r}. It has: {', '.join(table.column_names)}. "
                f"Nothing was written."
            )
        available.update(item.outputs)


def _feature_names(spec: FeatureGroupSpec, table: pa.Table, results: set[str]) -> set[str]:
    """Return which columns of a frame are features."""
    declared = {feature.name for feature in spec.features}
    if declared - results:
        return declared | _keys(spec)
    dropped = {name for item in spec.transformations for name in item.dropped}
    return (set(table.column_names) - dropped) | _keys(spec)


def _keys(spec: FeatureGroupSpec) -> set[str]:
    keys = {*spec.primary_key, *spec.partition_key, *(key.column for key in spec.foreign_key)}
    return keys | ({spec.event_time} if spec.event_time else set())


def _inferred(table: pa.Table, name: str) -> Field:
    return infer_features(table.select([name]))[0].field
