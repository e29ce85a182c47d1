"""Feature vectors against point-in-time rows, bit for bit: online equals offline, or this says where it does not.

A vector that is read at an instant T must equal the row that the point-in-time join gives for its keys at T, over the
commits that the online tables have. So the view's query is asked for a spine of keys, each with the event time T, with
every online group at the commit that its online table has, and both sides are compared value by value. For an earlier
T, the groups are read as they were committed at T; what came later makes the differences.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import msgspec

from hopyard.compute.exact import exact
from hopyard.errors import ConfigError, HopyardWarning, TimeTravelError
from hopyard.ingest.create import KIND, load_group
from hopyard.model.plan import GroupSource
from hopyard.model.position import CommitPosition
from hopyard.model.specs import FeatureGroupSpec, FeatureViewSpec
from hopyard.observe.parity import hold
from hopyard.observe.vector_report import Cause, GroupPosition, VectorDifference, VectorParity
from hopyard.observe.vector_spine import (
    Commits,
    VectorKeys,
    keys_of_entries,
    point_in_time_spine,
    sample_keys,
)
from hopyard.online.reader import VectorReader
from hopyard.online.serving_plan import ServingNode, ServingPlan
from hopyard.online.vectors import Entry
from hopyard.retrieve.dataset import fitted_statistics
from hopyard.retrieve.serving import serving_plan
from hopyard.retrieve.training import batch_data
from hopyard.retrieve.trust import require_view_trust
from hopyard.session import Session
from hopyard.time import Instant, show, to_micros

FREE_TRIES = 3
_END_OF_TIME_US = 253_402_214_400_000_000  # the last day that a datetime can show

Row = Mapping[str, object]
Found = tuple[int, str, object, object]
"""Where a difference is, and both values: the place of its key, its feature, online and offline."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The instants and commits of one comparison.

    Attributes:
        at_us: of the point-in-time rows.
        now_us: of the vectors.
        online: the commits that the online tables have.
        known: those of them that were made by `at_us`: what the rows are read from.
        last: the last ones that were made by `at_us`, online or not.
    """

    at_us: int
    now_us: int
    online: Commits
    known: Commits
    last: Commits


def check_vectors(
    session: Session,
    view: FeatureViewSpec,
    *,
    sample: int,
    at: Instant | None = None,
    entries: Sequence[Entry] | None = None,
    training_dataset_version: int | None = None,
) -> VectorParity:
    """Return how the vectors of a view, as they are now, compare with its point-in-time rows.

    Keys are those of the left-most group's rows and of the groups that are joined to it; features of a left-most group
    that is not online are passed, as its rows have them. An inner join counts as a left one: a vector has a place for
    each feature.

    Args:
        sample: at most so many keys, always the same ones of the same data.
        at: the instant of the rows, which are read from what was committed by then; None: now, and everything that is
            online.
        entries: compare these serving keys instead.
        training_dataset_version: whose fitted statistics transform the features; None: the latest.
    Raises:
        ConfigError: `sample` is no number from 1.
        UntrustedCodeError, ServingError, NotFoundError: as `FeatureView.init_serving`.
        FeatureVectorError: entries that are no serving keys of the view.
        StoreError, TimeTravelError: a side that cannot be read, or `at` is later than now.
    """
    if isinstance(sample, bool) or not isinstance(sample, int) or sample < 1:
        raise ConfigError(
            f"sample={sample!r} must be a whole number from 1: how many keys to compare at most."
        )
    require_view_trust(session, view)
    fitted = fitted_statistics(session, view, training_dataset_version)
    plan = serving_plan(session, view, fitted)
    groups = _online_groups(session, view, plan)
    at_us = None if at is None else to_micros(at)
    with ExitStack() as held:
        for n_try in range(FREE_TRIES + 1):
            if n_try == FREE_TRIES:  # writers were faster each time
                for id_ in sorted(groups):
                    held.enter_context(hold(session, groups[id_]))
            moment = _moment(session, groups, at_us)
            if entries is None:
                keys = sample_keys(session, view, plan, (moment.online, moment.last), sample)
            else:
                keys = keys_of_entries(view, plan, entries)
            check = _Check(session, view, plan, keys, moment)
            vectors, ageless = check.vectors(), check.ageless_vectors()
            if _commits(session, groups) == moment.online:
                break
    return VectorParity(
        view=view.label,
        at_us=moment.at_us,
        n_keys=len(keys.entries),
        differences=tuple(check.compare(vectors, ageless)),
        lagging=tuple(check.lagging(vectors[False])),
        positions=tuple(_position(session, spec, moment) for spec in groups.values()),
    )


class _Check:
    """One comparison of some keys at one moment."""

    def __init__(
        self,
        session: Session,
        view: FeatureViewSpec,
        plan: ServingPlan,
        keys: VectorKeys,
        moment: Moment,
    ) -> None:
        self._session = session
        self._view = view
        self._plan = plan
        self._keys = keys
        self._moment = moment
        self._groups = {out.name: view.plan.nodes[out.node].source.label for out in plan.outputs}

    def vectors(self) -> dict[bool, list[Row]]:
        """Return what is served, before (False) and, where there are any, after (True) transformations."""
        stages = (False, True) if self._view.transformations else (False,)
        return {transform: self._read(self._plan, transform=transform) for transform in stages}

    def ageless_vectors(self) -> list[Row] | None:
        """Return what would be served without limits to the age of rows; None: there are no limits."""
        if all(node.age_limit_us is None for node in self._plan.all_nodes):
            return None
        plan = msgspec.structs.replace(
            self._plan,
            nodes=tuple(map(_ageless, self._plan.nodes)),
            root=None if self._plan.root is None else _ageless(self._plan.root),
        )
        return self._read(plan, transform=False)

    def compare(
        self, vectors: Mapping[bool, list[Row]], ageless: list[Row] | None
    ) -> Iterator[VectorDifference]:
        """Yield where vectors differ from the point-in-time rows; of one key, before transformations or after them."""
        found = list(_differing(vectors[False], self._rows(self._moment.known)))
        causes = self._causes(found, vectors[False] if ageless is None else ageless) if found else []
        for (at, name, online, offline), (cause, because) in zip(found, causes, strict=True):
            entry = self._keys.entries[at]
            yield VectorDifference(entry, name, self._groups[name], online, offline, cause, because)
        if True not in vectors:
            return
        seen = {at for at, *_ in found}
        for at, name, online, offline in _differing(
            vectors[True], self._rows(self._moment.known, transform=True)
        ):
            if at not in seen:
                because = "before transformations they are equal"
                yield VectorDifference(
                    self._keys.entries[at], name, "", online, offline, "transformation", because
                )

    def lagging(self, vectors: Sequence[Row]) -> Iterator[VectorDifference]:
        """Yield the values that the commits which are not online yet will change."""
        if self._moment.last == self._moment.known:
            return
        known, last = self._rows(self._moment.known), self._rows(self._moment.last)
        for at, name, _, offline in _differing(known, last):
            entry, online = self._keys.entries[at], vectors[at][name]
            because = "the commits that change it are not online yet"
            yield VectorDifference(entry, name, self._groups[name], online, offline, "online lag", because)

    def _causes(self, found: Sequence[Found], ageless: Sequence[Row]) -> Iterator[tuple[Cause, str]]:
        """Yield the cause of each difference, by what the rows would be if one thing were otherwise.

        Limits to the age of rows are left out on both sides, but where they are what makes the difference.
        """
        moment, at = self._moment, show(self._moment.at_us)
        same = self._rows(moment.known, any_age=True)
        later = self._rows(moment.online, any_age=True)
        newest = self._rows(moment.online, any_age=True, at_us=_END_OF_TIME_US)
        for place, name, online, offline in found:
            served = exact(ageless[place][name])
            if online == offline:
                yield "type", "another type, or another sign of zero"
            elif served == exact(same[place][name]):
                yield "ttl", f"the same row is past its time to live now, or was it at {at}"
            elif served == exact(later[place][name]):
                yield "late commit", f"it was committed or changed after {at}"
            elif served == exact(newest[place][name]):
                yield "future row", f"the row online is dated later than {at}"
            else:
                yield "unknown", ""

    def _read(self, plan: ServingPlan, *, transform: bool) -> list[Row]:
        reader = VectorReader(plan, self._session.online, lambda: self._moment.now_us)
        names = [field.name for field in reader.schema(transform=transform)]
        rows = reader.read(self._keys.entries, self._keys.passed, allow_missing=True, transform=transform)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def _rows(
        self, commits: Commits, *, transform: bool = False, any_age: bool = False, at_us: int | None = None
    ) -> list[Row]:
        """Return the point-in-time rows of the keys, with each online group at one of its commits."""
        spine = point_in_time_spine(
            self._view,
            self._plan,
            self._keys,
            commits,
            self._moment.at_us if at_us is None else at_us,
            any_age=any_age,
        )
        shown = self._view if transform else msgspec.structs.replace(self._view, transformations=())
        with warnings.catch_warnings():
            # A root without event time is joined with what there is now; so are vectors.
            warnings.simplefilter("ignore", HopyardWarning)
            table = batch_data(self._session, shown, self._plan.fitted if transform else (), spine=spine)
        rows: list[Row] = table.to_pylist()
        return rows


def _differing(vectors: Sequence[Row], rows: Sequence[Row]) -> Iterator[Found]:
    for at, (vector, row) in enumerate(zip(vectors, rows, strict=True)):
        for name, online in vector.items():
            if exact(online) != exact(row[name]):
                yield at, name, online, row[name]


def _ageless(node: ServingNode) -> ServingNode:
    return msgspec.structs.replace(node, age_limit_us=None)


def _moment(session: Session, groups: Mapping[str, FeatureGroupSpec], at_us: int | None) -> Moment:
    """Return the instants and commits of a comparison that begins now. Raises TimeTravelError."""
    online, now_us = _commits(session, groups), session.clock()
    if at_us is not None and at_us > now_us:
        raise TimeTravelError(
            f"at= is {show(at_us)}, which is later than now ({show(now_us)}): vectors are those of now."
        )
    last = {id_: _last_commit(session, spec, at_us) for id_, spec in groups.items()}
    known = {id_: _earlier(online[id_], last[id_]) for id_ in groups}
    return Moment(now_us if at_us is None else at_us, now_us, online, known, last)


def _last_commit(session: Session, spec: FeatureGroupSpec, at_us: int | None) -> int | None:
    commits = session.offline.commits(spec.location)
    numbers = [commit.number for commit in commits if at_us is None or commit.committed_at_us <= at_us]
    return numbers[-1] if numbers else None


def _earlier(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else min(one, other)


def _online_groups(session: Session, view: FeatureViewSpec, plan: ServingPlan) -> dict[str, FeatureGroupSpec]:
    """Return the groups that are read online, by id, in the order of the query."""
    found = {}
    for node in plan.all_nodes:
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


def _position(session: Session, spec: FeatureGroupSpec, moment: Moment) -> GroupPosition:
    commit, last = moment.online[spec.id], moment.last[spec.id]
    number, upto = -1 if commit is None else commit, -1 if last is None else last
    behind = [c for c in session.offline.commits(spec.location) if number < c.number <= upto]
    return GroupPosition(spec.label, commit, max(number, upto), len(behind))
