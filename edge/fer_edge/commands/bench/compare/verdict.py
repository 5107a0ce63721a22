"""What a comparison of two runs came to."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from fer_edge.commands.bench.intervals import CONFIDENCE
from fer_edge.shared.errors import RegressionError

Verdict = Literal["regression", "improvement", "same", "unclear"]


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
