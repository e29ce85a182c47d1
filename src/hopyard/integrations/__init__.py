"""Other feature stores and schedulers, read or driven from here."""
