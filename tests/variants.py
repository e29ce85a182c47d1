"""Ways to run the same query that must give the same answer: properties and rules run over all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hopyard.engines.duckdb import DuckDBEngine
from hopyard.feature_store import FeatureStore
from hopyard.session import Session


class NoAsofEngine(DuckDBEngine):
    """DuckDB without its ASOF join: what is generated for engines that have none, such as Spark, really runs."""

    capabilities = replace(DuckDBEngine.capabilities, has_asof_join=False)


def one_statement(session: Session) -> Session:
    return replace(session, config=replace(session.config, late_features="never"))


def late_features(session: Session) -> Session:
    return replace(session, config=replace(session.config, late_features="always"))


def without_asof(session: Session) -> Session:
    return replace(one_statement(session), engine=NoAsofEngine(n_threads=1))


def one_thread(session: Session) -> Session:
    return replace(late_features(session), engine=DuckDBEngine(n_threads=1))


VARIANTS: dict[str, Callable[[Session], Session]] = {
    "one_statement": one_statement,
    "late_features": late_features,
    "without_asof": without_asof,
    "one_thread": one_thread,
}


def in_variant(fs: FeatureStore, name: str) -> FeatureStore:
    """Return the feature store with a session that runs queries in another way."""
    return FeatureStore(VARIANTS[name](fs._session))
