"""The names under which programs catch errors; here all of them are Hopyard's own errors."""

from __future__ import annotations

from hopyard.errors import HopyardError

RestAPIError = HopyardError
"""Programs catch it around calls that ask a cluster, to see whether something exists."""
UnknownSecretStorageError = HopyardError
FeatureStoreException = HopyardError
GenericException = HopyardError
JobException = HopyardError
ProjectException = HopyardError
DatasetException = HopyardError
ModelRegistryException = HopyardError
ModelServingException = HopyardError
EnvironmentException = HopyardError
KafkaException = HopyardError
OpenSearchException = HopyardError
GitException = HopyardError
ExternalClientError = HopyardError
VectorDatabaseException = HopyardError

__all__ = [
    "DatasetException",
    "EnvironmentException",
    "ExternalClientError",
    "FeatureStoreException",
    "GenericException",
    "GitException",
    "JobException",
    "KafkaException",
    "ModelRegistryException",
    "ModelServingException",
    "OpenSearchException",
    "ProjectException",
    "RestAPIError",
    "UnknownSecretStorageError",
    "VectorDatabaseException",
]
