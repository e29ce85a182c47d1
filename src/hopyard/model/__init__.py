"""Frozen data: what Hopyard stores and passes around. No I/O, no heavy imports."""
