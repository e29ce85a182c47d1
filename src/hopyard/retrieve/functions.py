"""Users' functions under a name and a version, for the views of a whole project."""

from __future__ import annotations

import secrets

from hopyard.errors import AlreadyExistsError, ConflictError, NotFoundError
from hopyard.ingest.draft import check_version
from hopyard.model.codec import from_json, to_json
from hopyard.model.specs import FUNCTION_FORMAT, FunctionSpec, StoredFunctionSpec
from hopyard.ports import Record, RecordKind
from hopyard.session import Session

KIND: RecordKind = "transformation_function"
MAX_TRIES = 100


def store_function(session: Session, function: FunctionSpec, version: int | None) -> StoredFunctionSpec:
    """Return a function as it is stored: the version that is equal to it, else a new one.

    Raises:
        AlreadyExistsError: this version is another function.
    """
    check_version(version)
    for _ in range(MAX_TRIES):
        stored = list_functions(session, function.name)
        same = [other for other in stored if other.function == function and version in (None, other.version)]
        if same:
            return same[-1]
        if any(other.version == version for other in stored):
            raise AlreadyExistsError(
                f"Function {function.name!r} version {version} exists with other code. Store this one without a "
                f"version to make the next one."
            )
        spec = StoredFunctionSpec(
            project=session.project,
            version=version or max((other.version for other in stored), default=0) + 1,
            id=secrets.token_hex(4),
            function=function,
        )
        try:
            session.registry.put(_record(session, spec), expected_revision=0)
            return spec
        except ConflictError:
            continue
    raise ConflictError(
        f"No version of function {function.name!r} could be taken in {MAX_TRIES} tries. Try again."
    )


def get_function(session: Session, name: str, version: int | None) -> StoredFunctionSpec:
    """Return a stored function; None: its latest version. Raises NotFoundError with close matches."""
    check_version(version)
    record = session.registry.find(session.project, KIND, name, version)
    if record is not None:
        return _load(record)
    others = session.registry.list(session.project, KIND, name)
    if others:
        versions = [str(other.version) for other in others]
        raise NotFoundError(f"version of transformation function {name!r}", str(version), versions)
    known = {record.name for record in session.registry.list(session.project, KIND)}
    raise NotFoundError("transformation function", name, known)


def list_functions(session: Session, name: str | None = None) -> list[StoredFunctionSpec]:
    """Return the stored functions, ordered by name and version."""
    return [_load(record) for record in session.registry.list(session.project, KIND, name)]


def _load(record: Record) -> StoredFunctionSpec:
    what = f"transformation function {record.name!r} version {record.version}"
    return from_json(StoredFunctionSpec, record.body, known=FUNCTION_FORMAT, what=what)


def _record(session: Session, spec: StoredFunctionSpec) -> Record:
    return Record(
        project=spec.project,
        kind="transformation_function",
        name=spec.function.name,
        version=spec.version,
        id=spec.id,
        body=to_json(spec),
        actor=session.actor,
    )
