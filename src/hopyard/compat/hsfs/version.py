"""The version whose API the shim speaks."""

__version__ = "5.0.0"
