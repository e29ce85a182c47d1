"""Feature vectors the long way: whatever an entry leaves out, passes or asks to compute, and every error about it.

The rows are read in one round trip per level of joins: all groups whose keys are known at once, then those whose keys
stand in the rows that were found. Reading is the caller's: `steps` yields what to look up and is sent what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

from hopyard.compute.scalar import coerce
from hopyard.errors import FeatureVectorError
from hopyard.model.types import FeatureType, parse_type
from hopyard.online.decode import event_time_of, row_decoder
from hopyard.online.keys import key_encoder
from hopyard.online.request import ABSENT as _ABSENT
from hopyard.online.request import OnDemand
from hopyard.online.serving_plan import ServingNode, ServingPlan
from hopyard.ports import Lookup

Entry = Mapping[str, object]

Steps = Generator[list[Lookup], Sequence[bytes | None], list[list[object]]]
"""Yields lookups, is sent their rows, and returns vectors."""

_Rows = dict[int, tuple[list[object], list[object]] | None]
"""By node: what was decoded of its row, and the values of its key; None: there is no row."""


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """A node with everything about it computed once; compared by identity, as requests do all the time."""

    node: ServingNode
    encode: Callable[[Sequence[object]], bytes]
    decode: Callable[[bytes], list[object]]
    places: tuple[tuple[int, int], ...]
    key_places: tuple[tuple[int, int], ...]
    key_columns: tuple[str, ...]


class Vectors:
    """The feature vectors of one view. Safe for threads."""

    def __init__(self, plan: ServingPlan) -> None:
        """Raises UntrustedCodeError: the plan has functions of users that may not run here."""
        self.plan = plan
        self.names = [out.name for out in plan.outputs]
        self._nodes = [self._prepare(node) for node in plan.all_nodes]
        self._joined_keys = [key for node in plan.nodes if node.parent == 0 for key in node.keys]
        self.has_limits = any(prepared.node.age_limit_us is not None for prepared in self._nodes)
        self._root_places = [
            (place, out.name, out.feature, parse_type(out.type))
            for place, out in enumerate(plan.outputs)
            if out.node == 0
        ]
        self._root_types = {field.name: field.feature_type for field in plan.root_fields}
        self._types = {out.name: parse_type(out.type) for out in plan.outputs}
        self._on_demand = OnDemand(plan.on_demand, plan.outputs)
        self._places = {(out.node, out.feature): place for place, out in enumerate(plan.outputs)}
        self.serving_keys = self._serving_keys()
        self.accepted = self._accepted_names()

    def steps(
        self,
        entries: Sequence[Entry],
        passed: Sequence[Entry] | None,
        request_parameters: Entry | Sequence[Entry] | None,
        *,
        allow_missing: bool,
        now_us: int,
    ) -> Steps:
        """Yield what to look up, be sent the rows, and return one vector per entry, before transformation.

        Args:
            entries, passed, request_parameters, allow_missing: see `VectorReader.get_feature_vectors`.
            now_us: against which limits of age are judged.
        Raises:
            FeatureVectorError, UserFunctionError: as there.
        """
        for argument in (entries, passed):
            if isinstance(argument, (str, Mapping)) or not isinstance(argument, (Sequence, type(None))):
                raise FeatureVectorError(
                    f"get_feature_vectors() takes a list of entries (dicts), one per vector, and a list of "
                    f"passed_features; it was given {type(argument).__name__}. For one vector use get_feature_vector()."
                )
        if passed is not None and len(passed) != len(entries):
            raise FeatureVectorError(
                f"There are {len(entries)} entries and {len(passed)} passed_features: give one of each per vector."
            )
        asked = self._on_demand.per_entry(request_parameters, len(entries))
        given = [self._given(entry, passed[at] if passed else {}) for at, entry in enumerate(entries)]
        vectors: list[list[object]] = [[_ABSENT] * len(self.names) for _ in entries]
        found: list[_Rows] = [{} for _ in entries]
        yield from self._fetch(given, found, vectors, now_us)
        for at, vector in enumerate(vectors):
            self._fill_root(vector, given[at])
            self._pass(vector, passed[at] if passed else {})
            if self._on_demand:
                self._on_demand.fill(
                    vector,
                    asked[at],
                    passed[at] if passed else {},
                    self._finder(vector, found[at], given[at]),
                )
            if not allow_missing:
                self._check_present(vector, given[at], found[at])
            for place, value in enumerate(vector):
                if value is _ABSENT:
                    vector[place] = None
        return vectors

    def _prepare(self, node: ServingNode) -> _Prepared:
        columns = tuple(field.name for field in node.table.key)
        return _Prepared(
            node=node,
            encode=key_encoder(node.table),
            decode=row_decoder(node.table, node.reads),
            places=tuple(
                (place, node.reads.index(out.feature))
                for place, out in enumerate(self.plan.outputs)
                if out.node == node.node and out.feature in node.reads
            ),
            key_places=tuple(
                (place, columns.index(out.feature))
                for place, out in enumerate(self.plan.outputs)
                if out.node == node.node and out.feature in columns and out.feature not in node.reads
            ),
            key_columns=columns,
        )

    def _serving_keys(self) -> tuple[str, ...]:
        """Return the keys that an entry must name: those that no online row can give."""
        keys: list[str] = []
        if self.plan.root is not None:
            keys += [key.name for key in self.plan.root.keys]
        for node in self.plan.nodes:
            if node.parent == 0 and self.plan.root is None:
                keys += [key.name for key in node.keys]
        return tuple(dict.fromkeys(keys))

    def _accepted_names(self) -> frozenset[str]:
        names = {
            name for prepared in self._nodes for key in prepared.node.keys for name in (key.name, key.alias)
        }
        names |= {field.name for field in self.plan.root_fields}
        return frozenset(names)

    def _given(self, entry: Entry, passed: Entry) -> dict[str, object]:
        if not isinstance(entry, Mapping) or not isinstance(passed, Mapping):
            raise FeatureVectorError(
                f"An entry is a dict from serving keys to values, such as "
                f"{{{', '.join(f'{key!r}: ...' for key in self.serving_keys)}}}; this is {type(entry).__name__}."
            )
        unknown = [name for name in entry if name not in self.accepted]
        if unknown:
            raise FeatureVectorError(
                f"{unknown[0]!r} is no serving key of feature view {self.plan.view!r}. "
                f"Required: {', '.join(self.serving_keys) or 'none'}."
            )
        foreign = [name for name in passed if name not in self._types and name not in self.accepted]
        if foreign:
            raise FeatureVectorError(
                f"passed_features has {foreign[0]!r}, which is no feature of view {self.plan.view!r}. "
                f"It has: {', '.join(self.names)}."
            )
        return {**passed, **entry}

    def _fetch(
        self,
        given: Sequence[dict[str, object]],
        found: list[_Rows],
        vectors: list[list[object]],
        now_us: int,
    ) -> Generator[list[Lookup], Sequence[bytes | None]]:
        """Get the rows of all nodes for all entries, level by level, into `found` and `vectors`."""
        pending = list(self._nodes)
        while pending:
            ready = [p for p in pending if self._is_ready(p, pending[0].node.node, given, found)]
            lookups: list[Lookup] = []
            owners: list[tuple[int, _Prepared, list[object]]] = []
            for prepared in ready:
                for at, facts in enumerate(given):
                    if prepared.node.node == 0 and self._does_without_root(facts):
                        continue
                    values = self._key_values(prepared, facts, found[at])
                    if values is None:
                        found[at][prepared.node.node] = None
                        continue
                    lookups.append((prepared.node.table.id, prepared.encode(values)))
                    owners.append((at, prepared, values))
            rows = (yield lookups) if lookups else []
            for (at, prepared, values), row in zip(owners, rows, strict=True):
                limit = prepared.node.age_limit_us
                if row is None or (limit is not None and now_us - event_time_of(row) > limit):
                    found[at][prepared.node.node] = None
                    continue
                decoded = prepared.decode(row)
                found[at][prepared.node.node] = (decoded, values)
                vector = vectors[at]
                for place, index in prepared.places:
                    vector[place] = decoded[index]
                for place, index in prepared.key_places:
                    vector[place] = values[index]
            pending = [prepared for prepared in pending if prepared not in ready]

    def _is_ready(
        self,
        prepared: _Prepared,
        first_pending: int,
        given: Sequence[dict[str, object]],
        found: Sequence[_Rows],
    ) -> bool:
        """Return whether the keys of a node are known for every entry: no other row has to be read before."""
        node = prepared.node
        if node.node == 0:
            return True
        if node.parent > 0:
            return all(node.parent in rows for rows in found)
        return first_pending != 0 or all(
            all(key.name in facts or key.alias in facts for key in node.keys) for facts in given
        )

    def _does_without_root(self, facts: dict[str, object]) -> bool:
        """Return whether an entry has, instead of the root's key, those of all groups that are joined to the root."""
        return (
            self.plan.root is not None
            and not any(key.name in facts for key in self.plan.root.keys)
            and bool(self._joined_keys)
            and all(key.name in facts or key.alias in facts for key in self._joined_keys)
        )

    def _key_values(self, prepared: _Prepared, facts: dict[str, object], rows: _Rows) -> list[object] | None:
        """Return the key of a node's row for one entry; None: there is none, because a part of it is null."""
        node = prepared.node
        values = []
        for key in node.keys:
            value = _ABSENT
            if node.parent <= 0:
                value = facts.get(key.name, _ABSENT)
                if value is _ABSENT:
                    value = facts.get(key.alias, _ABSENT)
            if value is _ABSENT and node.node != 0:
                value = self._from_parent(node.parent, key.column, rows)
            if value is _ABSENT:
                self._raise_missing_key(key.name, key.alias, node)
            if value is None:
                return None
            values.append(value)
        return values

    def _from_parent(self, parent: int, column: str, rows: _Rows) -> object:
        """Return a column of a parent's row: absent if the parent is not read online, null if it has no row."""
        if parent not in rows:
            return _ABSENT
        row = rows[parent]
        if row is None:
            return None
        decoded, values = row
        prepared = next(p for p in self._nodes if p.node.node == parent)
        if column in prepared.node.reads:
            return decoded[prepared.node.reads.index(column)]
        return values[prepared.key_columns.index(column)]

    def _raise_missing_key(self, name: str, alias: str, node: ServingNode) -> None:
        also = f" (or as {alias!r})" if alias != name else ""
        raise FeatureVectorError(
            f"The entry lacks the serving key {name!r}{also} of {node.group!r}. "
            f"Required: {', '.join(self.serving_keys)}."
        )

    def _fill_root(self, vector: list[object], facts: dict[str, object]) -> None:
        for place, name, feature, type_ in self._root_places:
            if vector[place] is _ABSENT:
                value = facts.get(name, facts.get(feature, _ABSENT))
                if value is not _ABSENT:
                    vector[place] = coerce(name, type_, value)

    def _finder(
        self, vector: Sequence[object], rows: _Rows, facts: dict[str, object]
    ) -> Callable[[int, str], object]:
        """Return what finds a feature of a node for one entry: in its vector, in its row, or in what is given."""

        def find(node: int, feature: str) -> object:
            place = self._places.get((node, feature))
            if place is not None and vector[place] is not _ABSENT:
                return vector[place]
            row = rows.get(node)
            if row is not None:
                return self._from_parent(node, feature, rows)
            type_ = self._root_types.get(feature) if node == 0 and 0 not in rows else None
            return coerce(feature, type_, facts[feature]) if type_ and feature in facts else _ABSENT

        return find

    def _pass(self, vector: list[object], passed: Entry) -> None:
        for name, value in passed.items():
            type_: FeatureType | None = self._types.get(name)
            if type_ is not None:
                vector[self.names.index(name)] = coerce(name, type_, value)

    def _check_present(self, vector: list[object], facts: dict[str, object], rows: _Rows) -> None:
        for place, out in enumerate(self.plan.outputs):
            if vector[place] is not _ABSENT:
                continue
            if out.node == 0 and 0 not in rows:
                raise FeatureVectorError(
                    f"The feature {out.name!r} of the view's left-most group is missing: give it in passed_features, "
                    f"or pass allow_missing=True for null."
                )
            # Without the root's row nothing else can be looked up: name the first thing that is missing.
            node = 0 if rows.get(0, _ABSENT) is None else out.node
            prepared = next(p for p in self._nodes if p.node.node == node)
            shown = {key.alias: facts.get(key.name, facts.get(key.alias)) for key in prepared.node.keys}
            raise FeatureVectorError(
                f"{prepared.node.group!r} has no row online for {shown} (or one past its ttl). "
                f"Pass allow_missing=True for null."
            )
