"""The whole job of `fer-train fit`: from a recipe and data to a finished run folder."""

from __future__ import annotations

import contextlib
import logging
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from fer_edge.shared.errors import FerError, SettingsError
from fer_edge.shared.installing import pip_install
from fer_edge.shared.model.contract import ModelContract, OutputSpec
from fer_edge.shared.model.words import as_line, as_name
from fer_trainer.data.balanced import balanced
from fer_trainer.data.splitting import SplitData
from fer_trainer.jobs.beginning import begin_from
from fer_trainer.jobs.documented import delivered_epoch, forget_documented, write_documented
from fer_trainer.jobs.heads import deliver_heads
from fer_trainer.jobs.prolonging import check_prolongable
from fer_trainer.jobs.resuming import (
    check_same_data,
    check_same_recipe,
    finished_metrics,
    split_record,
)
from fer_trainer.jobs.teachers import (
    check_same_teachers,
    check_teachers,
    load_teaching,
    stored_answers,
    taught_by,
    teacher_names,
)
from fer_trainer.recipe.files import dump_recipe, load_recipe
from fer_trainer.recipe.settings import Recipe
from fer_trainer.report.files import write_report
from fer_trainer.run import folder as run_folder
from fer_trainer.run.folder import RunFolder, explained, replace_file
from fer_trainer.run.provenance import git_revision, versions
from fer_trainer.training.best_epoch import selection_callbacks
from fer_trainer.training.checkpoint import Checkpoint
from fer_trainer.training.distribution import Devices, join_devices
from fer_trainer.training.loop import RunFiles, new_network, train
from fer_trainer.training.measurement import Measured, measure

REPRESENTATIVE_PICTURES: Final = 2000
_TENSORBOARD: Final = "'fer-trainer[tensorboard]'"
_FROM_THE_START: Final = "no epoch done yet: from the start"

_log = logging.getLogger(__name__)


def fit(  # noqa: PLR0913 - the whole of a run, and who watches it
    recipe: Recipe,
    split: SplitData,
    run: RunFolder,
    *,
    tell: Callable[[str], None],
    resume: bool = False,
    finish: bool = False,
    longer: bool = False,
    callbacks: Sequence[Any] = (),
) -> dict[str, Any]:
    """Train as a recipe says and leave a whole run behind.

    Args:
        recipe: What to do.
        split: As `data.splitting.load_data` returns it.
        run: The folder to fill; what an earlier run left in it is replaced.
        tell: Takes a line of progress.
        resume: Go on where the run in the folder stands; a finished one is left as it is.
        finish: When resuming, train no further: deliver what the checkpoint holds.
        longer: When resuming, the recipe may have another number of epochs than the run was begun
            with; a finished run that has a checkpoint goes on to it.
        callbacks: Keras callbacks of the caller's own, to watch the training: they get every
            epoch's loss, accuracy, val_loss and val_accuracy, and must change nothing.

    Returns:
        What `metrics.json` holds.

    Raises:
        FerError: The folder or the network cannot be used, or training diverged.
    """
    check_teachers(recipe, content_sha256=split.origin.content_sha256, validation=split.val.names)
    devices = join_devices()
    if devices.process.count > 1 and resume:
        raise SettingsError(
            f"--resume on {devices.process.count} processes",
            expected="one process, with as many devices as it likes",
            fix="resume on one machine, or train again with --force",
        )
    if resume:
        check_same_recipe(run, recipe, longer=longer)
        check_same_data(run, split)
        finished = finished_metrics(run)
        longer = longer and _is_prolonged(run, recipe, split, finished=finished is not None)
        if longer:
            _reopen(run, recipe)
        elif finished is not None:
            # Each head's figures tell of the training that all have in common.
            check_same_teachers(
                run, recipe, next(iter(finished.get("heads", {"": finished}).values()))
            )
            tell(f"{run.path} is finished: nothing to resume")
            if not (run.path / run_folder.REPORT).is_file():
                tell(f"its report is missing: `fer-train report {run.path}` writes it")
            return finished
    if devices.process.index:
        # Process 0 writes the run; what this one would write is the same, and thrown away.
        with tempfile.TemporaryDirectory() as scratch:
            return _fit(
                recipe,
                split,
                RunFolder(Path(scratch)),
                devices=devices,
                tell=tell,
                further=callbacks,
            )
    if not resume:
        return _fit(recipe, split, run, devices=devices, tell=tell, further=callbacks)
    begun = _checkpoint(run)
    if finish and begun is None:
        raise SettingsError(
            f"--finish, and {run.path} has no epoch done",
            expected="a run with a checkpoint",
            fix="go on with --resume",
        )
    if begun is not None:
        check_same_teachers(run, recipe, begun.surroundings)
        begun = replace(begun, stopped=finish or begun.stopped)
    return _fit(
        recipe, split, run, devices=devices, tell=tell, resume=True, begun=begun, further=callbacks
    )


