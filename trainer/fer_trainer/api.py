"""A training in one call: what `import fer_trainer` offers, and what the command line calls."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from fer_edge.shared.errors import SettingsError
from fer_trainer.data.loading import load_data, settle_labels
from fer_trainer.jobs.resuming import check_same_recipe
from fer_trainer.recipe.files import load_recipe
from fer_trainer.run.folder import RunFolder
from fer_trainer.run.lock import in_use
from fer_trainer.training.processes import this_process


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run.

    Attributes:
        path: Its folder, which `fer_convert.convert` takes; report.html is in it.
        metrics: What metrics.json says; with several heads, by `"heads"` and their names.
    """

    path: Path
    metrics: Mapping[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return "\n".join([str(self.path), *(_line(*each) for each in _parts(self.metrics))])


def fit(  # noqa: PLR0913 - every option of the command line
    recipe: str | PathLike[str],
    data: str | PathLike[str],
    *,
    out: str | PathLike[str],
    settings: Mapping[str, Any] | Iterable[str] = (),
    epochs: int | None = None,
    init_from: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
    resume: bool = False,
    finish: bool = False,
    force: bool = False,
    callbacks: Sequence[Any] = (),
    tell: Callable[[str], None] | None = print,
) -> Run:
    """Train as a recipe says, and leave what `fer-train fit` leaves.

    Args:
        recipe: Name of a shipped recipe, or a TOML file.
        data: Folder of class folders, or of train/val/test folders, a .zip or .tar.gz of either,
            or fer2013.csv.
        out: Run folder to fill.
        settings: Of the recipe, by dotted key, as in `{"optimiser.learning_rate": 0.002}`; or
            `KEY=VALUE` as --set takes them.
        epochs: Instead of the recipe's own; with resume, a run goes on for as many where its
            schedule allows it, and a finished one that was begun with them is left as it is.
        init_from: A finished run, or a model file, to begin with the weights of; or several model
            files, whose layers stand side by side in a network as wide as all together.
        resume: Go on with the unfinished run in the folder; a finished one is left as it is.
        finish: Train it no further: deliver what it has.
        force: Replace the run that is in the folder.
        callbacks: Keras callbacks of your own, to watch the training; they must change nothing.
        tell: Takes each line of progress; None keeps them back.

    Returns:
        The finished run; of several processes that train together, the first writes its folder.

    Raises:
        FerError: Recipe, data or folder cannot be used, or training diverged; the message says why.
    """
    if force + resume + finish > 1:
        raise SettingsError(
            "more than one of force, resume and finish",
            expected="force, which replaces a run; resume, which goes on with it; or finish",
            fix="give one of them",
        )
    say = tell or _keep_silent
    overrides = [*_overrides(settings)]
    if epochs is not None:
        overrides.append(f"training.epochs={epochs}")
    begin, *beside = [init_from] if isinstance(init_from, (str, PathLike)) else [*init_from] or [""]
    if begin:
        overrides.append(f"training.init_from={json.dumps(fspath(begin))}")
    if beside:
        overrides.append(f"training.init_beside={json.dumps([fspath(each) for each in beside])}")
    # What can be wrong with settings, folder and data shows before Keras is loaded.
    chosen = settle_labels(load_recipe(fspath(recipe), overrides=overrides), Path(data))
    folder = RunFolder(Path(out))
    longer = resume and epochs is not None
    process = this_process()
    # Process 0 alone writes the run.
    with in_use(folder.path) if process.index == 0 else nullcontext():
        if resume or finish:
            check_same_recipe(folder, chosen, longer=longer)
        elif process.index == 0:
            folder.check_free(force=force)
        say(f"reading {fspath(data)}")
        split = load_data(chosen, Path(data))
        from fer_trainer.jobs.fit import fit as fit_recipe  # noqa: PLC0415 - it loads Keras

        metrics = fit_recipe(
            chosen, split, folder,
            tell=say, resume=resume or finish, finish=finish, longer=longer, callbacks=callbacks,
        )  # fmt: skip
    if process.index:
        say(f"process {process.index} of {process.count} has done its share of {folder.path}")
    return Run(folder.path, metrics)


def _keep_silent(_line: str) -> None:
    pass


def _overrides(settings: Mapping[str, Any] | Iterable[str]) -> Iterable[str]:
    """Return settings as --set takes them: values in TOML."""
    if not isinstance(settings, Mapping):
        return (settings,) if isinstance(settings, str) else settings
    return [f"{key}={_in_toml(key, value)}" for key, value in settings.items()]


def _in_toml(key: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_in_toml(key, each) for each in value)}]"
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(str(name))} = {_in_toml(key, each)}" for name, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, PathLike):
        value = fspath(value)
    if isinstance(value, str | bool | int | float):
        return json.dumps(value)  # which TOML reads alike
    raise SettingsError(
        f"settings: {key} is {type(value).__name__}",
        expected="a string, a number, True or False, or a list or dict of them",
        fix="correct its value",
    )


def _parts(metrics: Mapping[str, Any]) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
    for head, figures in metrics.get("heads", {"": metrics}).items():
        for part in ("validation", "test"):
            if figures[part] is not None:
                yield head, part, figures[part]


def _line(head: str, part: str, scores: Mapping[str, Any]) -> str:
    return (
        f"{f'{head} {part}'.strip()}: accuracy {scores['accuracy']:.1%}, "
        f"macro recall {scores['macro_recall']:.1%}, {scores['n']:,} pictures"
    )
