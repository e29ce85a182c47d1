"""What a program imports as `hsml.client`."""
