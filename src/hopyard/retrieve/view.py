"""Feature views: a query with its roles, stored under a name and a version."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from hopyard.compute.transform.chain import check_all
from hopyard.errors import AlreadyExistsError, ConflictError, NotFoundError, QueryError, TrainingDatasetError
from hopyard.ingest.draft import check_version
from hopyard.ingest.stored import change_stored
from hopyard.model.codec import from_json, to_json
from hopyard.model.names import check_name
from hopyard.model.plan import FrameSource, Output, Plan
from hopyard.model.specs import VIEW_FORMAT, FeatureViewSpec, TransformationSpec
from hopyard.model.tags import with_keywords, with_tags
from hopyard.ports import Record, RecordKind
from hopyard.query.build import as_of, check_ages, check_unambiguous
from hopyard.retrieve.on_demand import on_demand_of
from hopyard.retrieve.read import time_range
from hopyard.session import Session
from hopyard.time import Instant

KIND: RecordKind = "feature_view"
MAX_TRIES = 100
_COMPARED = ("plan", "labels", "training_helper_columns", "inference_helper_columns", "transformations")


def create_view(session: Session, spec: FeatureViewSpec) -> FeatureViewSpec:
    """Store a view and return it with its version and id; `version` 0 stands for the latest + 1.

    Raises:
        AlreadyExistsError: this version is stored.
        NotFoundError, TrainingDatasetError, QueryError: labels, helpers or transformations that do not fit the query.
    """
    check_view(spec)
    for _ in range(MAX_TRIES):
        latest = session.registry.find(spec.project, KIND, spec.name)
        version = spec.version or (latest.version + 1 if latest else 1)
        stored = msgspec.structs.replace(spec, version=version, id=secrets.token_hex(4))
        record = Record(
            project=spec.project,
            kind="feature_view",
            name=spec.name,
            version=version,
            id=stored.id,
            body=to_json(stored),
            actor=session.actor,
        )
        try:
            session.registry.put(record, expected_revision=0)
            return stored
        except ConflictError as error:
            if spec.version:
                raise AlreadyExistsError(
                    f"Feature view {spec.name!r} version {version} exists. Use get_feature_view({spec.name!r}, "
                    f"{version}), or create_feature_view() without a version to make the next one."
                ) from error
    raise ConflictError(
        f"No version of feature view {spec.name!r} could be taken in {MAX_TRIES} tries. Try again."
    )


def change_view(
    session: Session, spec: FeatureViewSpec, change: Callable[[FeatureViewSpec], FeatureViewSpec]
) -> FeatureViewSpec:
    """Return the view after a change of its stored spec; decided anew when somebody else changed it in between.

    Raises:
        NotFoundError: the view is gone.
        ConflictError: others were faster every time.
    """
    return change_stored(
        session,
        lambda: session.registry.get(spec.project, KIND, spec.name, spec.version),
        load_view,
        change,
        label=spec.label,
        max_tries=MAX_TRIES,
    )


def batch_plan(view: FeatureViewSpec, start_us: int | None, end_us: int | None) -> Plan:
    """Return the plan of a view's features for all rows of its root in a range of event time (UTC microseconds).

    The filter on the joined rows is not in it: it selects what to train on.
    """
    plan = msgspec.structs.replace(view.plan, filter=None, outputs=feature_outputs(view))
    return time_range(plan, start_us, end_us)


def load_view(record: Record) -> FeatureViewSpec:
    """Return the spec in a record of the registry."""
    return from_json(
        FeatureViewSpec,
        record.body,
        known=VIEW_FORMAT,
        what=f"feature view {record.name!r} version {record.version}",
    )


def check_view(spec: FeatureViewSpec) -> None:
    """Raise unless the roles and transformations of a view fit its query."""
    check_name("feature view", spec.name)
    plan = spec.plan
    if isinstance(plan.root.source, FrameSource):
        raise QueryError("A feature view is made of feature groups; give a dataframe when you read from it.")
    if any(
        when is not None
        for node in plan.nodes
        for when in (node.commit, node.as_of_us, node.exclude_until_us, node.exclude_until_commit)
    ):
        raise QueryError(
            "A feature view reads the state of its groups when it is used, so its query has no as_of(). "
            "Remove it, and make a training dataset to keep a state."
        )
    check_unambiguous(plan)
    check_ages(plan)
    names = [out.name for out in plan.outputs]
    roles = {
        "label": spec.labels,
        "training helper column": spec.training_helper_columns,
        "inference helper column": spec.inference_helper_columns,
    }
    taken: dict[str, str] = {}
    for role, columns in roles.items():
        for column in columns:
            if column not in names:
                raise NotFoundError(f"feature of the query (as a {role})", column, names)
            if taken.setdefault(column, role) != role:
                raise TrainingDatasetError(f"{column!r} is both a {taken[column]} and a {role}: choose one.")
    _check_transformations(spec, taken)


def _check_transformations(spec: FeatureViewSpec, roles: dict[str, str]) -> None:
    for transformation in spec.transformations:
        for feature in transformation.features:
            if feature in roles:
                raise TrainingDatasetError(
                    f"{feature!r} is a {roles[feature]} and cannot be transformed by {transformation.name}: "
                    f"transformations are for features. Store the label as the model needs it."
                )
    check_all(spec.transformations, spec.plan.schema)


def view_as_of(spec: FeatureViewSpec, when: Instant | None) -> FeatureViewSpec:
    """Return the view reading its groups as committed at an instant; None: their last commits."""
    return spec if when is None else msgspec.structs.replace(spec, plan=as_of(spec.plan, when))


def feature_outputs(spec: FeatureViewSpec) -> tuple[Output, ...]:
    """Return the columns that a model sees: all but labels and helper columns, in the order of the query."""
    hidden = {*spec.labels, *spec.training_helper_columns, *spec.inference_helper_columns}
    return tuple(out for out in spec.plan.outputs if out.name not in hidden)


def training_outputs(spec: FeatureViewSpec) -> tuple[Output, ...]:
    """Return the columns of training data: all but the inference helper columns."""
    return tuple(out for out in spec.plan.outputs if out.name not in spec.inference_helper_columns)


def draft_view(
    session: Session,
    name: str,
    plan: Plan,
    version: int | None,
    *,
    description: str,
    labels: Sequence[str] | str,
    training_helper_columns: Sequence[str] | str,
    inference_helper_columns: Sequence[str] | str,
    transformation_functions: Sequence[TransformationSpec] | TransformationSpec,
    tags: Mapping[str, object] | None = None,
    keywords: Sequence[str] | str = (),
) -> FeatureViewSpec:
    """Return the spec of a view that is not stored yet; version 0 stands for the next one."""
    check_version(version)
    spec = FeatureViewSpec(
        project=session.project,
        name=name,
        version=version or 0,
        id="",
        description=description,
        plan=plan,
        labels=_names(labels, "labels"),
        training_helper_columns=_names(training_helper_columns, "training_helper_columns"),
        inference_helper_columns=_names(inference_helper_columns, "inference_helper_columns"),
        transformations=_transformations(transformation_functions),
    )
    spec = with_keywords(with_tags(spec, tags or {}), keywords, keep=False)
    return msgspec.structs.replace(spec, on_demand=on_demand_of(session, plan, feature_outputs(spec)))


def _names(names: object, argument: str) -> tuple[str, ...]:
    if isinstance(names, str):
        return (names,)
    if isinstance(names, Iterable):
        found = tuple(names)
        if all(isinstance(name, str) for name in found):
            return found
    raise QueryError(f"{argument}={names!r} must be a name of a column of the query, or a list of names.")


def _transformations(functions: object) -> tuple[TransformationSpec, ...]:
    if isinstance(functions, TransformationSpec):
        return (functions,)
    if isinstance(functions, Sequence) and all(isinstance(item, TransformationSpec) for item in functions):
        return tuple(functions)
    raise TrainingDatasetError(
        f"transformation_functions={functions!r} must be a list of transformations that are bound to features, such as "
        f"[hopyard.min_max_scaler('temp'), my_function('temp', 'wind')]."
    )


def get_view(session: Session, name: str, version: int | None) -> FeatureViewSpec:
    """Return a stored view; None: its latest version. Raises NotFoundError with close matches."""
    check_version(version)
    record = session.registry.find(session.project, KIND, name, version)
    if record is not None:
        return load_view(record)
    others = session.registry.list(session.project, KIND, name)
    if others and version is not None:
        raise NotFoundError(
            f"version of feature view {name!r}", str(version), [str(r.version) for r in others]
        )
    known = {record.name for record in session.registry.list(session.project, KIND)}
    raise NotFoundError("feature view", name, known)


def get_or_create_view(session: Session, spec: FeatureViewSpec) -> FeatureViewSpec:
    """Return the stored view, or store this one.

    Raises:
        AlreadyExistsError: the stored one differs; the message lists where.
    """
    record = session.registry.find(spec.project, KIND, spec.name, spec.version or None)
    if record is None:
        return create_view(session, spec)
    stored = load_view(record)
    differences = [what for what in _COMPARED if getattr(stored, what) != getattr(spec, what)]
    if differences:
        shown = "; ".join(_difference(stored, spec, what) for what in differences)
        raise AlreadyExistsError(
            f"Feature view {stored.name!r} version {stored.version} exists and differs: {shown}. "
            f"Use get_feature_view({stored.name!r}), or create another version."
        )
    return stored


def list_views(session: Session, name: str | None) -> list[FeatureViewSpec]:
    """Return the stored views, ordered by name and version."""
    return [load_view(record) for record in session.registry.list(session.project, KIND, name)]


def _difference(stored: FeatureViewSpec, asked: FeatureViewSpec, what: str) -> str:
    if what == "plan":
        old, new = ([out.name for out in spec.plan.outputs] for spec in (stored, asked))
        return (
            f"the query has other columns ({new}, stored: {old})"
            if old != new
            else "the query reads or joins otherwise"
        )
    if what == "transformations":
        old, new = (
            [f"{t.name}({', '.join(t.features)})" for t in spec.transformations] for spec in (stored, asked)
        )
        if old != new:
            return f"transformations are {old}, not {new}"
        changed = [
            t.name
            for t, u in zip(stored.transformations, asked.transformations, strict=True)
            if t.source_hash != u.source_hash
        ]
        return f"transformations have other {f'code ({changed})' if changed else 'parameters or names'}"
    return f"{what} is {list(getattr(stored, what))}, not {list(getattr(asked, what))}"
