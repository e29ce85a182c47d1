"""What a program imports as `hsml`."""

from __future__ import annotations

from hopyard.compat.hsml.connection import Connection

# Importing the module of the same name has set the attribute; programs call it.
connection = Connection.connection
