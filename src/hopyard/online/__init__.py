"""Serving: the newest row per key in an online store, and feature vectors from it.

`VectorReader` alone answers feature vectors, from an exported serving plan and an online store: a service imports
neither DuckDB, pandas, Delta Lake nor a registry with it (docs/how-to/serve.md). docs/reference/online-format.md has
the bytes.
"""

from __future__ import annotations

from hopyard.online.reader import VectorReader
from hopyard.online.serving_plan import ServingPlan

__all__ = ["ServingPlan", "VectorReader"]
