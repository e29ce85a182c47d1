"""What a program imports as `hsml.sklearn`."""
