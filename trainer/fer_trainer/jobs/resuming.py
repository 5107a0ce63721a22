"""Go on with a run that was cut short, and refuse to go on with another one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from fer_edge.shared.errors import DataError, OutputError, SettingsError
from fer_edge.shared.strict_json import parse_json
from fer_edge.shared.typed_tables import flatten
from fer_edge.shared.whole_files import WRITING
from fer_edge.shared.written_values import as_written
from fer_trainer.data.splitting import SplitData
from fer_trainer.recipe.files import CARD, load_recipe
from fer_trainer.recipe.settings import Recipe
from fer_trainer.run import folder as run_folder
from fer_trainer.run.folder import RunFolder
from fer_trainer.run.lock import is_lock
from fer_trainer.run.metrics import read_metrics

_PARTS: Final = ("train", "val", "test")
_DECIDING: Final = ("content_sha256", "seed", *_PARTS, "left_out", "doubted", "heads")


def check_same_recipe(run: RunFolder, recipe: Recipe, *, longer: bool = False) -> None:
    """Refuse to resume a run of another recipe; an empty folder is a run not begun yet.

    The words of the card may have changed: the run delivers them as they are now.

    Args:
        run: Its folder.
        recipe: As it is now.
        longer: Whether the number of epochs may be another.

    Raises:
        OutputError: The folder holds something that is no run.
        SettingsError: The run was begun with other settings; the first of them are named.
    """
    path = run.path / run_folder.RECIPE
    if not path.is_file():
        if run.path.is_dir() and all(_is_rest(entry) for entry in run.path.iterdir()):
            return
        run.check_free(force=False)
        return
    before, now = (flatten(asdict(r)) for r in (load_recipe(str(path)), recipe))
    # What the model says of itself decides nothing of the training.
    keys = sorted({*before, *now} - CARD)
    changed = [key for key in keys if before.get(key) != now.get(key)]
    if longer and changed == ["training.epochs"]:
        return
    if changed:
        shown = ", ".join(
            f"{key} is {_short(now.get(key))} and was {_short(before.get(key))}"
            for key in changed[:3]
        )
        raise SettingsError(
            f"{run.path} was begun with another recipe: {shown}"
            + (f", and {len(changed) - 3} more" if len(changed) > 3 else ""),
            expected="the same settings as before",
            fix=f"resume with {path}, or choose another --out",
        )


def check_same_data(run: RunFolder, split: SplitData) -> None:
    """Refuse to resume a run on other data.

    Raises:
        DataError: The pictures or their split differ.
    """
    path = run.path / run_folder.SPLIT
    if not path.is_file():
        return
    try:
        before = dict(parse_json(path.read_bytes()))
        sizes_before = {part: len(before.get(part, ())) for part in _PARTS}
        decided = _deciding(before)
    except (ValueError, TypeError, AttributeError) as error:
        raise OutputError(
            f"{path} is damaged ({error})",
            expected="what `fer-train fit` wrote",
            fix="train again with --force instead of --resume",
        ) from error
    now = json.loads(json.dumps(split_record(split)))
    changed = [key for key, value in _deciding(now).items() if value != decided[key]]
    if changed:
        pictures = {"content_sha256", "unlabelled"}.intersection(changed)
        what = "other pictures" if pictures else "another split"
        sizes = ", ".join(
            f"{part} {len(now.get(part, ())):,} and was {size:,}"
            for part, size in sizes_before.items()
            if part in changed
        )
        raise DataError(
            f"{run.path} was begun on {what} ({sizes or 'other: ' + ', '.join(changed)})",
            expected="the data set as it was",
            fix="give the same data, or choose another --out",
        )


def _deciding(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of `split.json` decides the training: not, say, a note beside the pictures."""
    return {
        **{key: record.get(key) for key in _DECIDING},
        "votes": (record.get("votes") or {}).get("sha256"),
        "unlabelled": (record.get("unlabelled") or {}).get("content_sha256"),
    }


def split_record(split: SplitData) -> dict[str, Any]:
    """Return what `split.json` holds: the split and the hash of the pictures it is of."""
    return {"content_sha256": split.origin.content_sha256, **split.to_json()}


def finished_metrics(run: RunFolder) -> dict[str, Any] | None:
    """Return `metrics.json` of a run that needs no resuming; None where it is unfinished.

    Raises:
        ModelError: It is damaged.
    """
    if not run.is_whole():
        return None
    if not (heads := run.heads()):
        return read_metrics(run.path / run_folder.METRICS)
    return {
        "heads": {name: read_metrics(folder / run_folder.METRICS) for name, folder in heads.items()}
    }


def _is_rest(entry: Path) -> bool:
    """Say whether a killed process may have left this before it wrote the recipe."""
    names = {run_folder.SAMPLES, run_folder.CHECKPOINTS}
    return (
        (entry.is_dir() and entry.name in names) or entry.name.startswith(WRITING) or is_lock(entry)
    )


def _short(value: Any) -> str:
    text = as_written(value)
    return text if len(text) <= 60 else text[:57] + "..."
