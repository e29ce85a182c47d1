"""Every error that Hopyard raises on purpose.

    HopyardError
    ├── NotFoundError            no such project, feature group, view, feature, training dataset
    ├── AlreadyExistsError       a create_* of what is there, or a get_or_create_* that contradicts it
    ├── InvalidNameError         a name outside ^[a-z][a-z0-9_]{0,62}$
    ├── ConfigError              a URL or an option that cannot be used
    ├── MissingPackageError      an optional package is not installed (also an ImportError)
    ├── SchemaMismatchError      columns or values that do not fit the feature group
    ├── ValidationError          rows that fail the expectations of a strict feature group
    ├── DuplicateRowsError       two rows of one identity where that was refused
    ├── ExistingRowsError        operation="insert" met rows that exist
    ├── QueryError               a query that cannot be built or run
    │   ├── JoinKeyError         join keys that cannot be inferred or used
    │   ├── AmbiguousFeatureError   one name for several features
    │   └── MultipleMatchesError    a plain join that would multiply rows
    ├── TimeTravelError          an instant or a commit that cannot be read
    ├── TrainingDatasetError     splits, labels, formats, files of training data
    ├── UserFunctionError        a user's function that cannot be kept, failed, or gave what it does not declare
    ├── UntrustedCodeError       a stored function that its user has not trusted
    ├── ServingError             a view that cannot be served as it was trained
    │   └── FeatureVectorError   an entry that cannot be answered
    └── StoreError               the stores themselves
        ├── ConflictError        somebody else changed the same thing first
        ├── LockTimeoutError     a lock was held for too long
        ├── OnlineBehindError    the commit stands; the online store has yet to catch up
        ├── CorruptStoreError    bytes that cannot be read
        └── FormatVersionError   written by a newer Hopyard

Each message says what happened, with the value, and what to do. No error knows HTTP.
"""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import Any


class HopyardError(Exception):
    """The base of every error that Hopyard raises on purpose."""


class NotFoundError(HopyardError):
    """Something named does not exist; the message proposes the closest name that does."""

    def __init__(self, kind: str, name: str, known: Collection[str]) -> None:
        close = get_close_matches(str(name), known, n=1)
        if close:
            hint = f"Did you mean {close[0]!r}?"
        elif known:
            hint = f"There are: {', '.join(sorted(known))}."
        else:
            hint = "There are none yet."
        super().__init__(f"No {kind} named {name!r}. {hint}")


class AlreadyExistsError(HopyardError):
    """A create_* of something stored, or a get_or_create_* whose arguments contradict it."""


class InvalidNameError(HopyardError):
    """A name that is not lower-case letters, digits and underscores; shows the nearest valid one."""


class ConfigError(HopyardError):
    """A URL, environment variable or option that cannot be used."""


class MissingPackageError(HopyardError, ImportError):
    """An optional package is needed and not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"This needs the package {package!r}, which is not installed. "
            f"Install it with: pip install 'hopyard[{extra}]'"
        )


class SchemaMismatchError(HopyardError):
    """Columns or values of a dataframe that do not fit the feature group. Nothing was written."""


class ValidationError(HopyardError):
    """Rows that fail the expectations of a feature group whose policy is strict. Nothing was written.

    `report` is the `ValidationReport`, which lists the expectations and the first failing rows of each.
    """

    def __init__(self, message: str, report: Any) -> None:
        self.report = report
        super().__init__(message)


class DuplicateRowsError(HopyardError):
    """Two rows of a frame have one identity and that was refused. Nothing was written."""


class ExistingRowsError(HopyardError):
    """operation="insert" promised new rows and met existing ones. Nothing was written."""


class QueryError(HopyardError):
    """A query that cannot be built or run."""


class JoinKeyError(QueryError):
    """Join keys that cannot be inferred, or do not exist, or have types that never match."""


class AmbiguousFeatureError(QueryError):
    """One name stands for several features of a query."""


class MultipleMatchesError(QueryError):
    """A plain join whose right side has several rows for one left row."""


class TimeTravelError(HopyardError):
    """An instant or a commit that cannot be read."""


class TrainingDatasetError(HopyardError):
    """Splits, labels, formats or files of training data that cannot be used."""


class UserFunctionError(HopyardError):
    """A user's function that cannot be kept, that failed, or whose result is not of the type that it declares."""


class UntrustedCodeError(HopyardError):
    """A stored function that was not written in this process and is not trusted. Nothing was run or written."""


class ServingError(HopyardError):
    """A view that cannot be served as it was trained."""


class FeatureVectorError(ServingError):
    """An entry whose feature vector cannot be answered."""


class StoreError(HopyardError):
    """A store that cannot be read or written."""


class ConflictError(StoreError):
    """Somebody else changed the same thing first. Nothing of this call was written."""


class LockTimeoutError(StoreError):
    """Another process held a lock for longer than the time given."""


class OnlineBehindError(StoreError):
    """The offline commit stands and must not be repeated; the online store has yet to catch up."""

    def __init__(self, group: str, commit: int, behind: int, cause: str) -> None:
        self.group, self.commit, self.behind = group, commit, behind
        super().__init__(
            f"Commit {commit} of {group!r} is safe offline, but the online store is {behind} commit(s) "
            f"behind ({cause.rstrip('.')}). Do not insert again: once the cause is gone, the next write to the group "
            f"applies it, and so does `hopyard online catchup {group}`, or feature_group.catch_up_online()."
        )


class CorruptStoreError(StoreError):
    """Bytes on disk that cannot be read back."""


class FormatVersionError(StoreError):
    """Something stored by a newer Hopyard than this one."""

    def __init__(self, what: str, found: int, known: int) -> None:
        super().__init__(
            f"{what} has format version {found}; this Hopyard reads up to {known}. "
            f"Upgrade with: pip install -U hopyard"
        )


class HopyardWarning(UserWarning):
    """Something that Hopyard did with data and that its user should know: duplicates, truncated nanoseconds."""
