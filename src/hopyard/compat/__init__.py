"""Programs written for the Hopsworks Python API, run on Hopyard without a cluster.

    python -m hopyard.compat run script.py|notebook.ipynb [arguments]
    python -m hopyard.compat check PATH

The packages below carry the public layout of the original ones: `hopyard.compat.hsfs.feature` is what a program imports
as `hsfs.feature` or `hopsworks.hsfs.feature`. They hold names and the original's habits; the work is done by Hopyard's
public API.
"""
