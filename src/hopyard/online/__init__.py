"""Online stores: the newest row per key, for feature vectors (docs/reference/online-format.md has the bytes)."""
