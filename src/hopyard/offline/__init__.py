"""Offline stores: versioned tables of rows."""
