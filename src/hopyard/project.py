"""The user's project: the unit of tenancy."""

from __future__ import annotations

from hopyard.feature_store import FeatureStore
from hopyard.session import Session


class Project:
    """A project of a store. Made by `hopyard.login`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def name(self) -> str:
        """The project's name."""
        return self._session.project

    @property
    def location(self) -> str:
        """The store's folder."""
        return str(self._session.root)

    @property
    def session(self) -> Session:
        """What the project's objects work with: stores, engine, clock. For tools and tests."""
        return self._session

    def get_feature_store(self) -> FeatureStore:
        """Return the project's feature store."""
        return FeatureStore(self._session)

    def __repr__(self) -> str:
        return f"Project({self.name!r} at {self.location!r})"
