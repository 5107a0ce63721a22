"""Read `metrics.json` of a run again, and refuse one that is damaged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fer_edge.shared.errors import ModelError
from fer_edge.shared.strict_json import parse_json
from fer_edge.shared.typed_tables import from_table

_PLAIN: Final = "float32"
_POLICIES: Final = _PLAIN, "mixed_bfloat16", "mixed_float16"
_PARTS: Final = ("validation", "test", "test_without_train_copies")


@dataclass(frozen=True, slots=True)
class _Scores:
    """Of one part of the data."""

    n: int
    accuracy: float
    macro_recall: float
    recall: Mapping[str, float | None]
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]

    def check(self, part: str) -> None:
        """Refuse confusions that do not fit the labels."""
        rows = {len(self.labels), len(self.confusion), *map(len, self.confusion)}
        if len(rows) > 1 or any(not 0 <= n < 2**63 for row in self.confusion for n in row):
            raise ValueError(f"{part}: the confusions do not fit the labels")


@dataclass(frozen=True, slots=True)
class _Calibration:
    """How probabilities fit what is true."""

    ece: float
    nll: float
    bins: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class _Stages:
    """Before and after the temperature, and with the steps of an int8 output."""

    before: _Calibration
    after: _Calibration
    after_int8_steps: _Calibration


@dataclass(frozen=True, slots=True)
class _Temperature:
    """What was fitted, and what it changes."""

    temperature: float
    bins: int
    validation: _Stages
    test: _Stages | None = None


@dataclass(frozen=True, slots=True)
class _Data:
    """What the run was trained on."""

    counts: Mapping[str, Mapping[str, int]]
    unreadable: int
    other_labels: Mapping[str, int]
    left_out_of_train: int
    skipped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Metrics:
    """What is read of the file again; runs of earlier versions lack what has a default."""

    validation: _Scores
    test: _Scores | None = None
    test_without_train_copies: _Scores | None = None
    test_copies_of_train: int = 0
    training_seconds: float = 0.0
    delivered_epoch: int = 0
    calibration: _Temperature | None = None
    data: _Data | None = None

    def check(self) -> None:
        """Refuse what fits its type but nothing else."""
        for part in _PARTS:
            if (scores := getattr(self, part)) is not None:
                scores.check(part)
        if self.calibration and self.test and not self.calibration.test:
            raise ValueError("calibration lacks test")
        for part, counts in self.data.counts.items() if self.data else ():
            if lacking := set(self.validation.labels) - set(counts):
                raise ValueError(f"{part} lacks {', '.join(sorted(lacking))}")


def read_metrics(path: Path) -> dict[str, Any]:
    """Return what `metrics.json` says; runs of earlier versions may lack what is optional.

    Args:
        path: The file.

    Raises:
        ModelError: It is missing or damaged.
    """
    try:
        metrics = parse_json(path.read_bytes())
        from_table(_Metrics, metrics, later=True).check()
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    known = {name: value for name, value in metrics.items() if value is not None}
    return dict.fromkeys(_PARTS) | known


def trained_in(path: Path) -> str:
    """Return the dtype policy in which a run was trained, by its `metrics.json`.

    Runs of earlier versions do not say; float32 serves for each.

    Args:
        path: The file, of a run with one head or several.

    Raises:
        ModelError: It is missing or damaged.
    """
    try:
        policy = parse_json(path.read_bytes()).get("precision", _PLAIN)
    except (OSError, ValueError, AttributeError) as error:
        raise _unreadable(path, error) from error
    return policy if policy in _POLICIES else _PLAIN


def _unreadable(path: Path, error: Exception) -> ModelError:
    return ModelError(
        f"{path} cannot be read ({type(error).__name__}: {error})",
        expected="the file as `fer-train fit` writes it",
        fix="copy the run again, or train again",
    )
