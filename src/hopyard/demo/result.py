"""The figures of a run of the demo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hopyard.demo.judge import Judged
from hopyard.demo.prove import Parity
from hopyard.demo.report import Step
from hopyard.demo.train import Trained


@dataclass(frozen=True, slots=True)
class DemoResult:
    """All figures of a run.

    Attributes:
        folder: the store that is left behind.
        trained: the model, its AUC on the test split, that of the baseline, and the features that matter most.
        judged: how good the predictions were that were made online, for flights with weather and without.
        n_served: vectors taken online.
        n_mature: flights that were in the air when the training dataset was made, and whose label came later.
        lookup_p50_us, lookup_p99_us: the time of get_feature_vector, in microseconds.
        parity: how the served vectors compare with the offline rows.
        verification: what the training dataset says about itself: same, different or cannot tell.
        rebuilt_verification: what it says after it was deleted and made again.
        hashes, rebuilt_hashes: SHA-256 by split, after transformation: as made, and as made again after deletion.
        steps: what took how long.
    """

    folder: Path
    trained: Trained
    judged: tuple[Judged, ...]
    n_served: int
    n_mature: int
    lookup_p50_us: float
    lookup_p99_us: float
    parity: Parity
    verification: str
    rebuilt_verification: str
    hashes: dict[str, str]
    rebuilt_hashes: dict[str, str]
    steps: tuple[Step, ...]

    @property
    def is_proven(self) -> bool:
        """Whether online equals offline, and the training dataset is what it was."""
        is_verified = self.verification == self.rebuilt_verification == "same"
        is_same = is_verified and self.hashes == self.rebuilt_hashes
        return is_same and self.n_served > 0 and self.parity.n_different == 0
