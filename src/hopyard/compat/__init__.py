"""Programs written for the Hopsworks Python API, run on Hopyard without a cluster.

    python -m hopyard.compat run script.py|notebook.ipynb [arguments]
    python -m hopyard.compat check PATH

or, in a program of one's own, before its other imports:

    import hopyard.compat
    hopyard.compat.install()

The packages below carry the public layout of the original ones: `hopyard.compat.hsfs.feature` is what a program imports
as `hsfs.feature` or `hopsworks.hsfs.feature`. They hold names and the original's habits; the work is done by Hopyard's
public API.
"""

from __future__ import annotations

from hopyard.compat.finder import install

__all__ = ["install"]
