"""What a program imports as `hsfs`."""
