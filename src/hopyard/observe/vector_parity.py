"""Feature vectors against point-in-time rows, bit for bit: online equals offline, or this says where it does not.

A vector that is read at an instant T must equal the row that the point-in-time join gives for its keys at T, over the
commits that the online tables have. So the view's query is asked for a spine of keys, each with the event time T, with
every online group at the commit that its online table has, and both sides are compared value by value.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import msgspec

from hopyard.compute.exact import exact
from hopyard.errors import HopyardWarning
from hopyard.ingest.apply import n_behind
from hopyard.ingest.create import KIND, load_group
from hopyard.model.plan import GroupSource
from hopyard.model.position import CommitPosition
from hopyard.model.specs import FeatureGroupSpec, FeatureViewSpec
from hopyard.observe.parity import hold
from hopyard.observe.vector_spine import (
    Commits,
    VectorKeys,
    keys_of_entries,
    point_in_time_spine,
    sample_keys,
)
from hopyard.online.serving_plan import ServingPlan
from hopyard.online.vectors import Entry, VectorReader
from hopyard.retrieve.dataset import fitted_statistics
from hopyard.retrieve.serving import serving_plan
from hopyard.retrieve.training import batch_data
from hopyard.retrieve.trust import require_view_trust
from hopyard.session import Session
from hopyard.time import show

FREE_TRIES = 3
SHOWN = 10
_END_OF_TIME_US = 253_402_214_400_000_000  # the last day that a datetime can show

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class VectorDifference:
    """A value that was served otherwise than the point-in-time row has it.

    Attributes:
        entry: the serving keys.
        feature: its name in the vector.
        group: the feature group that it comes from, as `name_version`; empty for a result of a transformation.
        online, offline: the value in the vector, and in the point-in-time row.
        cause: what makes the difference, as far as it shows; empty: unknown.
    """

    entry: Entry
    feature: str
    group: str
    online: object
    offline: object
    cause: str = ""

    def __str__(self) -> str:
        origin = f" ({self.group})" if self.group else ""
        because = f": {self.cause}" if self.cause else ""
        return (
            f"{dict(self.entry)}: {self.feature!r}{origin} is {self.online!r} online, and {self.offline!r} "
            f"offline{because}"
        )


@dataclass(frozen=True, slots=True)
class GroupPosition:
    """How far the online table of a group is: the commit that it has (None: none yet), and the group's last one."""

    group: str
    commit: int | None
    last_commit: int
    n_behind: int

    def __str__(self) -> str:
        has = "nothing yet" if self.commit is None else f"commit {self.commit}"
        return (
            f"{self.group} is {self.n_behind} commit(s) behind: its online table has {has}, and the last one is "
            f"{self.last_commit}. `hopyard online catchup {self.group}` applies them"
        )


@dataclass(frozen=True, slots=True)
class VectorParity:
    """How the vectors of a feature view compare with its point-in-time rows.

    Attributes:
        view: as `name_version`.
        at_us: the instant of the comparison, in UTC microseconds.
        n_keys: how many keys were compared.
        differences: each value that differs.
        positions: the commit of each online group at which both sides were read.
    """

    view: str
    at_us: int
    n_keys: int
    differences: tuple[VectorDifference, ...] = ()
    positions: tuple[GroupPosition, ...] = ()

    @property
    def n_different(self) -> int:
        """How many keys have a difference."""
        return len({exact(difference.entry) for difference in self.differences})

    @property
    def is_equal(self) -> bool:
        """Whether each vector equals its row. Groups that are behind are compared at the commit that they have."""
        return not self.differences

    def __str__(self) -> str:
        if self.is_equal:
            found = f"{self.view}: {self.n_keys} key(s), online equals offline"
        else:
            found = (
                f"{self.view}: {self.n_different} of {self.n_keys} key(s) differ between online and offline at "
                f"{show(self.at_us)}"
            )
        n_more = len(self.differences) - SHOWN
        more = [f"and {n_more} more"] if n_more > 0 else []
        behind = [position for position in self.positions if position.n_behind]
        return "\n".join([found, *map(str, self.differences[:SHOWN]), *more, *map(str, behind)])


def check_vectors(
    session: Session,
    view: FeatureViewSpec,
    *,
    sample: int,
    entries: Sequence[Entry] | None = None,
    training_dataset_version: int | None = None,
) -> VectorParity:
    """Return how the vectors of a view compare with its point-in-time rows, now.

    Keys are those of the left-most group's rows and of the groups that are joined to it; features of a left-most group
    that is not online are passed, as its rows have them. An inner join counts as a left one: a vector has a place for
    each feature.

    Args:
        sample: at most so many keys, always the same ones of the same data.
        entries: compare these serving keys instead.
        training_dataset_version: whose fitted statistics transform the features; None: the latest.
    Raises:
        UntrustedCodeError, ServingError, NotFoundError: as `FeatureView.init_serving`.
        FeatureVectorError: entries that are no serving keys of the view.
        StoreError, TimeTravelError: a side that cannot be read.
    """
    require_view_trust(session, view)
    fitted = fitted_statistics(session, view, training_dataset_version)
    plan = serving_plan(session, view, fitted)
    groups = _online_groups(session, view, plan)
    with ExitStack() as held:
        for n_try in range(FREE_TRIES + 1):
            if n_try == FREE_TRIES:  # writers were faster each time
                for id_ in sorted(groups):
                    held.enter_context(hold(session, groups[id_]))
            now_us, commits = session.clock(), _commits(session, groups)
            if entries is None:
                keys = sample_keys(session, view, plan, commits, sample)
            else:
                keys = keys_of_entries(view, plan, entries)
            check = _Check(session, view, plan, keys, commits, now_us)
            vectors = check.vectors()
            positions = tuple(_position(session, spec, commits[id_]) for id_, spec in groups.items())
            if _commits(session, groups) == commits:
                break
    return VectorParity(
        view=view.label,
        at_us=now_us,
        n_keys=len(keys.entries),
        differences=tuple(check.compare(vectors)),
        positions=positions,
    )


