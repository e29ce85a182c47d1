"""What a program imports as `hsml.tensorflow`."""
