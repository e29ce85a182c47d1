"""Errors that programs catch by these names."""

from __future__ import annotations

from hopyard.errors import HopyardError


class RestAPIError(HopyardError):
    """Something that a server would have refused: what exists already, or does not exist."""


class FeatureStoreException(HopyardError):  # noqa: N818  # the original's name
    """A call that the feature store cannot answer."""


class DataValidationException(FeatureStoreException):
    """Rows that an expectation suite refuses."""


class VectorDatabaseException(FeatureStoreException):
    """A call to the vector database; there is none."""


class TransformationFunctionException(FeatureStoreException):
    """A transformation function that cannot be used."""


class UnknownSecretStorageError(HopyardError):
    """A secret that cannot be found."""


class ExternalClientError(TypeError):
    """An argument that a client outside a cluster would need."""


class PythonEngineException(FeatureStoreException):
    """A call that only another engine answers."""
