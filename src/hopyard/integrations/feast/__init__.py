"""A Feast repository, read without Feast and without running its code, as feature groups and feature views."""

from __future__ import annotations

from hopyard.integrations.feast.run import FeastImport, import_feast, plan_import

__all__ = ["FeastImport", "import_feast", "plan_import"]
