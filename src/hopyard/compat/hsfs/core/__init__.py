"""Objects that calls return: jobs, provenance."""
