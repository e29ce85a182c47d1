"""Errors of the platform's client, where programs import them from."""
