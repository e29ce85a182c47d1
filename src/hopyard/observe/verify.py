"""The store checks itself: registry against folders, commits against files, online rows against offline ones.

Nothing is changed, and writers go on meanwhile: what looks wrong while others create or delete is looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hopyard.compute.layout import online_table
from hopyard.errors import HopyardError, NotFoundError
from hopyard.ingest.create import load_group
from hopyard.model.commit import DataFile
from hopyard.model.plan import GroupSource
from hopyard.model.specs import FeatureGroupSpec, FeatureSpec
from hopyard.observe.orphans import find_orphans, is_registered
from hopyard.observe.parity import Keys, check_online, commits_behind, hold, shown_key
from hopyard.observe.report import DatasetCheck, Finding, FindingKind, GroupCheck, Report
from hopyard.ports import OnlineTable, Record
from hopyard.retrieve.dataset import load_manifest
from hopyard.retrieve.dataset_files import broken_files
from hopyard.retrieve.view import load_view
from hopyard.session import Session

_CONTRACT = (
    "project", "name", "version", "id", "location", "primary_key", "foreign_key", "partition_key", "event_time",
    "event_time_unit", "ttl_us",
)  # fmt: skip
"""What registry and table say alike, beside the features; descriptions and tags are the registry's alone."""


def verify(session: Session, names: Sequence[str] | None = None) -> Report:
    """Return what was checked in the session's project, and every finding with what to do about it.

    Args:
        names: feature groups and feature views to check, as `name` (all versions) or `name_version`, a view with its
            training datasets; None: everything, and folders that nothing stands for.
    Raises:
        NotFoundError: a name that is neither a group nor a view.
    """
    groups = session.registry.list(session.project, "feature_group")
    views = session.registry.list(session.project, "feature_view")
    datasets = session.registry.list(session.project, "training_dataset")
    if names is not None:
        known = {name for record in groups + views for name in (record.name, _label(record))}
        for name in names:
            if name not in known:
                raise NotFoundError("feature group or feature view", name, known)
        groups, views = _named(groups, names), _named(views, names)
        datasets = [record for record in datasets if record.name in {_label(view) for view in views}]
    findings: list[Finding] = []
    group_checks = tuple(_Checked(session, record, findings).group() for record in groups)
    for record in views:
        _Checked(session, record, findings).view()
    dataset_checks = tuple(_Checked(session, record, findings).dataset() for record in datasets)
    if names is None:
        findings += find_orphans(session)
    return Report(session.project, group_checks, len(views), dataset_checks, tuple(findings))


def _label(record: Record) -> str:
    return f"{record.name}_{record.version}"


def _named(records: Sequence[Record], names: Sequence[str]) -> list[Record]:
    return [record for record in records if record.name in names or _label(record) in names]


