"""The files that a documented system promises beside what every run leaves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from fer_edge.shared.data.samples import Samples
from fer_edge.shared.errors import FerError
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.model.priors import prior_shift
from fer_trainer.data.balanced import balanced
from fer_trainer.data.splitting import SplitData
from fer_trainer.jobs.wording import balanced as weighed
from fer_trainer.jobs.wording import say, to_prediction
from fer_trainer.network.hdf5 import write_weights
from fer_trainer.recipe.consistency import output_files
from fer_trainer.recipe.files import load_recipe
from fer_trainer.recipe.settings import Recipe
from fer_trainer.report.plots import draw_confusion, draw_curve, draw_predictions
from fer_trainer.run import folder as run_folder
from fer_trainer.run.folder import RunFolder
from fer_trainer.run.history import read_history
from fer_trainer.scores.calibration import temper_answers
from fer_trainer.scores.evaluation import score
from fer_trainer.training.best_epoch import EpochSelection
from fer_trainer.training.loop import predict

SAMPLE_PREDICTIONS: Final = 15


def forget_documented(run: RunFolder) -> None:
    """Remove the documented files of the run that was in the folder, as its recipe names them."""
    try:
        before = load_recipe(str(run.path / run_folder.RECIPE))
    except FerError:
        return  # no run, or one of another version: nothing is known to be a run's file
    for name in output_files(before.outputs).values():
        (run.path / name).unlink(missing_ok=True)


def write_documented(
    run: RunFolder,
    recipe: Recipe,
    network: Any,
    split: SplitData,
    *,
    callbacks: Sequence[Any],
    contract: ModelContract,
) -> None:
    """Write the documented files that are not written while the network trains.

    Args:
        run: Its `history.csv` is there.
        recipe: Names the files.
        network: Trained, with the weights that are delivered.
        split: The test part is shown, or validation where there is none.
        callbacks: As `selection_callbacks` returned them.
        contract: Of the network.

    Raises:
        OutputError: A file cannot be written.
    """
    names = recipe.outputs
    if names.best_weights:
        selection = next(c for c in callbacks if isinstance(c, EpochSelection))
        write_weights(network, run.path / names.best_weights, selection.best_weights)
    for measure, name in (("loss", names.loss_curve), ("accuracy", names.accuracy_curve)):
        if name:
            draw_curve(read_history(run.path / run_folder.HISTORY), measure, run.path / name)
    part, samples = ("validation", split.val) if split.test is None else ("test", split.test)
    if names.confusion_matrix:
        path = run.path / names.confusion_matrix
        _draw_confusion(network, recipe, samples, part=part, path=path)
    if names.sample_predictions:
        title = f"{recipe.name}: sample predictions ({part})"
        chosen = balanced(samples, at_most=SAMPLE_PREDICTIONS, seed=recipe.data.seed)
        draw_predictions(
            list(chosen.pictures),
            _captions(network, recipe, chosen, contract),
            title=title,
            path=run.path / names.sample_predictions,
        )


def delivered_epoch(callbacks: Sequence[Any], *, last: int) -> int:
    """Return the epoch whose weights a run delivers, counted from 1.

    Args:
        callbacks: As `selection_callbacks` returned them; training has ended.
        last: The last epoch that was trained.
    """
    for callback in callbacks:
        if isinstance(callback, EpochSelection) and callback.delivers_best:
            return callback.best_epoch
    return last


def _draw_confusion(
    network: Any, recipe: Recipe, samples: Samples, *, part: str, path: Path
) -> None:
    scores = score(
        predict(network, samples.pictures),
        samples.labels,
        recipe.label_names,
        threshold=recipe.binary_threshold() or 0.5,
    )
    title = f"{recipe.name}: {part}, accuracy {scores.accuracy:.1%}"
    draw_confusion(scores.confusion, recipe.words, title=title, path=path)


def _captions(network: Any, recipe: Recipe, samples: Samples, contract: ModelContract) -> list[str]:
    threshold = contract.threshold if contract.task == "binary" else None
    shift = prior_shift(contract, balance=contract.balance)
    answers = temper_answers(predict(network, samples.pictures), contract.output.temperature)
    said = [to_prediction(each, recipe.label_names, threshold=threshold) for each in answers]
    return [
        f"{say(weighed(each, shift) or each, recipe.words)}\ntrue: {recipe.words[label]}"
        for each, label in zip(said, samples.labels, strict=True)
    ]
