"""A conversion in one call: what `import fer_convert` offers, and what the command line calls."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any, Final

from fer_convert.conversion import RANGE_PERCENTILE, REPORT_NAME, Conversion, Plan
from fer_convert.conversion import convert as convert_run
from fer_convert.cost.emulation import emulate, find_emulator
from fer_convert.file.onnx_file import FILE_NAME, require_onnx
from fer_convert.judgement.gate import check_gate
from fer_convert.judgement.rival import compare_with, open_rival, say_rival
from fer_convert.microcontroller.c_array import FILE_NAMES, source_files
from fer_convert.report.page import PAGE_NAME, render_page
from fer_convert.report.text import format_report
from fer_convert.rescue.rescuing import rescue as try_rescue
from fer_convert.rescue.rescuing import with_rescue
from fer_convert.source.representative import DEFAULT_PICTURES, MIN_PICTURES
from fer_convert.source.run import open_run
from fer_convert.targets import ONNX, Target
from fer_edge.shared.errors import SettingsError
from fer_edge.shared.terminal.progress import ProgressLine
from fer_edge.shared.whole_files import check_free, make_folder, replace_files

_C_ARRAY: Final = "c_array"


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """A conversion whose files are on the disk; printed, it is the command's table.

    Attributes:
        files: Path by what it holds: `"int8"` or another target, `"c_array"` (the header),
            `"report"` (report.json) and `"page"` (report.html).
        written: Every path, in the order of the command's last lines.
        report: What report.json says.
        conversion: All of it; what it holds may change with any version.
    """

    files: Mapping[str, Path]
    written: tuple[Path, ...]
    report: Mapping[str, Any] = field(repr=False)
    conversion: Conversion = field(repr=False)

    def __str__(self) -> str:
        return "\n".join([format_report(self.conversion), *say_rival(self.report.get("against"))])

    @property
    def passed(self) -> bool:
        """Whether every file has passed the gate, and float32 itself is no worse than chance."""
        passed = all(verdict.passed for verdict in self.conversion.verdicts.values())
        return passed and not self.conversion.poor

    def check(self, *, accept_unmeasured: bool = False, accept_poor: bool = False) -> None:
        """Raise the error with which the command ends where the gate is not passed.

        Args:
            accept_unmeasured: Let pass what could not be measured.
            accept_poor: Let pass what is as poor as float32, but no poorer.

        Raises:
            GateError: A file has not passed.
        """
        check_gate(
            self.conversion.verdicts,
            poor=self.conversion.poor,
            accept_unmeasured=accept_unmeasured,
            accept_poor=accept_poor,
        )


def convert(  # noqa: PLR0913 - every option of the command line
    run: str | PathLike[str],
    targets: str | Iterable[str] = "int8",
    *,
    out: str | PathLike[str],
    head: str | None = None,
    architecture: str | PathLike[str] | None = None,
    contract: str | PathLike[str] | None = None,
    labels: Sequence[str] = (),
    pixels: str | None = None,
    data: str | PathLike[str] | None = None,
    calibration_count: int = DEFAULT_PICTURES,
    range_percentile: float = RANGE_PERCENTILE,
    compare_count: int | None = None,
    seed: int = 0,
    rescue: bool = False,
    against: str | PathLike[str] | None = None,
    c_array: bool = False,
    force: bool = False,
    progress: bool = False,
) -> Converted:
    """Convert a trained network, measure what that changed, and write what `fer-convert` writes.

    TensorFlow runs in a process of its own. What does not pass the gate is written all the same:
    look at `passed`, or call `check`.

    Args:
        run: Run folder of `fer_trainer.fit`, or another program's .keras, .h5 or SavedModel.
        targets: One or several of "int8", "float32", "float16", "dynamic", "int16x8", "onnx".
        out: Folder for the files.
        head: Which answer of a run whose network has several heads.
        architecture: The network's JSON, where `run` is an .h5 file of weights.
        contract: Instead of the contract.json beside the file.
        labels: Where there is no contract: in the order of the network's output.
        pixels: What the network takes, where it does not rescale raw pixels itself: "0..1",
            "-1..1", "0..255", or "MEAN/STD" in grey levels.
        data: Labelled face crops to calibrate on (class folders, or a .zip of them) instead of
            the run's own.
        calibration_count: Pictures to calibrate on; at least 300.
        range_percentile: Of every activation's values, where int8's range ends; it begins as far
            from the other end. 90 to 100, which leaves nothing out.
        compare_count: Held-out pictures to compare on; all, unless the network is very large.
        seed: Decides which pictures.
        rescue: Where int8 does not pass the gate, try the remedies in turn.
        against: A model file with the same labels, to be compared with on the held-out pictures.
        c_array: Also write int8 as C++ source for TensorFlow Lite Micro.
        force: Replace files of an earlier conversion.
        progress: Show a line of progress where stderr is a terminal.

    Returns:
        The files, and what the conversion changed.

    Raises:
        FerError: The network, its pictures or the folder cannot be used; the message says why.
    """
    wanted = _read_targets(targets, c_array=c_array)
    _check_numbers(calibration_count, range_percentile, compare_count, seed)
    folder = Path(out)
    names = _possible_names(wanted, rescue=rescue, c_array=c_array)
    check_free([folder / name for name in names], force=force)
    if ONNX in wanted:
        require_onnx()
    emulator = find_emulator() if Target.INT8 in wanted else None
    plan = Plan(
        targets=tuple(target for target in Target if target in wanted),
        calibration_data=_path(data),
        calibration_count=calibration_count,
        compare_count=compare_count,
        seed=seed,
        range_percentile=range_percentile,
        onnx=ONNX in wanted,
    )
    opened = open_run(
        Path(run),
        head=head,
        architecture=_path(architecture),
        contract=_path(contract),
        labels=labels,
        pixels=pixels,
    )
    rival = None if against is None else open_rival(Path(against), opened.contract)
    with ProgressLine(shown=None if progress else False) as line:
        conversion = convert_run(opened, plan, line)
        verdict = conversion.verdicts.get(Target.INT8)
        # A network that is poor itself is not to be rescued from int8.
        if rescue and verdict is not None and verdict.failures and not verdict.poor:
            conversion = with_rescue(conversion, try_rescue(conversion, line))
        if emulator is not None and Target.INT8 in conversion.verdicts:
            line("counting instructions in the emulator")
            model = conversion.artefact(Target.INT8).model
            conversion = replace(conversion, emulation=emulate(model, emulator))
    report = conversion.to_json()
    if rival is not None:
        first = next(iter(conversion.sizes))
        report["against"] = compare_with(rival, conversion.answers[first], conversion.held_out)
    return write(conversion, report, folder, c_array=c_array, replaces=names)


def _path(given: str | PathLike[str] | None) -> Path | None:
    return None if given is None else Path(given)


def _check_numbers(count: int, percentile: float, compare: int | None, seed: int) -> None:
    for name, value, low, high in (
        ("calibration_count", count, MIN_PICTURES, math.inf),
        ("range_percentile", percentile, 90, 100),
        ("compare_count", 1 if compare is None else compare, 1, math.inf),
        ("seed", seed, 0, math.inf),
    ):
        if not low <= value <= high:
            raise SettingsError(
                f"{name}={value}",
                expected=f"{low} to {high}" if high < math.inf else f"{low} or more",
                fix="correct it",
            )


def _read_targets(targets: str | Iterable[str], *, c_array: bool) -> tuple[str, ...]:
    wanted = (targets,) if isinstance(targets, str) else tuple(targets)
    known = (*(target.value for target in Target), ONNX)
    unknown = [target for target in wanted if target not in known]
    if unknown or not wanted:
        raise SettingsError(
            f"no target {unknown[0]!r}" if unknown else "no target at all",
            expected="one or several of " + ", ".join(known),
            fix="correct the name",
        )
    if c_array and Target.INT8 not in wanted:
        raise SettingsError(
            "c_array without the target int8",
            expected="int8, which the C++ source holds",
            fix="add int8 to the targets",
        )
    return wanted


def _possible_names(wanted: Sequence[str], *, rescue: bool, c_array: bool) -> tuple[str, ...]:
    """Return the names of all files that a conversion may write."""
    # A rescue may end with 16-bit activations.
    possible = [*wanted, *([Target.INT16X8] if rescue else [])]
    names = dict.fromkeys(_file_name(target) for target in possible)
    return (*names, *(FILE_NAMES if c_array else ()), REPORT_NAME, PAGE_NAME)


def _file_name(target: str) -> str:
    return FILE_NAME if target == ONNX else Target(target).file_name


def write(
    conversion: Conversion,
    report: Mapping[str, Any],
    folder: Path,
    *,
    c_array: bool,
    replaces: Iterable[str] = (),
) -> Converted:
    """Write what a conversion has made.

    Args:
        conversion: Of a run.
        report: What report.json is to hold.
        folder: Where; made where it is missing.
        c_array: Also int8 as C++ source.
        replaces: File names that it might have written. Those of an earlier conversion that it did
            not write go: after a rescue that ends with 16-bit activations, the int8 file that has
            not passed would lie beside the report of another.

    Raises:
        OutputError: The folder cannot be written.
    """
    files: dict[str, bytes] = {each.file_name: each.data for each in conversion.artefacts}
    names: dict[str, str] = {each.target.value: each.file_name for each in conversion.artefacts}
    if conversion.onnx is not None:
        files[FILE_NAME], names[ONNX] = conversion.onnx.data, FILE_NAME
    if c_array and Target.INT8.file_name in files:
        files |= source_files(
            conversion.artefact(Target.INT8).model,
            conversion.graphs[Target.INT8],
            conversion.network.kinds,
        )
        names[_C_ARRAY] = FILE_NAMES[0]
    files |= {
        REPORT_NAME: (json.dumps(report, indent=2) + "\n").encode(),
        PAGE_NAME: render_page(conversion).encode(),
    }
    names |= {"report": REPORT_NAME, "page": PAGE_NAME}
    make_folder(folder)
    replace_files({folder / name: data for name, data in files.items()})
    for name in replaces:
        if name not in files:
            (folder / name).unlink(missing_ok=True)
    return Converted(
        {what: folder / name for what, name in names.items()},
        tuple(folder / name for name in files),
        report,
        conversion,
    )
