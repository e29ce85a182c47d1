"""Calls of a feature store that a folder cannot answer."""

from __future__ import annotations

from typing import Any, NoReturn

from hopyard.compat.absent_feature_store import ABSENT
from hopyard.compat.errors import CompatError


def refuse(name: str) -> NoReturn:
    """Raise the CompatError of a call in the table."""
    raise CompatError(name, ABSENT[name])


class AbsentOfStore:
    """External groups, connectors, sharing."""

    def create_external_feature_group(self, name: str, *_: Any, **__: Any) -> Any:
        """Raise CompatError: rows are read into a group of the store."""
        refuse("FeatureStore.create_external_feature_group")

    def get_or_create_external_feature_group(self, name: str, *_: Any, **__: Any) -> Any:
        """Raise CompatError: rows are read into a group of the store."""
        refuse("FeatureStore.get_or_create_external_feature_group")

    def get_external_feature_group(self, name: str, version: int | None = None) -> Any:
        """Raise CompatError: there are no external groups."""
        refuse("FeatureStore.get_external_feature_group")

    def get_external_feature_groups(self, name: str | None = None) -> list[Any]:
        """Return an empty list: there are no external groups."""
        return []

    def create_on_demand_feature_group(self, name: str, *_: Any, **__: Any) -> Any:
        """Raise CompatError: rows are read into a group of the store."""
        refuse("FeatureStore.create_on_demand_feature_group")

    def get_on_demand_feature_group(self, name: str, version: int | None = None) -> Any:
        """Raise CompatError: there are no external groups."""
        refuse("FeatureStore.get_on_demand_feature_group")

    def get_on_demand_feature_groups(self, name: str | None = None) -> list[Any]:
        """Return an empty list: there are no external groups."""
        return []

    def get_storage_connector(self, name: str, connector_type: str | None = None) -> Any:
        """Raise CompatError: there are no connectors."""
        refuse("FeatureStore.get_storage_connector")

    def get_storage_connectors(self) -> list[Any]:
        """Return an empty list: there are no connectors."""
        return []

    def get_online_storage_connector(self) -> Any:
        """Raise CompatError: the online store is not reached by JDBC."""
        refuse("FeatureStore.get_online_storage_connector")

    def get_data_source(self, name: str) -> Any:
        """Raise CompatError: there are no connectors."""
        refuse("FeatureStore.get_data_source")

    def create_data_source(self, connector: Any) -> Any:
        """Raise CompatError: there are no connectors."""
        refuse("FeatureStore.create_data_source")

    def create_expectation(self, name: str, *_: Any, **__: Any) -> Any:
        """Raise CompatError: 2021's rules have no service any more."""
        refuse("FeatureStore.create_expectation")

    def share(self, target_project: Any, *_: Any, **__: Any) -> Any:
        """Raise CompatError: a folder is shared by the file system."""
        refuse("FeatureStore.share")

    def unshare(self, target_project: Any, *_: Any, **__: Any) -> Any:
        """Raise CompatError: a folder is shared by the file system."""
        refuse("FeatureStore.unshare")

    @property
    def shared_with(self) -> list[Any]:
        """An empty list: nothing is shared."""
        return []

    def _refuse_absent(self, call: str, **given: Any) -> None:
        """Raise CompatError for arguments whose effect would be missed."""
        for argument, value in given.items():
            if value is not None:
                refuse(f"FeatureStore.{call}({argument}=)")