def _is_prolonged(run: RunFolder, recipe: Recipe, split: SplitData, *, finished: bool) -> bool:
    """Refuse epochs that a run cannot have; say whether it has to train on for them."""
    path = run.path / run_folder.RECIPE
    if not path.is_file():
        return False
    before = load_recipe(str(path))
    if before.training.epochs == recipe.training.epochs:
        return False
    begun = _checkpoint(run)
    if begun is None:
        if finished:
            raise SettingsError(
                f"--epochs {recipe.training.epochs} for a finished run of "
                f"{before.training.epochs} that has no checkpoint",
                expected=str(run.path / run_folder.CHECKPOINTS / run_folder.LAST),
                fix="copy it again, or begin another run with --init-from this one",
            )
        return False
    check_prolongable(before, recipe, done=begun.epoch, pictures=len(split.train))
    return recipe.training.epochs > begun.epoch


def _reopen(run: RunFolder, recipe: Recipe) -> None:
    """Make a run that is to be longer an unfinished one; refuse what cannot go on before that."""
    begun = _checkpoint(run)
    if begun is None:
        return
    check_same_teachers(run, recipe, begun.surroundings)
    if begun.stopped:
        # What has ended by its patience goes on, also where this process is killed at once.
        replace(begun, stopped=False).write(run.path / run_folder.CHECKPOINTS / run_folder.LAST)
    run.reopen()


def _checkpoint(run: RunFolder) -> Checkpoint | None:
    path = run.path / run_folder.CHECKPOINTS / run_folder.LAST
    return Checkpoint.read(path) if path.is_file() else None


def _fit(  # noqa: PLR0913 - as above
    recipe: Recipe,
    split: SplitData,
    run: RunFolder,
    *,
    devices: Devices,
    tell: Callable[[str], None],
    resume: bool = False,
    begun: Checkpoint | None = None,
    further: Sequence[Any],
) -> dict[str, Any]:
    network = new_network(recipe)
    source = begin_from(network, recipe, split)
    with _explained(run):
        if resume:
            run.tidy()
        else:
            forget_documented(run)
            run.prepare()
        _write_beginning(run, recipe, split, network)
        sizes = (f"{part} {len(samples):,}" for part, samples in split.parts().items())
        tell(f"{split.origin.name}: " + ", ".join(sizes))
        if not devices.process.index:
            board = shlex.quote(str(run.path / run_folder.TENSORBOARD))
            lacks = "" if find_spec("tensorboard") else f" (after {pip_install(_TENSORBOARD)})"
            tell(f"to watch: tensorboard --logdir {board}{lacks}")
        if resume:
            tell(f"going on after epoch {begun.epoch}" if begun else _FROM_THE_START)
        elif source:
            new = ", ".join(source["heads_new"])
            names = " beside ".join(each["run"] for each in (source, *source.get("beside", ())))
            tell(f"begun with the weights of {names}" + (f"; new: {new}" if new else ""))
        return _train_and_deliver(
            network,
            recipe,
            split,
            run,
            devices=devices,
            tell=tell,
            begun=begun,
            source=source,
            further=further,
        )


def _train_and_deliver(  # noqa: PLR0913 - the whole of a run
    network: Any,
    recipe: Recipe,
    split: SplitData,
    run: RunFolder,
    *,
    devices: Devices,
    tell: Callable[[str], None],
    begun: Checkpoint | None,
    source: Mapping[str, Any] | None,
    further: Sequence[Any],
) -> dict[str, Any]:
    revision = git_revision()
    files = RunFiles(
        run.path / run_folder.HISTORY, run.path / run_folder.CHECKPOINTS / run_folder.LAST
    )
    callbacks = selection_callbacks(
        recipe, network, run=run.path, checkpoints=run.path / run_folder.CHECKPOINTS
    )
    done = train(
        network, recipe, split.train, split.val,
        files=files, tell=tell, begun=begun, callbacks=callbacks, further=further, devices=devices,
        teach=partial(load_teaching, recipe),
        unlabelled=split.unlabelled, answers=stored_answers(recipe), taught_by=taught_by(recipe),
    )  # fmt: skip
    trained = {
        "epochs": done.epochs,
        "delivered_epoch": delivered_epoch(callbacks, last=done.epochs),
        "training_seconds": round(done.seconds, 1),
        **done.surroundings,
        "devices": devices.devices,
    }
    origins = {
        "git_revision": revision,
        **({"init_from": dict(source)} if source else {}),
        **({"unlabelled": split.unlabelled.to_json()} if split.unlabelled else {}),
    }
    promise = partial(_contract, origins=origins)
    if recipe.heads:
        return deliver_heads(
            network, recipe, split, run,
            trained=trained, promise=promise, write_samples=_write_samples,
        )  # fmt: skip
    measured = measure(network, recipe, split)
    metrics = {**measured.metrics, **trained}
    contract = promise(recipe, split, measured, metrics)
    write_documented(run, recipe, network, split, callbacks=callbacks, contract=contract)
    replace_file(run.path / run_folder.MODEL, network.save)
    run.write_text(run_folder.CONTRACT, contract.to_json())
    run.write_json(run_folder.METRICS, metrics)
    write_report(run.path, contract, network, answers=measured.answers)
    return metrics


