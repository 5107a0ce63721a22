"""From settings to what a network's answers are weighed by."""

import logging
import os
import re
from functools import cache, partial
from pathlib import Path
from typing import Final

from fer_edge.models.choice import ServedModel
from fer_edge.pipeline.pipeline import Pipeline
from fer_edge.settings import BaselineSettings, ExpressionSettings, Settings
from fer_edge.settings.names import place_baseline_path
from fer_edge.shared.errors import OutputError, SettingsError
from fer_edge.shared.labels import find_label
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.model.priors import prior_shift
from fer_edge.stages.baseline import NEUTRAL, Baseline, BaselineStage, Mode, Weighing
from fer_edge.stages.baseline_file import read_baseline, write_baseline
from fer_edge.stages.clocks import Clock, by_capture

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST_NAMED: Final = 8

_log = logging.getLogger(__name__)


def balance_of(settings: ExpressionSettings, contract: ModelContract) -> float:
    """Return how far answers are freed of the shares in training: 0 of a binary model."""
    if contract.task == "binary":
        return 0.0
    return contract.balance if settings.balance < 0 else settings.balance


def make_weighing(settings: Settings, contract: ModelContract) -> Weighing:
    """Make what weighs a model's answers.

    Raises:
        SettingsError: `expression.prior` does not fit the model.
    """
    expression = settings.expression
    shift = prior_shift(
        contract, balance=balance_of(expression, contract), prior=expression.prior.known()
    )
    return Weighing(contract, shift, strength=settings.baseline.strength)


def mode_of(settings: BaselineSettings) -> Mode:
    """Return what answers are relative to; a participant that is named wins over what is learnt.

    Raises:
        SettingsError: The settings contradict each other.
    """
    named = bool(settings.file or settings.participant)
    if settings.mode == "none":
        return "none"
    if settings.mode == "place":
        if named:
            raise _misfit(
                "baseline.mode is place, and a participant is named",
                "one of the two",
                "set baseline.mode = participant, or leave baseline.file out",
            )
        return "place"
    if settings.file and settings.participant:
        raise _misfit(
            "baseline.file and baseline.participant are both set",
            "one of the two",
            "leave one of them out",
        )
    if settings.participant and not settings.participants:
        raise _misfit(
            f"baseline.participant = {settings.participant!r}, and no folder of participants",
            "baseline.participants, the folder that NAME.json lies in",
            "set it as --participants FOLDER",
        )
    if settings.mode == "participant" and not named:
        raise _misfit(
            "baseline.mode is participant, and no participant is named",
            "baseline.file, or baseline.participants and baseline.participant",
            "make a file with `fer-edge calibrate --out me.json`, and set baseline.file = me.json",
        )
    return "participant" if named else "track"


def participant_file(settings: BaselineSettings, name: str = "") -> Path:
    """Return where a participant's baseline lies: the file that is named, or one in the folder.

    Args:
        settings: Section `baseline`.
        name: Of another participant in the folder.

    Raises:
        SettingsError: It is no name.
    """
    if settings.file and not name:
        return Path(settings.file)
    name = name or settings.participant
    if not _NAME.fullmatch(name):
        raise _misfit(
            f"{name[:80]!r} is no participant's name",
            "up to 64 letters, digits, dashes and underscores",
            "correct it",
        )
    return Path(settings.participants) / f"{name}.json"


def read_participant(
    settings: BaselineSettings, contract: ModelContract, name: str = ""
) -> Baseline:
    """Read a participant's baseline, by the name given: nobody is recognised.

    Raises:
        SettingsError: There is none, or it is of another model.
    """
    path = participant_file(settings, name)
    # Not Path.exists, which raises where a folder cannot be entered.
    if not settings.file and not os.path.exists(path):  # noqa: PTH110
        there = _participants(Path(settings.participants))
        more = ", ..." if len(there) > _MOST_NAMED else ""
        known = ", ".join(there[:_MOST_NAMED]) + more or "none"
        raise _misfit(
            f"no participant {path.stem!r} in {settings.participants}",
            f"one that has been calibrated ({known})",
            "calibrate: `fer-edge calibrate --participants FOLDER --participant NAME`",
        )
    return read_baseline(path, contract)


