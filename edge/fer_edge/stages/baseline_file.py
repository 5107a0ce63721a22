"""A baseline as a file: two numbers a label, and nothing by which anybody could be known."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Final

from fer_edge.shared.errors import OutputError, SettingsError
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.named_files import read_named
from fer_edge.shared.strict_json import parse_json
from fer_edge.shared.typed_tables import from_table
from fer_edge.shared.whole_files import check_free, make_folder, replace_file
from fer_edge.stages.baseline import Baseline

SCHEMA: Final = 1
_MOST_BYTES: Final = 64 * 1024
_FIX: Final = "make a new one with `fer-edge calibrate`"


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write a baseline, whole or not at all; its folder is made.

    Raises:
        OutputError: It cannot be written.
    """
    told = {"schema": SCHEMA, **dataclasses.asdict(baseline)}
    make_folder(Path(os.path.realpath(path)).parent)
    replace_file(path, json.dumps(told, indent=2) + "\n")


def check_place(path: Path) -> None:
    """Find out whether a baseline can be written there, before a person sits still for it.

    Raises:
        OutputError: It cannot, or the file that is there is no baseline.
    """
    check_free([path], force=True)
    try:
        if path.exists() and path.stat().st_size:
            _parse(path)
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{path} is there, and is no baseline",
            expected="the name of a file that is to be made, or that `fer-edge calibrate` wrote",
            fix="name another one, or remove it",
        ) from error


def read_baseline(path: Path, contract: ModelContract) -> Baseline:
    """Read a baseline.

    Args:
        path: Of the file.
        contract: Of the model that is to use it.

    Raises:
        SettingsError: It cannot be read, is none, or is of another model.
    """
    try:
        found = _parse(path)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(
            f"{path} cannot be used as a baseline ({why})",
            expected="a file that `fer-edge calibrate` wrote",
            fix=_FIX,
        ) from error
    if found.labels != contract.labels or found.network_sha256 != contract.flatbuffer_sha256:
        raise SettingsError(
            f"{path} was calibrated with another model (network {found.network_sha256[:12]})",
            expected=f"one of {contract.name} (network {contract.flatbuffer_sha256[:12]})",
            fix=_FIX,
        )
    return found


def _parse(path: Path) -> Baseline:
    told = parse_json(read_named(path, most_bytes=_MOST_BYTES))
    schema = told.pop("schema", None) if isinstance(told, dict) else None
    if schema != SCHEMA:
        raise ValueError(f"schema {schema!r}")
    found = from_table(Baseline, told)
    _check_numbers(found)
    return found


def _check_numbers(baseline: Baseline) -> None:
    count = len(baseline.labels)
    fit = (
        len(baseline.log_probabilities) == len(baseline.spread) == count
        and all(-100 <= value <= 0 for value in baseline.log_probabilities)
        and all(0 <= value <= 100 for value in baseline.spread)
        and baseline.seconds >= 0
    )
    if not fit:
        raise ValueError("numbers that no calibration gives")
