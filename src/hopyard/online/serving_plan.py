"""The serving plan: everything that answering a feature vector needs, decided once, as frozen data."""

from __future__ import annotations

from hopyard.model.codec import Frozen
from hopyard.model.manifest import FittedStatistics
from hopyard.model.schema import Field, Schema
from hopyard.model.specs import TransformationSpec
from hopyard.ports import OnlineTable

SERVING_FORMAT = 1


class ServingKey(Frozen, frozen=True, kw_only=True):
    """Where a key value comes from: the entry under `name` or `alias`, else `column` of the parent's row."""

    name: str
    alias: str
    column: str


class ServingNode(Frozen, frozen=True, kw_only=True):
    """A group that is read online. `reads` are the features that are decoded, in order."""

    node: int
    group: str
    table: OnlineTable
    keys: tuple[ServingKey, ...]
    parent: int
    reads: tuple[str, ...]
    age_limit_us: int | None = None


class ServingOutput(Frozen, frozen=True, kw_only=True):
    """A place in the vector: its name, and the node and feature that fill it."""

    name: str
    node: int
    feature: str
    type: str


class ServingFunction(Frozen, frozen=True, kw_only=True):
    """A user's function that computes on-demand features of a node.

    `takes` are its arguments; those in `stored` are features of the node, the others request parameters.
    """

    node: int
    prefix: str
    transformation: TransformationSpec
    takes: Schema
    stored: tuple[str, ...]

    def names(self, argument: str) -> tuple[str, ...]:
        """Return what an argument may be called in a request: with the prefix of its join first."""
        return tuple(dict.fromkeys((self.prefix + argument, argument)))


class ServingPlan(Frozen, frozen=True, kw_only=True):
    """How to answer a view's vectors. `root` is None when the root is not online: its features are passed.

    `online` is the URL of the online store, without a password.
    """

    format_version: int = SERVING_FORMAT
    view: str
    outputs: tuple[ServingOutput, ...]
    nodes: tuple[ServingNode, ...]
    root: ServingNode | None
    root_fields: Schema
    on_demand: tuple[ServingFunction, ...] = ()
    transformations: tuple[TransformationSpec, ...] = ()
    fitted: tuple[FittedStatistics, ...] = ()
    online: str = ""

    @property
    def all_nodes(self) -> tuple[ServingNode, ...]:
        """The root, if it is online, and the others."""
        return self.nodes if self.root is None else (self.root, *self.nodes)

    @property
    def all_transformations(self) -> tuple[TransformationSpec, ...]:
        """Those of on-demand features, and the others."""
        return (*(function.transformation for function in self.on_demand), *self.transformations)

    @property
    def schema(self) -> Schema:
        """The places of a vector before transformation."""
        return tuple(Field(name=out.name, type=out.type) for out in self.outputs)
