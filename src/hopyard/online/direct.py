"""The short way to a vector: every key is in the entry, and nothing is computed from the request.

`VectorReader` takes it where it can, for it is most of what is asked in practice; whatever is out of the ordinary (an
unknown name, a null key, a row that is missing or too old) ends it, and the long way in vectors.py decides. Both give
the same vectors (tests/conformance/test_vector_paths.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from hopyard.compute.scalar import coerce
from hopyard.model.types import FeatureType, parse_type
from hopyard.online.decode import event_time_of, row_decoder
from hopyard.online.keys import entry_key
from hopyard.online.serving_plan import ServingNode, ServingPlan
from hopyard.ports import Lookup
from hopyard.time import Clock

Entry = Mapping[str, Any]
LookUp = Callable[[Sequence[Lookup]], list[bytes | None]]

_KeyOf = Callable[[Entry], bytes | None]
_Decode = Callable[[bytes], list[object]]
_Given = tuple[bool, str, str, FeatureType | None]
"""Whether it is passed (else in the entry), its name there, the feature's name, and the type to convert it to."""

NOTHING: Entry = {}


class Direct:
    """How entries with certain names become lookups, and the rows found become vectors."""

    def __init__(
        self,
        keys: Sequence[_KeyOf],
        nodes: Sequence[tuple[str, int, _Decode, int | None]],
        given: Sequence[_Given],
        order: Callable[[list[object]], list[object]] | None,
    ) -> None:
        """
        Args:
            keys: what gives each key of an entry; several groups may have the same one.
            nodes: per group that is read: its table's id, which key it has, what decodes its row, its limit of age.
            given: values that stand behind the decoded ones.
            order: puts all of them into the order of the vector; None: they are in it.
        """
        self._keys = keys
        self._tables = [(table_id, at) for table_id, at, _, _ in nodes]
        self._decoders = [decode for _, _, decode, _ in nodes]
        self._limits = [limit for _, _, _, limit in nodes]
        self._given = given
        self._order = order
        self.has_limits = any(limit is not None for limit in self._limits)
        self._is_plain = not (self.has_limits or given or order)

    def vector(self, entry: Entry, passed: Entry, look_up: LookUp, clock: Clock) -> list[object] | None:
        """Return one vector; None: as `lookups` and `vectors`, which do the same for many."""
        keys = []
        for key_of in self._keys:
            key = key_of(entry)
            if key is None:
                return None
            keys.append(key)
        rows = look_up([(table_id, keys[at]) for table_id, at in self._tables])
        if not self._is_plain:
            found = self.vectors((entry,), (passed,), rows, clock() if self.has_limits else 0)
            return None if found is None else found[0]
        vector: list[object] = []
        for at, row in enumerate(rows):
            if row is None:
                return None
            vector += self._decoders[at](row)
        return vector

    def lookups(self, entries: Sequence[Entry]) -> list[Lookup] | None:
        """Return what to look up, table by table; None: the long way must say what becomes of a null key.

        Raises:
            FeatureVectorError: a key of another type.
        """
        keys = [[key_of(entry) for entry in entries] for key_of in self._keys]
        if any(None in of_all for of_all in keys):
            return None
        return [(table_id, key) for table_id, at in self._tables for key in keys[at] if key is not None]

    def vectors(
        self, entries: Sequence[Entry], passed: Sequence[Entry], rows: Sequence[bytes | None], now_us: int
    ) -> list[list[object]] | None:
        """Return the vectors, in order; None: a row is missing or too old.

        Args:
            rows: what was found for `lookups`, in order.
            now_us: against which limits of age are judged.
        Raises:
            FeatureVectorError: a value that is given is of another type.
        """
        if None in rows:
            return None
        vectors: list[list[object]] = [[] for _ in entries]
        start = 0
        for decode, limit in zip(self._decoders, self._limits, strict=True):
            found: Sequence[Any] = rows[start : start + len(entries)]
            if limit is not None and any(now_us - event_time_of(row) > limit for row in found):
                return None
            for vector, row in zip(vectors, found, strict=True):
                vector += decode(row)
            start += len(entries)
        if self._given:
            for vector, entry, known in zip(vectors, entries, passed, strict=True):
                for is_passed, key, name, type_ in self._given:
                    value = known[key] if is_passed else entry[key]
                    vector.append(value if type_ is None else coerce(name, type_, value))
        return vectors if self._order is None else [self._order(vector) for vector in vectors]


def direct_way(plan: ServingPlan, names: Sequence[str], passed: Sequence[str]) -> Direct | None:
    """Return the short way for entries with exactly these names; None: there is none.

    Args:
        names: of the entry, all of them accepted by the plan.
        passed: of the passed features, likewise.
    """
    if plan.on_demand or not {out.name for out in plan.outputs}.issuperset(passed):
        return None
    keys: dict[tuple[str, ...], int] = {}
    key_ofs: list[_KeyOf] = []
    steps: list[tuple[str, int, _Decode, int | None]] = []
    given: list[_Given] = []
    places: list[int] = []  # of the decoded values, then of the given ones
    given_places: list[int] = []
    for node in plan.all_nodes:
        key_names = _names_in(node, names)
        if key_names is None:
            return None
        columns = [field.name for field in node.table.key]
        stored: list[str] = []
        for place, out in enumerate(plan.outputs):
            if out.node != node.node:
                continue
            if out.feature in node.reads:
                stored.append(out.feature)
                places.append(place)
            else:
                given.append((False, key_names[columns.index(out.feature)], out.name, None))
                given_places.append(place)
        at = keys.setdefault((*key_names, *(field.type for field in node.table.key)), len(key_ofs))
        if at == len(key_ofs):
            key_ofs.append(entry_key(node.table, key_names))
        steps.append((node.table.id, at, row_decoder(node.table, stored), node.age_limit_us))
    for place, out in enumerate(plan.outputs):
        is_root = out.node == 0 and plan.root is None
        in_entry = [name for name in (out.name, out.feature) if name in names] if is_root else []
        if out.name in passed:
            given.append((True, out.name, out.name, parse_type(out.type)))
        elif in_entry:
            given.append((False, in_entry[0], out.name, parse_type(out.type)))
        elif is_root:
            return None
        else:
            continue
        given_places.append(place)
    places += given_places
    return Direct(key_ofs, steps, given, _reordered(places)) if steps else None


def _names_in(node: ServingNode, names: Sequence[str]) -> list[str] | None:
    """Return under which names an entry has a node's key; None: it has not all of it, or a parent's row has it."""
    if node.parent > 0:
        return None
    found = []
    for key in node.keys:
        if key.name not in names and key.alias not in names:
            return None
        found.append(key.name if key.name in names else key.alias)
    return found


def _reordered(places: list[int]) -> Callable[[list[object]], list[object]] | None:
    """Return what puts values that stand for these places of a vector into their order; None: they are in it.

    Of two values for one place the last one counts.
    """
    if places == list(range(len(places))):
        return None
    index_of = {place: index for index, place in enumerate(places)}
    order = [index_of[place] for place in sorted(index_of)]
    if len(order) == 1:
        return lambda values: [values[order[0]]]
    take = itemgetter(*order)
    return lambda values: list(take(values))
