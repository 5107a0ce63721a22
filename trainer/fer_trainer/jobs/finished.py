"""Use the network of a finished run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from fer_edge.shared.data.ferplus import EXPRESSIONS
from fer_edge.shared.errors import LabelError, ModelError
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.scores import Scores
from fer_trainer.backend import keras
from fer_trainer.data.reading import read_for_evaluation
from fer_trainer.recipe.files import load_recipe
from fer_trainer.report.files import write_judgement, write_report
from fer_trainer.report.heads import render_heads
from fer_trainer.report.judgement import judge
from fer_trainer.run import folder as run_folder
from fer_trainer.run.folder import RunFolder
from fer_trainer.run.metrics import read_metrics
from fer_trainer.training.loop import predict


def evaluate_run(
    run: Path, data: Path, *, pictures: Path | None = None, votes: Path | None = None
) -> Scores:
    """Measure a run's network on labelled face crops.

    Args:
        run: The folder of a finished run.
        data: Class folders, split folders (then test is used), a ZIP of either, or fer2013.csv
            (then what the run's recipe counts as test is used).
        pictures: A folder for confusion, reliability and contact sheets.
        votes: Whose majority is the truth, as a CSV file of FER+ votes, of a run with the labels of
            FER+; the data set's own labels are where not given, however the network was trained.

    Raises:
        ModelError: The run is unfinished or damaged.
        DataError: The data cannot be used.
        LabelError: Votes are given, and the run has other labels than those of FER+.
        OutputError: The pictures cannot be written.
    """
    contract, network = load_run(run)
    if votes and sorted(contract.labels) != sorted(EXPRESSIONS):
        raise LabelError(
            f"votes are given, and {run} answers {', '.join(contract.labels)}",
            expected="a run with the labels of FER+: " + ", ".join(EXPRESSIONS),
            fix="leave --votes out: DATA's own labels are the truth then",
        )
    settings = replace(
        load_recipe(str(run / run_folder.RECIPE)).data, votes=str(votes) if votes else ""
    )
    samples = read_for_evaluation(
        data,
        labels=contract.labels,
        spec=contract.input,
        settings=settings,
        vocabulary=contract.vocabulary,
    )
    judgement = judge(samples, predict(network, samples.pictures), contract, part="evaluation")
    if pictures is not None:
        write_judgement(judgement, pictures)
    return judgement.scores


def report_run(run: Path) -> Path:
    """Write a finished run's report anew, and each head's; the data set itself is not needed.

    Returns:
        The page's path.

    Raises:
        ModelError: The run is unfinished or damaged.
        OutputError: The report cannot be written.
    """
    if not RunFolder(run).heads():
        contract, network = load_run(run)
        return write_report(run, contract, network)
    recipe = load_recipe(str(run / run_folder.RECIPE))
    pages = {}
    for head in recipe.heads:
        folder = run / run_folder.HEADS / head.name
        contract, network = load_run(folder)
        write_report(folder, contract, network)
        pages[head.name] = contract, read_metrics(folder / run_folder.METRICS)
    RunFolder(run).write_text(run_folder.REPORT, render_heads(recipe.name, pages))
    return run / run_folder.REPORT


def load_run(run: Path) -> tuple[ModelContract, Any]:
    """Return a finished run's contract and network.

    Raises:
        ModelError: The run is unfinished or damaged.
    """
    RunFolder(run).check_whole()
    path = run / run_folder.CONTRACT
    contract = ModelContract.from_json(
        path.read_text(encoding="utf-8", errors="replace"), where=str(path)
    )
    return contract, load_network(run / run_folder.MODEL)


def load_network(model: Path) -> Any:
    """Return the network of a `.keras` file.

    Raises:
        ModelError: It is missing or damaged.
    """
    try:
        return keras.models.load_model(model, compile=False)
    except Exception as error:  # Keras raises whatever the file provokes
        raise ModelError(
            f"{model} cannot be loaded ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:160]})",
            expected="a Keras model as `fer-train fit` writes it",
            fix="copy the run again, or train again",
        ) from error