@contextlib.contextmanager
def _explained(run: RunFolder) -> Iterator[None]:
    """Say what is kept where a run is cut short, and that a file could not be written."""
    try:
        yield
    except KeyboardInterrupt:
        _log.warning(
            "%s is unfinished; kept: recipe, split, history of the epochs done, last checkpoint; "
            "go on with --resume",
            run.path,
        )
        raise
    except FerError:
        raise
    except OSError as error:
        # From a writer that is not ours: Keras, h5py, matplotlib.
        with explained(Path(error.filename or run.path)):
            raise


def _write_beginning(run: RunFolder, recipe: Recipe, split: SplitData, network: Any) -> None:
    """Write what is known before training: recipe, split, network, samples for the converter."""
    run.write_text(run_folder.RECIPE, dump_recipe(recipe))
    # The name tells people which data it was, and the hashes tell other runs what this one has
    # learnt from; to be resumed, a run asks for the rest alone.
    record = {"data": split.origin.name, **split_record(split), "learnt": split.learnt()}
    run.write_json(run_folder.SPLIT, record)
    run.write_text(run_folder.ARCHITECTURE, network.to_json(indent=2) + "\n")
    if not recipe.heads:  # whose pictures go into their own folders
        _write_samples(run, recipe, split)


def _write_samples(run: RunFolder, recipe: Recipe, split: SplitData) -> None:
    """Write the pictures to calibrate, to choose and to judge by."""
    representative = balanced(split.train, at_most=REPRESENTATIVE_PICTURES, seed=recipe.data.seed)
    run.write_samples("representative", representative)
    run.write_samples("validation", split.val)
    run.write_samples("heldout", split.val if split.test is None else split.test)


def _contract(
    recipe: Recipe,
    split: SplitData,
    measured: Measured,
    metrics: dict[str, Any],
    *,
    origins: Mapping[str, Any],
) -> ModelContract:
    binary = recipe.binary_threshold() is not None
    return ModelContract(
        name=as_name(recipe.name),
        labels=recipe.label_names,
        input=recipe.input_spec,
        output=OutputSpec(
            kind="sigmoid" if binary else "softmax", temperature=measured.temperature
        ),
        task="binary" if binary else "multiclass",
        threshold=measured.threshold,
        least_probability=measured.least_probability,
        class_shares=measured.class_shares,
        balance=measured.balance,
        merged=recipe.labels.merged,
        dropped=recipe.labels.dropped,
        licence=recipe.card.licence,
        intended_use=as_line(recipe.card.intended_use),
        limits=as_line(recipe.card.limits),
        provenance={
            "recipe": recipe.name,
            "recipe_source": recipe.source,
            "data": {
                "name": split.origin.name,
                "content_sha256": split.origin.content_sha256,
                "unreadable": len(split.origin.unreadable),
                "doubted": len(split.doubted),
                "votes": asdict(split.origin)["votes"],
            },
            "split": {
                "seed": split.seed,
                **{part: len(samples) for part, samples in split.parts().items()},
            },
            "float_metrics": {
                part: {key: metrics[part][key] for key in ("n", "accuracy", "macro_recall")}
                for part in ("validation", "test", "test_without_train_copies")
                if metrics[part] is not None
            },
            **({"blend": metrics["blend"]} if "blend" in metrics else {}),
            "epochs": metrics["epochs"],
            "training_seed": recipe.training.seed,
            "teachers": teacher_names(recipe),
            "versions": versions(),
            **origins,
        },
    )
