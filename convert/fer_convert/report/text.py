"""A conversion as a table for people."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from fer_convert.conversion import Conversion
from fer_convert.judgement.layer_error import worst_layers
from fer_edge.shared.statistics import Interval
from fer_edge.shared.terminal.tables import format_table

_LOSS: Final = (
    "", "accuracy %", "95 % interval", "macro recall %", "ECE %", "agreement %", "mean shift",
    "worst shift", "bytes",
)  # fmt: skip


def format_report(conversion: Conversion) -> str:
    """Return an aligned table: one line a target, and what it was measured on below."""
    held_out, calibration = (conversion.provenance[part] for part in ("held_out", "calibration"))
    measured = (
        f"measured on {held_out['n']:,} held-out pictures of {held_out['source']}, "
        f"calibrated on {calibration['count']:,} of {calibration['source']}"
    )
    return "\n".join([
        format_table(*loss_table(conversion)),
        measured,
        *_error_lines(conversion),
        *_cost_lines(conversion),
        *_range_lines(conversion.provenance.get("int8_ranges", {})),
        *_rescue_lines(conversion.rescue),
        *_gate_lines(conversion),
        *(conversion.remarks if not (conversion.poor and conversion.verdicts) else ()),
    ])  # fmt: skip


def loss_table(conversion: Conversion) -> tuple[Sequence[str], list[list[str]]]:
    """Return header and rows: how right every target is, and how far from float32."""
    sizes = conversion.sizes
    rows = []
    for target, measurement in conversion.measurements.items():
        scores, drift = measurement.scores, measurement.drift
        shifts = ["-", "-", "-"]
        if drift is not None:
            shifts = [f"{100 * drift.agreement:.2f}", f"{drift.mean_shift:.4f}",
                      f"{drift.worst_shift:.4f}"]  # fmt: skip
        rows.append([
            str(target),
            f"{100 * scores.accuracy:.2f}",
            _percent(scores.accuracy_interval),
            f"{100 * scores.macro_recall:.2f}",
            f"{100 * measurement.calibration_error:.2f}",
            *shifts,
            f"{sizes[target]:,}" if target in sizes else "not written",
        ])  # fmt: skip
    return _LOSS, rows


def _percent(interval: Interval) -> str:
    """Return the two ends of an interval of shares, in percent."""
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"


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


def say_trimmed(trimmed: Mapping[str, Any]) -> str:
    """Say in words which pictures were not calibrated on, and by which rule.

    Args:
        trimmed: As the contract's provenance holds it.
    """
    counts = ", ".join(
        f"{reason} {found['pictures']:,}" for reason, found in trimmed["left_out"].items()
    )
    return f"{counts or 'none'} ({trimmed['rule']})"


def say_ranges(ranges: Mapping[str, Any]) -> str:
    """Say in words how the ranges of int8's activations were found.

    Args:
        ranges: As the contract's provenance holds them; empty without int8.
    """
    if not ranges:
        return "none"
    if "because" in ranges:
        return f"those of TensorFlow's converter, because of this: {ranges['because']}"
    if ranges.get("percentile", 100.0) >= 100:
        return "those of TensorFlow's converter"
    cut = f"{100 - ranges['percentile']:.3g} %"
    said = f"leave out the lowest and the highest {cut} of the values of each activation"
    if "largest_correction" in ranges:
        # The simulated network numbers what a layer does.
        layer = re.sub(r"_\d+$", "", ranges["largest_correction_at"])
        said += (
            f"; biases were corrected by at most {ranges['largest_correction']:.2%} of the spread "
            f"of their channel ({layer})"
        )
    return said


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