class _Checked:
    """The check of one record of the registry. What is deleted meanwhile leaves no findings."""

    def __init__(self, session: Session, record: Record, findings: list[Finding]) -> None:
        self._session, self._record, self._all = session, record, findings
        self._where = _label(record)
        self._found: list[Finding] = []

    def group(self) -> GroupCheck:
        check = GroupCheck(self._record.name, self._record.version)
        try:
            spec = load_group(self._record)
        except HopyardError as error:
            self._add("registry_row", str(error), "Restore registry.db from a copy of the store.")
            return replace(check, n_findings=self._close())
        try:
            stored = self._session.offline.spec(spec.location)
        except (HopyardError, OSError) as error:
            self._add(
                "missing_table",
                f"It is registered, and its table cannot be read: {error}",
                f"Restore the folder {spec.location} from a copy of the store, or remove the group with "
                f"get_feature_group({spec.name!r}, {spec.version}).delete(force=True).",
            )
            return replace(check, n_findings=self._close())
        if _spec_differences(spec, stored):
            with hold(self._session, spec):  # append_features changes the table first, and then the registry
                for message, advice in self._read_specs_again(spec):
                    self._add("spec_differs", message, advice)
        check = self._check_commits(check, spec)
        if spec.online_enabled:
            check = replace(check, n_online_rows=self._check_online(spec))
        return replace(check, n_findings=self._close())

    def view(self) -> None:
        try:
            view = load_view(self._record)
        except HopyardError as error:
            self._add("registry_row", str(error), "Restore registry.db from a copy of the store.")
            self._close()
            return
        for node in view.plan.nodes:
            source = node.source
            if isinstance(source, GroupSource) and not is_registered(
                self._session, "feature_group", source.name, source.version, source.id
            ):
                self._add(
                    "view_broken",
                    f"The view reads feature group {source.label!r} (id {source.id}), which is not registered.",
                    "Bring the group back from a copy of the store, or delete the view and make it of other groups.",
                )
        self._close()

    def dataset(self) -> DatasetCheck:
        check = DatasetCheck(self._record.name, self._record.version)
        self._where = f"training dataset {self._record.version} of {self._record.name}"
        try:
            manifest = load_manifest(self._record)
        except HopyardError as error:
            self._add("registry_row", str(error), "Restore registry.db from a copy of the store.")
            return replace(check, n_findings=self._close())
        advice = (
            f"Write it again with get_training_dataset({manifest.label!r}, {manifest.version}).rebuild(): the content "
            f"will be the same."
        )
        for problem in broken_files(self._session, manifest):
            self._add("dataset_damaged", f"{problem[0].upper()}{problem[1:]}.", advice)
        if manifest.view and not is_registered(
            self._session, "feature_view", manifest.view, manifest.view_version
        ):
            self._add(
                "dataset_damaged",
                f"Its feature view {manifest.view!r} version {manifest.view_version} is not registered, so it can be "
                f"proven and rebuilt, and not be served.",
                "Restore registry.db from a copy of the store, or keep the files and the manifest elsewhere.",
            )
        n_files = sum(len(split.files) for split in manifest.splits)
        return replace(check, n_files=n_files, n_findings=self._close())

    def _add(self, kind: FindingKind, message: str, advice: str) -> None:
        self._found.append(Finding(kind, self._where, message, advice))

    def _close(self) -> int:
        """Keep the findings, unless somebody deleted the thing meanwhile; return how many they are."""
        record = self._record
        if self._found and not is_registered(
            self._session, record.kind, record.name, record.version, record.id
        ):
            return 0
        self._all += self._found
        return len(self._found)

    def _read_specs_again(self, spec: FeatureGroupSpec) -> list[tuple[str, str]]:
        session = self._session
        record = session.registry.find(session.project, "feature_group", spec.name, spec.version)
        return (
            []
            if record is None
            else _spec_differences(load_group(record), session.offline.spec(spec.location))
        )

    def _check_commits(self, check: GroupCheck, spec: FeatureGroupSpec) -> GroupCheck:
        """Read every commit, and every file that any of them needs."""
        offline = self._session.offline
        commits_of: dict[str, tuple[DataFile, list[int]]] = {}
        n_rows = None
        try:
            commits = offline.commits(spec.location)
        except (HopyardError, OSError) as error:
            self._add(
                "commit_unreadable", str(error), "Restore the table's _delta_log from a copy of the store."
            )
            return check
        for commit in commits:
            if commit.is_vacuumed:
                continue
            try:
                snapshot = offline.snapshot(spec.location, commit.number)
            except (HopyardError, OSError) as error:
                self._add(
                    "commit_unreadable",
                    f"Commit {commit.number} cannot be read: {error}",
                    "Restore the table's _delta_log from a copy of the store.",
                )
                continue
            n_rows = snapshot.n_rows
            for file in snapshot.files:
                commits_of.setdefault(file.path, (file, []))[1].append(commit.number)
        for _, (file, numbers) in sorted(commits_of.items()):
            problem = _file_problem(file)
            if problem is not None:
                last = "" if numbers[-1] != commits[-1].number else ", the last one among them"
                self._add(
                    "file_damaged",
                    f"The data file {file.path} {problem}. It is a part of {_shown_commits(numbers)}{last}.",
                    "Restore the file from a copy of the store"
                    + (
                        ", or replace the group's content with insert(..., overwrite=True)."
                        if last
                        else "; the later commits are intact."
                    ),
                )
        return replace(check, n_commits=len(commits), n_files=len(commits_of), n_rows=n_rows)

    def _check_online(self, spec: FeatureGroupSpec) -> int | None:
        """Compare the online table with its commit, and return how many rows it has."""
        session, table = self._session, online_table(spec)
        try:
            behind = commits_behind(session, spec)
            parity = check_online(session, spec)
        except (HopyardError, OSError, pa.ArrowException) as error:
            self._add(
                "online_unreadable",
                f"Its online rows cannot be compared with the offline ones: {error}",
                f"Mend what else is found first. {_rebuild_advice(session)}",
            )
            return None
        if not parity.is_stable:
            self._add(
                "online_unreadable",
                "Its online table changed each time that it was read.",
                "Verify it again when less is written to it.",
            )
            return None
        if behind:
            self._add(
                "online_behind",
                f"The online table lacks the last {behind} commit(s).",
                f"Run `hopyard online catchup {spec.label}`, or insert: that catches up.",
            )
        differences = [
            _shown_keys("missing online", parity.missing, table),
            _shown_keys("online only", parity.extra, table),
            _shown_keys("with another row online than offline", parity.different, table),
        ]
        shown = [difference for difference in differences if difference]
        if shown:
            self._add(
                "online_differs",
                f"Compared bit for bit, there are {'; '.join(shown)}.",
                f"Run `hopyard online rebuild {spec.label}`.",
            )
        return parity.n_rows


