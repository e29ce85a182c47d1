"""Workloads that measure Hopyard beside a limit or a peer, in the same run. See bench/README.md."""
