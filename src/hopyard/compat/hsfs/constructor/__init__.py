"""Queries, joins and filters."""