def _participants(folder: Path) -> list[str]:
    try:
        return sorted(other.stem for other in folder.glob("*.json"))
    except OSError:
        return []


def make_corrector(
    settings: Settings, contract: ModelContract, clock: Clock, *, follows: bool
) -> BaselineStage | None:
    """Make what weighs the answers; None of single pictures where nothing would be changed.

    Args:
        settings: Sections `expression` and `baseline`; `daemon.name` tells places apart.
        contract: Of the model.
        clock: Tells the time of a frame.
        follows: Whether faces are followed: of single pictures nothing can be learnt.

    Raises:
        SettingsError: A file cannot be used, or settings do not fit one another or the model.
    """
    weighing = make_weighing(settings, contract)
    mode = mode_of(settings.baseline)
    if mode in {"track", "place"} and not follows:
        mode = "none"
    if mode in {"track", "place"} and weighing.neutral is None:
        # Only who asked for it by name is warned: track is what the settings say by default.
        _tell_no_neutral(contract.labels, logging.WARNING if mode == "place" else logging.INFO)
    if mode == "none" and not weighing.shifts and not follows:
        return None
    if mode == "participant":
        try:
            known = read_participant(settings.baseline, contract)
        except SettingsError as error:
            if not isinstance(settings.model, ServedModel):
                raise
            # Another model may serve than the one that was calibrated; it never stops for that.
            _log.error("faces are read without the participant's baseline: %s", error)
            return BaselineStage(clock, contract, weighing, mode="track" if follows else "none")
        return BaselineStage(clock, contract, weighing, mode=mode, known=known)
    if mode == "place":
        path = place_baseline_path(settings)
        return BaselineStage(
            clock,
            contract,
            weighing,
            mode=mode,
            known=_known_place(path, contract),
            keep=partial(_keep_place, path),
        )
    return BaselineStage(clock, contract, weighing, mode=mode)


def participant_corrector(
    settings: Settings, contract: ModelContract, baseline: Baseline, clock: Clock = by_capture
) -> BaselineStage:
    """Make what weighs the answers relative to a participant's baseline that is at hand.

    Raises:
        SettingsError: `expression.prior` does not fit the model.
    """
    weighing = make_weighing(settings, contract)
    return BaselineStage(clock, contract, weighing, mode="participant", known=baseline)


def use_participant(pipeline: Pipeline, settings: Settings, baseline: Baseline) -> None:
    """Let a pipeline answer relative to a participant's baseline from now on.

    Raises:
        SettingsError: `expression.prior` does not fit the model.
    """
    if isinstance(pipeline.corrector, BaselineStage):
        pipeline.corrector.use(baseline)
    else:
        pipeline.corrector = participant_corrector(settings, pipeline.contract, baseline)


def why_no_calibration(settings: Settings, contract: ModelContract) -> str:
    """Return why faces cannot be calibrated; "" where they can."""
    if settings.tracker.mode != "follow":
        return "calibration needs faces that are followed, and tracker.mode is each"
    if find_label(contract.labels, NEUTRAL) is None:  # calm is one, too
        return "the model has no label neutral to calibrate"
    return ""


@cache
def _tell_no_neutral(labels: tuple[str, ...], level: int) -> None:
    """Say, once in a process, why answers are relative to nothing."""
    _log.log(
        level,
        "answers are relative to no baseline: none of the model's labels (%s) is neutral",
        ", ".join(labels),
    )


def _known_place(path: Path, contract: ModelContract) -> Baseline | None:
    if not os.path.exists(path):  # noqa: PTH110 - as above
        return None
    try:
        return read_baseline(path, contract)
    except SettingsError as error:
        _log.warning("the place's baseline is learnt anew: %s", error.found)
        return None


def _keep_place(path: Path, baseline: Baseline) -> None:
    try:
        write_baseline(path, baseline)
    except OutputError as error:
        _log.warning("the place's baseline is not kept: %s", error.found)


def _misfit(found: str, expected: str, fix: str) -> SettingsError:
    return SettingsError(found, expected=expected, fix=fix)
