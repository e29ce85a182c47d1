"""What a program imports as `hsml.python`."""
