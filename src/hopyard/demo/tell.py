"""What the figures of the demo mean, in words."""

from __future__ import annotations

import shlex

from hopyard.demo.prove import Parity
from hopyard.demo.report import Report
from hopyard.demo.result import DemoResult
from hopyard.demo.serve import Served
from hopyard.demo.train import Trained

GOOD, BAD = "green", "bold red"
N_DIFFERENCES_SHOWN = 10


def tell_trained(trained: Trained, report: Report) -> None:
    """Say how good the model is, and whether the joined features help."""
    gain = trained.auc - trained.baseline_auc
    auc = f"AUC {trained.auc:.4f} with the joined features, {trained.baseline_auc:.4f} without"
    if gain > 0:
        report.say(f"{auc}: they are worth {gain:+.4f}", style=GOOD)
    else:
        report.say(f"{auc}: THEY DO NOT BEAT THE BASELINE ({gain:+.4f})", style=BAD)
    report.say("what the model needs most (loss of AUC when shuffled):")
    for name, loss in trained.importances:
        report.say(f"    {name:<26} {loss:.4f}")


def tell_served(served: Served, report: Report) -> None:
    """Say what was served, and how fast."""
    arrived = f"{served.n_rows_inserted:,} rows came in {served.n_commits} commits"
    report.say(f"{len(served.vectors):,} vectors served, while {arrived}")
    report.say(
        f"get_feature_vector: p50 {served.lookup_us(50):.0f} us, p99 {served.lookup_us(99):.0f} us "
        f"(four groups, transformations included)"
    )


def tell_parity(parity: Parity, n_features: int, report: Report) -> None:
    """Say whether online equals offline; the first differences if not."""
    compared = f"{parity.n_vectors:,} vectors of {n_features} features, before and after transformation"
    if parity.n_different == 0:
        report.say(f"{compared}: served online = computed offline, bit for bit", style=GOOD)
        return
    report.say(f"{compared}: {parity.n_different:,} DIFFER FROM WHAT IS COMPUTED OFFLINE", style=BAD)
    for difference in parity.differences[:N_DIFFERENCES_SHOWN]:
        report.say(f"    {difference}", style=BAD)
    n_more = len(parity.differences) - N_DIFFERENCES_SHOWN
    if n_more > 0:
        report.say(f"    and {n_more:,} more", style=BAD)


def tell_time_travel(result: DemoResult, report: Report) -> None:
    """Say whether the training dataset is what it was, with its hashes."""
    report.say(f"{result.n_mature:,} flights that were in the air when it was made have their label now")
    for part in result.judged:
        aucs = f"AUC {part.auc:.4f}, of the baseline {part.baseline_auc:.4f}"
        report.say(f"{part.n_flights:,} online predictions {part.what}: {aucs}")
    _tell_status(result.verification, report)
    _tell_hashes(result.hashes, report)
    report.say("deleted, and rebuilt from the feature groups as they were then:")
    _tell_status(result.rebuilt_verification, report)
    _tell_hashes(result.rebuilt_hashes, report)
    if result.rebuilt_hashes == result.hashes:
        report.say("rebuilt to the same hashes", style=GOOD)
    else:
        report.say("REBUILT TO OTHER HASHES", style=BAD)


def _tell_status(status: str, report: Report) -> None:
    report.say(f"td.verify() says: {status}", style=GOOD if status == "same" else BAD)


def _tell_hashes(hashes: dict[str, str], report: Report) -> None:
    for split, sha256 in hashes.items():
        report.say(f"{split:<6} sha256 {sha256}")


def tell_next(result: DemoResult, report: Report) -> None:
    """Say what to try with the store that is left."""
    hopyard = f"hopyard --url {shlex.quote(str(result.folder))}"
    report.chapter(f"The store stays in {result.folder}. What to try next:")
    for command in (
        "ls",
        "show late_flights",
        "commits weather",
        "head carrier_delays -n 3",
        'sql "SELECT count(*), max(scheduled_departure) FROM flights" --as-of "2013-12-30 18:00"',
        "vector late_flights origin=JFK carrier=B6 tailnum=N593JB dest=BOS --allow-missing",
        "verify",
    ):
        report.say(f"{hopyard} {command}")
    report.say(
        "Commit times are those of the replay. By now the weather is past its time to live, so it reads null."
    )
    report.say("The code of all this, to be read from the top: hopyard/demo/run.py")
