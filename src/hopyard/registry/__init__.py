"""Names, versions and documents, and the locks of a store."""
