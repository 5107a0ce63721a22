"""Is one run slower than another? A verdict with confidence intervals, from stored samples."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from fer_edge.commands.bench.intervals import CONFIDENCE, ratio_interval, statistic
from fer_edge.shared.errors import DataError, FerError, RegressionError
from fer_edge.shared.named_files import read_named
from fer_edge.shared.strict_json import parse_json

Verdict = Literal["regression", "improvement", "same", "unclear"]
_SEED: Final = 5
_FEWEST_BEYOND: Final = 10
"""Samples that must lie beyond a percentile on either side; fewer say too little of it."""
_MEMORY_SLACK_MB: Final = 4.0
_MUCH_WAITING: Final = 0.1
_LEAST: Final = 1e-6
_SHORTEST_MS: Final = 1e-4  # to which samples are rounded
_MOST: Final = 1e12
_SAME_MACHINE: Final = ("board", "cpu", "architecture", "usable_cores", "governor")
_WORTH_A_NOTE: Final = ("kernel", "libraries", "userland_bits")
_SAME_WORK: Final = ("source", "frames_per_second")


@dataclass(frozen=True, slots=True)
class Change:
    """One figure before and after.

    Attributes:
        name: Of the figure.
        before: In A; milliseconds, MiB or a share.
        after: In B.
        ratio: After by before.
        interval: Of the ratio; None where a figure has no samples.
        verdict: "same" where the whole interval lies within the tolerance, "unclear" where it
            reaches beyond without lying beyond, or where other programs may be the reason.
    """

    name: str
    before: float
    after: float
    ratio: float
    interval: tuple[float, float] | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison came to.

    Attributes:
        changes: By figure.
        tolerance: Relative change that is let pass.
        notes: What differs between the two runs besides.
    """

    changes: tuple[Change, ...]
    tolerance: float
    notes: tuple[str, ...]

    @property
    def regressions(self) -> list[str]:
        """Names of the figures that are worse."""
        return [change.name for change in self.changes if change.verdict == "regression"]

    @property
    def verdict(self) -> str:
        """One line for people."""
        if self.regressions:
            return f"REGRESSION: {', '.join(self.regressions)}"
        better = [change.name for change in self.changes if change.verdict == "improvement"]
        unclear = [change.name for change in self.changes if change.verdict == "unclear"]
        if better:
            return f"no regression; better: {', '.join(better)}"
        if unclear:
            return f"no regression shown; measure longer to be sure of: {', '.join(unclear)}"
        return f"no change beyond {self.tolerance:.0%}"

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as `--json` prints it."""
        return {
            "regression": bool(self.regressions),
            "verdict": self.verdict,
            "tolerance": self.tolerance,
            "confidence": CONFIDENCE,
            "changes": [
                asdict(change)
                | {
                    "ratio": round(change.ratio, 5),
                    "interval": change.interval and [round(end, 5) for end in change.interval],
                }
                for change in self.changes
            ],
            "notes": list(self.notes),
        }

    def require(self) -> None:
        """Do nothing where nothing is worse.

        Raises:
            RegressionError: Something is.
        """
        if self.regressions:
            raise RegressionError(
                f"{', '.join(self.regressions)} worse than before",
                expected=f"no change beyond {self.tolerance:.0%} in the whole interval",
                fix="measure again on a quiet machine; if it stays, find what changed",
            )


def _is_number(value: Any) -> bool:
    return type(value) in {int, float} and 0 <= value <= _MOST


def _may_divide(value: Any) -> bool:
    """Tell a number whose ratio to another one is a number."""
    return _is_number(value) and bool(value >= _LEAST)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_memory(value: Any) -> bool:
    return not value or (isinstance(value, dict) and _may_divide(value.get("rss_mb")))


def _are_samples(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(numbers, list) and all(_is_number(n) and n >= _SHORTEST_MS for n in numbers)
        for numbers in value.values()
    )


def _are_shares(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_number, value.values()))


def _is_accuracy(value: Any) -> bool:
    if not value:
        return True
    found = value.get("accuracy") if isinstance(value, dict) else None
    return _is_number(found) and (found == 0 or _may_divide(found))


# What the comparison relies on; a report may come from another version, or from anywhere.
_FIELDS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "machine": _is_object,
    "model": _is_object,
    "settings": _is_object,
    "memory": _is_memory,
    "samples": _are_samples,
    "waiting": _are_shares,
    "face_search": _is_object,
    "valid": lambda value: isinstance(value, bool),
    "invalid_because": lambda value: isinstance(value, list),
    "accuracy": _is_accuracy,
}
_MOST_BYTES: Final = 64 * 2**20
_WANTED: Final = {"schema", *_FIELDS} - {"waiting", "accuracy", "face_search"}


def read_report(path: Path) -> dict[str, Any]:
    """Read a report of `fer-edge bench`.

    Raises:
        DataError: It cannot be read or is none.
    """
    try:
        report = parse_json(read_named(path, most_bytes=_MOST_BYTES))
    except (OSError, ValueError) as error:
        raise _no_report(path, str(error)) from error
    if not isinstance(report, dict) or not report.keys() >= _WANTED:
        raise _no_report(path, "no such fields")
    if report["schema"] != 1:
        raise _no_report(path, f"schema {report['schema']!r}")
    for name, fits in _FIELDS.items():
        if name in report and not fits(report[name]):
            raise _no_report(path, f"{name!r} is not as it is written")
    return report


def compare_reports(
    before: Mapping[str, Any], after: Mapping[str, Any], *, tolerance: float, force: bool = False
) -> Comparison:
    """Compare two reports figure by figure.

    Median, 90th percentile and mean CPU time are compared by a circular block bootstrap of the
    stored samples, because neighbouring measurements resemble one another. The confidence of
    each interval is raised (Bonferroni) so that all of them together hold with 95 %. Where other
    programs had the processor for a share of the time, a change that may be theirs decides
    nothing. Memory and accuracy are single numbers and are compared as such.

    Args:
        before: The baseline.
        after: What is judged.
        tolerance: Relative change that is let pass.
        force: Compare also what should not be compared.

    Raises:
        FerError: The runs are of different machines, models or work, or one is not valid.
    """
    against = _objections(before, after)
    if against and not force:
        raise FerError(
            f"these two runs should not be compared: {'; '.join(against)}",
            expected="two valid runs of one model on one machine with the same work",
            fix="measure both alike, or add --force",
        )
    changes = [
        *_sampled_changes(before, after, tolerance),
        *_single_changes(before, after, tolerance),
    ]
    if not changes:
        raise FerError(
            "the two runs have no figure in common",
            expected="two whole runs",
            fix="measure both again with `fer-edge bench --out FOLDER`",
        )
    notes = [f"forced, though {text}" for text in against] + _differences(before, after)
    notes += _disturbances(before, after)
    return Comparison(tuple(changes), tolerance, tuple(notes))


def _same_model(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Tell whether two reports are of one model; those made earlier knew its network's hash."""
    shas = [model.get("sha256") for model in (before, after)]
    networks = [model.get("network_sha256", model.get("sha256")) for model in (before, after)]
    older = any("network_sha256" not in model for model in (before, after))
    return networks[0] == networks[1] if older else shas[0] == shas[1]


