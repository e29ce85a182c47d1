"""Pure functions over Arrow and NumPy: hashes, transformations, profiles. No store, no clock, no I/O."""
