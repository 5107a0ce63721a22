"""A conversion as a table for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fer_convert.conversion import Conversion
from fer_convert.judgement.layer_error import worst_layers
from fer_convert.judgement.measurement import Measurement
from fer_convert.targets import Target

_HEAD = (
    "", "accuracy", "macro recall", "calibration error", "agreement", "mean shift", "worst shift",
    "bytes",
)  # fmt: skip


def format_report(conversion: Conversion) -> str:
    """Return an aligned table: one line a target, and what it was measured on below."""
    sizes = {artefact.target: len(artefact.data) for artefact in conversion.artefacts}
    rows = [
        _row(target, measurement, sizes.get(target))
        for target, measurement in conversion.measurements.items()
    ]
    held_out, calibration = (conversion.provenance[part] for part in ("held_out", "calibration"))
    measured = (
        f"measured on {held_out['n']:,} held-out pictures of {held_out['source']}, "
        f"calibrated on {calibration['count']:,} of {calibration['source']}"
    )
    return "\n".join([
        *_align([_HEAD, *rows]),
        measured,
        *_error_lines(conversion),
        *_cost_lines(conversion),
        *_range_lines(conversion.provenance.get("int8_ranges", {})),
        *_rescue_lines(conversion.rescue),
        *_gate_lines(conversion),
        *(conversion.poor if not conversion.verdicts else ()),
    ])  # fmt: skip


def _cost_lines(conversion: Conversion) -> Iterator[str]:
    for target in (artefact.target for artefact in conversion.artefacts):
        cost = conversion.costs[target]
        yield (
            f"cost, {target}: {cost.multiply_accumulates:,} multiply-accumulates, "
            f"{cost.parameters:,} parameters in {cost.weight_bytes:,} bytes, activations at most "
            f"{cost.peak_activation_bytes:,} bytes"
        )
    for count in conversion.emulation.counts:
        same = "the same" if count.equal_answers else "NOT the same"
        yield (
            f"{count.instructions:,} instructions on a {count.cpu} ({count.board}), with {same} "
            "answers"
        )


def _range_lines(ranges: Mapping[str, Any]) -> Iterator[str]:
    if "because" in ranges:
        yield f"int8 has the ranges of TensorFlow's converter, not ours: {ranges['because']}"


def _error_lines(conversion: Conversion) -> Iterator[str]:
    for target, errors in conversion.layer_errors.items():
        worst = ", ".join(
            f"{error.layer} {error.operator} {error.sqnr_db:.1f} dB"
            for error in worst_layers(errors)
            if error.sqnr_db is not None
        )
        if worst:
            yield f"most noise, {target}: {worst}"


def _gate_lines(conversion: Conversion) -> Iterator[str]:
    for target, verdict in conversion.verdicts.items():
        test = verdict.paired
        points = [100 * value for value in (test.difference, test.interval.low, test.interval.high)]
        yield (
            f"gate, {target}: {verdict.word}; of {test.n:,} pictures {test.lost} lost and "
            f"{test.won} won, "
            "{:+.2f} points ({:+.2f} to {:+.2f}; ".format(*points)
            + f"McNemar p = {test.p_value:.2g})"
        )
        yield from (f"  {reason}" for reason in verdict.reasons)


def _rescue_lines(rescue: Mapping[str, Any] | None) -> Iterator[str]:
    if rescue is None:
        return
    for attempt in rescue["attempts"]:
        if "problem" in attempt:
            told = f"not possible: {attempt['problem']}"
        else:
            drift = attempt["held_out"]["against_float32"]
            told = (
                f"{'passed' if attempt['passed'] else 'not passed'}; accuracy "
                f"{attempt['held_out']['accuracy']:.2%}, agreement {drift['agreement']:.2%}"
            )
        yield f"rescue by {attempt['step']} ({attempt['seconds']:.0f} s): {told}"


def _row(target: Target, measurement: Measurement, size: int | None) -> tuple[str, ...]:
    scores, drift = measurement.scores, measurement.drift
    shifts = ("-",) * 3
    if drift is not None:
        shifts = (f"{drift.agreement:.2%}", f"{drift.mean_shift:.4f}", f"{drift.worst_shift:.4f}")
    return (
        target.value,
        f"{scores.accuracy:.2%}",
        f"{scores.macro_recall:.2%}",
        f"{scores.calibration_error:.4f}",
        *shifts,
        "not written" if size is None else f"{size:,}",
    )


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in rows
    ]
