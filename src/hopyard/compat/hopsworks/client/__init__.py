"""What a program imports as `hopsworks.client`."""
