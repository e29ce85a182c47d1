"""The main job on real data: a year of flights from New York, from raw files to served predictions."""
