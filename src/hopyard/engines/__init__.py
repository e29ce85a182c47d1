"""Query engines: they run SQL trees over files and frames."""
