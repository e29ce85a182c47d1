"""What a program imports as `hsml.torch`."""
