"""Read `metrics.json` of a run again, and refuse one that is damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from fer_edge.shared.errors import ModelError
from fer_edge.shared.strict_json import parse_json
from fer_trainer.scores.evaluation import scores_from_json

_PARTS: Final = ("validation", "test", "test_without_train_copies")

_NUMBER: Final = (int, float)
_SCORES: Final = {
    "n": int,
    "accuracy": _NUMBER,
    "macro_recall": _NUMBER,
    "recall": {"*": (int, float, type(None))},
    "labels": [str],
    "confusion": [[int]],
}
_CALIBRATION: Final = {
    stage: {"ece": _NUMBER, "nll": _NUMBER, "bins": [[_NUMBER]]}
    for stage in ("before", "after", "after_int8_steps")
}
_OF_EVERY_RUN: Final = {"validation": _SCORES}
_SINCE_THEN: Final = {
    "test_copies_of_train": int,
    "training_seconds": _NUMBER,
    "delivered_epoch": int,
    "calibration": {"temperature": _NUMBER, "bins": int, "validation": _CALIBRATION},
    "data": {
        "counts": {"*": {"*": int}},
        "unreadable": int,
        "other_labels": {"*": int},
        "left_out_of_train": int,
    },
}


def read_metrics(path: Path) -> dict[str, Any]:
    """Return what `metrics.json` says; runs of earlier versions may lack what is optional.

    Args:
        path: The file.

    Raises:
        ModelError: It is missing or damaged.
    """
    try:
        metrics = parse_json(path.read_bytes())
        _check(metrics, _OF_EVERY_RUN, "the file")
        for part in _PARTS:
            if metrics.get(part) is not None:
                _check(metrics[part], _SCORES, part)
                _check_fit(metrics[part], part)
        for name, kind in _SINCE_THEN.items():
            if name in metrics:
                _check(metrics[name], kind, name)
        if "calibration" in metrics and metrics.get("test") is not None:
            _check(metrics["calibration"], {"test": _CALIBRATION}, "calibration")
        if "data" in metrics:
            for part, counts in metrics["data"]["counts"].items():
                _check(counts, dict.fromkeys(metrics["validation"]["labels"], int), part)
    except (OSError, ValueError, TypeError, OverflowError) as error:
        raise ModelError(
            f"{path} cannot be read ({type(error).__name__}: {error})",
            expected="the file as `fer-train fit` writes it",
            fix="copy the run again, or train again",
        ) from error
    return dict.fromkeys(_PARTS) | dict(metrics)


def _check(value: Any, kind: Any, where: str) -> None:
    """Compare a value with what it should be: a type, types, [of each], {name: of its value}."""
    container = type(kind) if isinstance(kind, (dict, list)) else kind
    if not isinstance(value, container) or isinstance(value, bool):
        raise TypeError(f"{where} is {type(value).__name__}")
    if isinstance(kind, list):
        for each in value:
            _check(each, kind[0], where)
    elif isinstance(kind, dict):
        for name, inner in kind.items():
            if name != "*" and name not in value:
                raise ValueError(f"{where} lacks {name}")
            for found in value if name == "*" else (name,):
                _check(value[found], inner, f"{where}: {found}")


def _check_fit(figures: dict[str, Any], part: str) -> None:
    scores = scores_from_json(figures)
    if scores.confusion.shape != (len(scores.labels),) * 2 or (scores.confusion < 0).any():
        raise ValueError(f"{part}: the confusions do not fit the labels")