class _Check:
    """One comparison: keys, and the commits and the instant at which both sides are read."""

    def __init__(
        self,
        session: Session,
        view: FeatureViewSpec,
        plan: ServingPlan,
        keys: VectorKeys,
        commits: Commits,
        now_us: int,
    ) -> None:
        self._session = session
        self._view = view
        self._plan = plan
        self._keys = keys
        self._commits = commits
        self._now_us = now_us

    def vectors(self) -> dict[bool, list[Row]]:
        """Return what is served, before (False) and, where there are any, after (True) transformations."""
        reader = VectorReader(self._plan, self._session.online, lambda: self._now_us)
        answers: dict[bool, list[Row]] = {}
        for transform in (False, True) if self._view.transformations else (False,):
            names = [field.name for field in reader.schema(transform=transform)]
            rows = reader.read(self._keys.entries, self._keys.passed, allow_missing=True, transform=transform)
            answers[transform] = [dict(zip(names, row, strict=True)) for row in rows]
        return answers

    def compare(self, vectors: Mapping[bool, list[Row]]) -> Iterator[VectorDifference]:
        """Yield where vectors differ from the point-in-time rows; of one key, before transformations or after them."""
        stored = vectors[False]
        found = list(_differing(stored, self._rows(transform=False)))
        later = self._rows(transform=False, at_us=_END_OF_TIME_US) if found else []
        groups = {out.name: self._view.plan.nodes[out.node].source.label for out in self._plan.outputs}
        for at, name, online, offline in found:
            cause = ""
            if online == offline:
                cause = "another type, or another sign of zero"
            elif exact(later[at][name]) == exact(online):
                cause = f"the row online is dated later than {show(self._now_us)}, or past its time to live"
            yield VectorDifference(self._keys.entries[at], name, groups[name], online, offline, cause)
        if True not in vectors:
            return
        seen = {at for at, *_ in found}
        for at, name, online, offline in _differing(vectors[True], self._rows(transform=True)):
            if at not in seen:
                cause = "before transformations they are equal"
                yield VectorDifference(self._keys.entries[at], name, "", online, offline, cause)

    def _rows(self, *, transform: bool, at_us: int | None = None) -> list[Row]:
        """Return the point-in-time rows of the keys: now, or at another instant, whatever their age."""
        spine = point_in_time_spine(
            self._view,
            self._plan,
            self._keys,
            self._commits,
            self._now_us if at_us is None else at_us,
            any_age=at_us is not None,
        )
        shown = self._view if transform else msgspec.structs.replace(self._view, transformations=())
        with warnings.catch_warnings():
            # A root without event time is joined with what there is now; so are vectors.
            warnings.simplefilter("ignore", HopyardWarning)
            table = batch_data(self._session, shown, self._plan.fitted if transform else (), spine=spine)
        rows: list[Row] = table.to_pylist()
        return rows


def _differing(vectors: Sequence[Row], rows: Sequence[Row]) -> Iterator[tuple[int, str, object, object]]:
    for at, (vector, row) in enumerate(zip(vectors, rows, strict=True)):
        for name, online in vector.items():
            if exact(online) != exact(row[name]):
                yield at, name, online, row[name]


def _online_groups(session: Session, view: FeatureViewSpec, plan: ServingPlan) -> dict[str, FeatureGroupSpec]:
    """Return the groups that are read online, by id, in the order of the query."""
    nodes = ([plan.root] if plan.root else []) + list(plan.nodes)
    found = {}
    for node in nodes:
        source = view.plan.nodes[node.node].source
        assert isinstance(source, GroupSource)
        found[source.id] = load_group(session.registry.get(source.project, KIND, source.name, source.version))
    return found


def _commits(session: Session, groups: Mapping[str, FeatureGroupSpec]) -> dict[str, int | None]:
    positions = {id_: session.online.position(id_) for id_ in groups}
    return {
        id_: position.number if isinstance(position, CommitPosition) else None
        for id_, position in positions.items()
    }


def _position(session: Session, spec: FeatureGroupSpec, commit: int | None) -> GroupPosition:
    last = session.offline.commits(spec.location)[-1].number
    return GroupPosition(spec.label, commit, last, n_behind(session, spec))
