"""What a program imports as `hops`."""
