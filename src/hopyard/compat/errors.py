"""What the shim says to a call that Hopyard has nothing for."""

from __future__ import annotations

from hopyard.compat.absent import Absent
from hopyard.errors import HopyardError


class CompatError(HopyardError):
    """A call of the Hopsworks API that cannot work here; names the nearest thing that Hopyard has, and its page.

    Attributes:
        name: the call, such as `FeatureGroup.find_neighbors`.
        nearest: what to use in its place.
        page: the page of the documentation, below docs/.
    """

    def __init__(self, name: str, absent: Absent) -> None:
        self.name = name
        self.nearest = absent.nearest
        self.page = absent.page
        super().__init__(f"{name} is not available on Hopyard. {absent.nearest} See docs/{absent.page}.")
