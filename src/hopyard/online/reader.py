"""The serving half of a feature view: from serving keys to feature vectors, as fast as the online store gives rows.

No planning, no registry and no offline store on this path: a `ServingPlan` and an online store are all it needs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hopyard.config import default_trust_file
from hopyard.errors import ServingError
from hopyard.model.codec import from_json
from hopyard.model.schema import Schema
from hopyard.model.specs import functions_of
from hopyard.online.direct import NOTHING, Direct, direct_way
from hopyard.online.frames import to_return_type
from hopyard.online.serving_plan import SERVING_FORMAT, ServingPlan
from hopyard.online.steps import afinish, finish
from hopyard.online.stores import open_online_store
from hopyard.online.vectors import Entry, Steps, Vectors
from hopyard.ports import AsyncOnlineStore, OnlineStore
from hopyard.time import Clock, system_clock
from hopyard.trust import require_trust

if TYPE_CHECKING:
    from hopyard.compute.transform.chain import Transformer

_Names = tuple[tuple[str, ...], tuple[str, ...]]
"""Those of an entry, and those of its passed features."""

_MAX_WAYS = 256
"""How many sets of names the reader keeps the short way of; more mean that the callers' names are made up."""


class VectorReader:
    """Answers the feature vectors of one view. Safe for threads."""

    def __init__(self, plan: ServingPlan, online: OnlineStore, clock: Clock = system_clock) -> None:
        """Raises UntrustedCodeError: the plan has functions of users that may not run here."""
        self.plan = plan
        self._online = online
        self._clock = clock
        self._vectors = Vectors(plan)
        self._transformer = _transformer(plan)
        self._ways: dict[_Names, Direct | None] = {}

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, online: str | None = None) -> VectorReader:
        """Return the reader of an exported serving plan; neither a registry nor an offline store is needed.

        Args:
            path: the file that `FeatureView.export_serving_plan` wrote.
            online: URL of the online store; None: the one in the plan, which has no password.
        Raises:
            ServingError: there is no such file.
            CorruptStoreError, FormatVersionError: the file is no plan, or a newer Hopyard's.
            ConfigError: a URL that no store serves.
            UntrustedCodeError: the plan has functions of users that may not run here.
        """
        try:
            text = Path(path).read_bytes()
        except OSError as error:
            raise ServingError(
                f"The serving plan {os.fspath(path)!r} cannot be read: {error.strerror}. Write it with "
                f"feature_view.export_serving_plan(path)."
            ) from error
        plan = from_json(
            ServingPlan, text, known=SERVING_FORMAT, what=f"the serving plan {os.fspath(path)!r}"
        )
        store = open_online_store(online or plan.online)
        require_trust(
            {function.sha256: function.name for function in functions_of(plan.all_transformations)},
            trust_file=default_trust_file(),
            store=Path(path),
            owner=f"serving plan of feature view {plan.view!r}",
            command=f"hopyard trust {plan.view.rpartition('_')[0]}",
        )
        return cls(plan, store)

    @property
    def serving_keys(self) -> tuple[str, ...]:
        """The keys that an entry must name: those that no online row can give."""
        return self._vectors.serving_keys

    def schema(self, *, transform: bool = True) -> Schema:
        """Return name and feature type of each place of a vector."""
        return self._transformer.schema if transform and self._transformer else self.plan.schema

    def get_feature_vector(
        self,
        entry: Entry,
        *,
        passed_features: Entry | None = None,
        request_parameters: Entry | None = None,
        allow_missing: bool = False,
        return_type: str = "list",
        transform: bool = True,
    ) -> Any:
        """Return one vector; see `FeatureView.get_feature_vector`."""
        known = NOTHING if passed_features is None else passed_features
        vector = None
        if request_parameters is None and type(entry) is dict and type(known) is dict:
            way = self._ways.get((tuple(entry), tuple(known)))
            vector = way.vector(entry, known, self._online.read, self._clock) if way is not None else None
        if vector is None:
            passed = None if passed_features is None else (passed_features,)
            vector = self.read(
                (entry,), passed, request_parameters, allow_missing=allow_missing, transform=transform
            )[0]
        elif transform and self._transformer is not None:
            vector = self._transformer.row(vector)
        if return_type == "list":
            return vector
        return to_return_type(self.schema(transform=transform), [vector], return_type, is_single=True)

    def get_feature_vectors(
        self,
        entries: Sequence[Entry],
        *,
        passed_features: Sequence[Entry] | None = None,
        request_parameters: Entry | Sequence[Entry] | None = None,
        allow_missing: bool = False,
        return_type: str = "list",
        transform: bool = True,
    ) -> Any:
        """Return one vector per entry, in their order; see `FeatureView.get_feature_vectors`."""
        vectors = self.read(
            entries, passed_features, request_parameters, allow_missing=allow_missing, transform=transform
        )
        return to_return_type(self.schema(transform=transform), vectors, return_type, is_single=False)

    async def aget_feature_vector(
        self,
        entry: Entry,
        *,
        passed_features: Entry | None = None,
        request_parameters: Entry | None = None,
        allow_missing: bool = False,
        return_type: str = "list",
        transform: bool = True,
    ) -> Any:
        """Return one vector without blocking the event loop; see `FeatureView.get_feature_vector`."""
        passed = None if passed_features is None else (passed_features,)
        vectors = await self.aread(
            (entry,), passed, request_parameters, allow_missing=allow_missing, transform=transform
        )
        return to_return_type(self.schema(transform=transform), vectors, return_type, is_single=True)

    async def aget_feature_vectors(
        self,
        entries: Sequence[Entry],
        *,
        passed_features: Sequence[Entry] | None = None,
        request_parameters: Entry | Sequence[Entry] | None = None,
        allow_missing: bool = False,
        return_type: str = "list",
        transform: bool = True,
    ) -> Any:
        """Return one vector per entry without blocking the event loop; see `FeatureView.get_feature_vectors`."""
        vectors = await self.aread(
            entries, passed_features, request_parameters, allow_missing=allow_missing, transform=transform
        )
        return to_return_type(self.schema(transform=transform), vectors, return_type, is_single=False)

    def read(
        self,
        entries: Sequence[Entry],
        passed: Sequence[Entry] | None = None,
        request_parameters: Entry | Sequence[Entry] | None = None,
        *,
        allow_missing: bool = False,
        transform: bool = True,
    ) -> list[list[object]]:
        """Return one vector per entry as a list; the other arguments and the errors are those of `FeatureView`."""
        steps = self._steps(
            entries, passed, request_parameters, allow_missing=allow_missing, transform=transform
        )
        return finish(steps, self._online.read)

    async def aread(
        self,
        entries: Sequence[Entry],
        passed: Sequence[Entry] | None = None,
        request_parameters: Entry | Sequence[Entry] | None = None,
        *,
        allow_missing: bool = False,
        transform: bool = True,
    ) -> list[list[object]]:
        """Return one vector per entry as a list, without blocking the event loop; as `read` otherwise.

        The embedded store answers at once, in microseconds.
        """
        if not isinstance(self._online, AsyncOnlineStore):
            return self.read(
                entries, passed, request_parameters, allow_missing=allow_missing, transform=transform
            )
        steps = self._steps(
            entries, passed, request_parameters, allow_missing=allow_missing, transform=transform
        )
        return await afinish(steps, self._online.aread)

    def close(self) -> None:
        """Release the online store's files and connections; the reader can be used again afterwards."""
        self._online.close()

    def _way(self, entries: Sequence[Entry], passed: Sequence[Entry] | None) -> Direct | None:
        """Return the short way for these entries; None: there is none."""
        entry_names = _names(entries)
        passed_names = () if passed is None else _names(passed)
        if entry_names is None or passed_names is None or len(passed or entries) != len(entries):
            return None
        names = (entry_names, passed_names)
        if names not in self._ways and len(self._ways) < _MAX_WAYS:
            if not self._vectors.accepted.issuperset(entry_names):
                return None
            self._ways[names] = direct_way(self.plan, entry_names, passed_names)
        return self._ways.get(names)

    def _steps(
        self,
        entries: Sequence[Entry],
        passed: Sequence[Entry] | None,
        request_parameters: Entry | Sequence[Entry] | None,
        *,
        allow_missing: bool,
        transform: bool,
    ) -> Steps:
        """Yield what to look up, be sent the rows, and return the vectors: the short way, unless it ends."""
        vectors = None
        way = self._way(entries, passed) if request_parameters is None else None
        lookups = way.lookups(entries) if way is not None else None
        if way is not None and lookups is not None:
            rows = yield lookups
            vectors = way.vectors(entries, passed or [NOTHING] * len(entries), rows, self._now_us())
        if vectors is None:
            vectors = yield from self._vectors.steps(
                entries, passed, request_parameters, allow_missing=allow_missing, now_us=self._now_us()
            )
        return self._transformed(vectors) if transform else vectors

    def _now_us(self) -> int:
        return self._clock() if self._vectors.has_limits else 0

    def _transformed(self, vectors: list[list[object]]) -> list[list[object]]:
        if self._transformer is None:
            return vectors
        return [self._transformer.row(vector) for vector in vectors]


def _names(items: Sequence[Entry]) -> tuple[str, ...] | None:
    """Return the names that all of these dicts have, in the same order; None: they are no such thing."""
    if type(items) not in (list, tuple) or not items or type(items[0]) is not dict:
        return None
    names = tuple(items[0])
    if len(items) > 1 and not all(type(item) is dict and tuple(item) == names for item in items):
        return None
    return names


def _transformer(plan: ServingPlan) -> Transformer | None:
    """Return what transforms vectors; None: nothing does, and numpy need not be loaded."""
    if not plan.transformations:
        return None
    from hopyard.compute.transform.chain import Transformer

    return Transformer(plan.transformations, plan.fitted, plan.schema)