def _spec_differences(spec: FeatureGroupSpec, stored: FeatureGroupSpec) -> list[tuple[str, str]]:
    """Return message and advice where registry (`spec`) and table (`stored`) say different things of a group."""
    differences = [
        f"{what} is {getattr(spec, what)!r} in the registry and {getattr(stored, what)!r} in the table"
        for what in _CONTRACT
        if getattr(spec, what) != getattr(stored, what)
    ]
    registered, in_table = _features(spec), _features(stored)
    differences += [
        f"feature {name!r} is {type_} in the registry and {in_table.get(name, 'missing')} in the table"
        for name, type_ in registered.items()
        if in_table.get(name) != type_
    ]
    unknown = [name for name in in_table if name not in registered]
    found = []
    if differences:
        found.append(
            (
                f"Registry and table disagree: {'; '.join(differences)}.",
                f"Restore registry.db and the folder {spec.location} from the same copy of the store.",
            )
        )
    if spec.online_enabled != stored.online_enabled:
        known, other = ("online", "offline") if spec.online_enabled else ("offline only", "online")
        call = "enable_online()" if spec.online_enabled else "enable_online() or disable_online()"
        found.append(
            (
                f"The group is {known}, and its table still says that it is {other}: enable_online() or "
                f"disable_online() was interrupted.",
                f"Call {call} on the group.",
            )
        )
    if unknown:
        found.append(
            (
                f"The table has the feature(s) {', '.join(unknown)}, which the registry does not know: append_features "
                f"was interrupted.",
                "Call append_features again with the same features.",
            )
        )
    return found


def _features(spec: FeatureGroupSpec) -> dict[str, str]:
    def shown(feature: FeatureSpec) -> str:
        return (
            feature.type if feature.default is None else f"{feature.type} (default {feature.default.value!r})"
        )

    return {feature.name: shown(feature) for feature in spec.features}


def _file_problem(file: DataFile) -> str | None:
    """Return what is wrong with a data file, as the end of a sentence; None: nothing."""
    path = Path(file.path)
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        return f"cannot be opened ({error.strerror})"
    if size_bytes != file.size_bytes:
        return f"has {size_bytes} bytes instead of {file.size_bytes}"
    try:
        n_rows = pq.read_metadata(path).num_rows
    except (OSError, pa.ArrowException) as error:
        return f"is no readable Parquet file ({error})"
    return None if n_rows == file.n_rows else f"has {n_rows} rows instead of {file.n_rows}"


def _shown_commits(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"commit {numbers[0]}"
    return f"{len(numbers)} commits from {numbers[0]} to {numbers[-1]}"


def _shown_keys(what: str, keys: Keys, table: OnlineTable) -> str:
    if not keys.n:
        return ""
    examples = " | ".join(shown_key(table, key) for key in keys.examples)
    return f"{keys.n} key(s) {what} (such as {examples})"


def _rebuild_advice(session: Session) -> str:
    if not session.online.capabilities.is_embedded:
        return "Online tables can always be rebuilt: `hopyard online rebuild GROUP`."
    return (
        f"The online store can always be rebuilt: end the processes that use it, remove the folder "
        f"{session.root / 'projects' / session.project / 'online'}, and run `hopyard online catchup`."
    )