def _objections(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    found = [
        f"{name} is {before['machine'].get(name)!r} and {after['machine'].get(name)!r}"
        for name in _SAME_MACHINE
        if before["machine"].get(name) != after["machine"].get(name)
    ]
    if not _same_model(before["model"], after["model"]):
        shas = [str(report["model"].get("sha256"))[:12] for report in (before, after)]
        found.append(f"the model is {shas[0]}... and {shas[1]}...")
    kinds = [report.get("face_search", {"kind": "haar"}).get("kind") for report in (before, after)]
    if kinds[0] != kinds[1]:
        found.append(f"faces are found by {kinds[0]} and {kinds[1]}")
    found += [
        f"{name} is {before['settings'].get(name)!r} and {after['settings'].get(name)!r}"
        for name in _SAME_WORK
        if before["settings"].get(name) != after["settings"].get(name)
    ]
    for letter, report in (("A", before), ("B", after)):
        if not report["valid"]:
            found.append(
                f"{letter} is not valid ({'; '.join(map(str, report['invalid_because']))})"
            )
    return found


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    pairs = [(name, before["machine"], after["machine"]) for name in _WORTH_A_NOTE]
    pairs += [(name, before["settings"], after["settings"]) for name in ("pipeline", "threads")]
    return [
        f"{name} differs: {a.get(name)} and {b.get(name)}"
        for name, a, b in pairs
        if a.get(name) != b.get(name)
    ]


def _disturbances(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    shares = {
        letter: max(report.get("waiting", {}).values(), default=0.0)
        for letter, report in (("A", before), ("B", after))
    }
    return [
        f"{letter} was disturbed: other programs had the processor for up to {share:.0%} of the "
        "time; measure again on a quiet machine"
        for letter, share in shares.items()
        if share > _MUCH_WAITING
    ]


def _sampled_changes(
    before: Mapping[str, Any], after: Mapping[str, Any], tolerance: float
) -> list[Change]:
    one, other = before["samples"], after["samples"]
    tasks = [
        (name, percent)
        for name in one
        if name in other
        for percent in ((None,) if name.endswith(" cpu") else (50, 90))
        if _are_enough(min(len(one[name]), len(other[name])), percent)
    ]
    rng = np.random.default_rng(_SEED)
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(tasks))
    changes = []
    for name, percent in tasks:
        a, b = (np.asarray(samples[name], np.float64) for samples in (one, other))
        interval = ratio_interval(a, b, percent, confidence=confidence, rng=rng)
        waiting = max(report.get("waiting", {}).get(name, 0.0) for report in (before, after))
        a_value, b_value = float(statistic(a, percent)), float(statistic(b, percent))
        label = f"{name} ms, mean" if percent is None else f"{name} ms, p{percent}"
        verdict = _judge(interval, tolerance, allowance=_allowance(percent, waiting))
        changes.append(Change(label, a_value, b_value, b_value / a_value, interval, verdict))
    return changes


def _are_enough(n: int, percent: int | None) -> bool:
    share = 0.5 if percent is None else 1 - percent / 100
    return round(n * share, 6) >= _FEWEST_BEYOND


def _allowance(percent: int | None, waiting: float) -> float:
    """Return the change of a figure that other programs may have made.

    Waiting for a processor lengthens wall times by it on average, and a tail by any amount. It
    is not in the CPU time, but caches and cores shared with others are: of fourteen runs of the
    same work, waiting for 0 to 73 %, the extremes were 1.27 apart.
    """
    if percent is None:
        return 1 + waiting / 2
    if percent > 50 and waiting > _MUCH_WAITING:
        return float("inf")
    return 1 / max(1e-3, 1 - waiting)


def _judge(interval: tuple[float, float], tolerance: float, *, allowance: float) -> Verdict:
    low, high = interval
    limit = 1 + tolerance
    beyond = limit * allowance
    if low > beyond:
        return "regression"
    if high < 1 / beyond:
        return "improvement"
    return "same" if low >= 1 / limit and high <= limit else "unclear"


def _single_changes(
    before: Mapping[str, Any], after: Mapping[str, Any], tolerance: float
) -> list[Change]:
    changes = []
    if before["memory"] and after["memory"]:
        a, b = before["memory"]["rss_mb"], after["memory"]["rss_mb"]
        worse = b > a * (1 + tolerance) and b > a + _MEMORY_SLACK_MB
        changes.append(Change("memory MiB", a, b, b / a, None, "regression" if worse else "same"))
    measured = [report.get("accuracy") or {} for report in (before, after)]
    first, second = ([found.get("data"), found.get("n")] for found in measured)
    same_data = first == second
    if same_data and all(found.get("source") == "measured" for found in measured):
        a, b = (found["accuracy"] for found in measured)
        # The same pictures through the same network: any loss is a change, not chance.
        changes.append(
            Change("accuracy", a, b, b / a if a else 1.0, None, "regression" if b < a else "same")
        )
    return changes


def _no_report(path: Path, found: str) -> DataError:
    return DataError(
        f"{path} is no benchmark report ({found})",
        expected="the JSON that `fer-edge bench` writes",
        fix="name bench.json of `fer-edge bench --out FOLDER`",
    )
