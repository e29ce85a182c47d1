"""Transformations: fitted once on train, applied offline to columns and online to single values."""
