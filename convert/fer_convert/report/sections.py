"""What the page says, section by section."""

from collections import Counter
from collections.abc import Sequence

from fer_convert.conversion import Conversion
from fer_convert.judgement.gate import Verdict
from fer_convert.judgement.layer_error import worst_layers
from fer_convert.judgement.measurement import Measurement
from fer_convert.judgement.statistics import Interval
from fer_convert.report.markup import facts, figure, paragraph, table
from fer_convert.report.plots import plot_layers, plot_recall, plot_reliability, plot_shifts
from fer_convert.targets import Target


def show_loss(conversion: Conversion) -> Sequence[str]:
    """Say how right every target is, and how far from float32."""
    held_out = conversion.provenance["held_out"]
    sizes = {artefact.target: len(artefact.data) for artefact in conversion.artefacts}
    header = ["", "accuracy %", "95 % interval", "macro recall %", "calibration error %",
              "agreement %", "mean shift", "worst shift", "bytes"]  # fmt: skip
    rows = [
        _loss_row(target, measurement, sizes.get(target))
        for target, measurement in conversion.measurements.items()
    ]
    scores = {target: each.scores for target, each in conversion.measurements.items()}
    return [
        paragraph(
            f"Measured on {held_out['n']:,} of {held_out['of']:,} held-out pictures "
            f"({held_out['source']}), each through the code that runs on the device. Agreement is "
            "the share of pictures given float32's label; a shift is the difference of a "
            "probability from float32's."
        ),
        table(header, rows),
        figure(plot_recall(scores), alt="Recall of every label by target"),
        figure(plot_shifts(conversion.answers), alt="How far probabilities shift"),
        *_changes(conversion),
    ]


def _loss_row(target: Target, measurement: Measurement, size: int | None) -> list[str]:
    scores, drift = measurement.scores, measurement.drift
    shifts = ["", "", ""]
    if drift is not None:
        shifts = [f"{100 * drift.agreement:.2f}", f"{drift.mean_shift:.4f}",
                  f"{drift.worst_shift:.4f}"]  # fmt: skip
    return [
        target.value,
        f"{100 * scores.accuracy:.2f}",
        _percent(scores.accuracy_interval),
        f"{100 * scores.macro_recall:.2f}",
        f"{100 * scores.calibration_error:.2f}",
        *shifts,
        "not written" if size is None else f"{size:,}",
    ]


def _changes(conversion: Conversion) -> Sequence[str]:
    """Say which answers became which others."""
    reference = conversion.answers[Target.FLOAT32]
    parts = []
    for target, given in conversion.answers.items():
        changed = reference.chosen != given.chosen
        pairs = Counter(
            zip(reference.chosen[changed].tolist(), given.chosen[changed].tolist(), strict=True)
        )
        if not pairs:
            continue
        rows = [
            [given.labels[before], given.labels[after], f"{count:,}"]
            for (before, after), count in pairs.most_common(8)
        ]
        parts += [
            f"<h3>{target}: the commonest changes of an answer</h3>",
            table(["float32 said", f"{target} says", "pictures"], rows, words=2),
        ]
    return parts


def show_gate(conversion: Conversion) -> Sequence[str]:
    """Say what the gate found."""
    parts = [
        paragraph(
            "A file passes if it keeps at least 99 % of float32's accuracy and no label loses more "
            "than 3 points of recall beyond its interval. Both models answer the same pictures, "
            "so the difference is tested in pairs: McNemar's exact test, Agresti and Min's "
            "interval of 95 %."
        )
    ]
    for target, verdict in conversion.verdicts.items():
        parts.append(paragraph(f"{target} has {_told(verdict)}", kind=_kind(verdict)))
        tests = {"all": verdict.paired, **verdict.classes}
        rows = [
            [name, f"{test.n:,}", f"{test.lost}", f"{test.won}", f"{100 * test.difference:+.2f}",
             _signed(test.interval), f"{test.p_value:.3g}"]
            for name, test in tests.items()
        ]  # fmt: skip
        header = ["label", "pictures", "lost", "won", "points", "95 % interval", "p"]
        parts.append(table(header, rows))
    return parts


def _told(verdict: Verdict) -> str:
    if verdict.passed:
        return f"passed: it keeps {verdict.kept:.2%} of float32's accuracy."
    word = "not passed" if verdict.failures else "not been measured"
    return f"{word}: {'; '.join(verdict.reasons)}."


def _kind(verdict: Verdict) -> str:
    return "passed" if verdict.passed else "failed"


def show_layers(conversion: Conversion) -> Sequence[str]:
    """Say where quantisation errs."""
    if not conversion.layer_errors:
        return [paragraph("Nothing but float32 was asked for.")]
    parts = [
        paragraph(
            "What every operator writes, against what float32 writes there. More decibels are "
            "less noise: 20 dB are one part in a hundred of the power. Noise travels on, so what "
            "counts for an operator is how much it adds."
        )
    ]
    if any(e.sqnr_db is not None for errors in conversion.layer_errors.values() for e in errors):
        parts.append(figure(plot_layers(conversion.layer_errors), alt="Noise by operator"))
    for target, errors in conversion.layer_errors.items():
        rows = [
            [error.layer.removeprefix("layer "), error.operator,
             "" if error.sqnr_db is None else f"{error.sqnr_db:.1f}", f"{100 * error.added:.3f}"]
            for error in worst_layers(errors, 5)
        ]  # fmt: skip
        header = ["layer", "operator", "SQNR dB", "noise added, % of the signal"]
        parts += [f"<h3>{target}: what adds most noise</h3>", table(header, rows, words=2)]
    return parts


def show_calibration(conversion: Conversion) -> Sequence[str]:
    """Say how far the probabilities can be believed."""
    return [
        paragraph("With the temperature that the contract holds, as devices apply it."),
        figure(
            plot_reliability(conversion.answers, conversion.held_out), alt="Reliability by target"
        ),
    ]


def show_cost(conversion: Conversion) -> Sequence[str]:
    """Say what an inference costs."""
    parts = []
    for target in (artefact.target for artefact in conversion.artefacts):
        cost = conversion.costs[target]
        rows = [
            [layer.layer.removeprefix("layer "), layer.operator, "x".join(map(str, layer.output)),
             f"{layer.multiply_accumulates:,}", f"{layer.parameters:,}",
             f"{layer.weight_bytes:,}", f"{layer.live_bytes:,}"]
            for layer in cost.layers
        ]  # fmt: skip
        total = ["total, or most at one time", "", "", f"{cost.multiply_accumulates:,}",
                 f"{cost.parameters:,}", f"{cost.weight_bytes:,}",
                 f"{cost.peak_activation_bytes:,}"]  # fmt: skip
        header = ["layer", "operator", "output", "multiply-accumulates", "parameters",
                  "weight bytes", "activation bytes alive"]  # fmt: skip
        parts += [f"<h3>{target}</h3>", table(header, [*rows, total], words=3)]
    counts = conversion.emulation.counts
    if counts:
        rows = [[each.cpu, each.board, f"{each.instructions:,}"] for each in counts]
        parts += [
            "<h3>Instructions of one int8 inference, counted in an emulator</h3>",
            table(["processor", "board", "instructions"], rows, words=2),
        ]
    else:
        parts.append(
            paragraph(
                "Instructions were not counted: FER_EMULATOR names no emulator "
                "(benchmarks/emulator.sh prepares one)."
            )
        )
    return parts


def show_rescue(conversion: Conversion) -> Sequence[str]:
    """Say what was tried where int8 did not pass."""
    if conversion.rescue is None:
        return [paragraph("None was needed, or none was asked for (--rescue).")]
    rows = []
    for attempt in conversion.rescue["attempts"]:
        seconds = f"{attempt['seconds']:.0f}"
        if "problem" in attempt:
            rows.append([attempt["step"], f"not possible: {attempt['problem']}", "", "", seconds])
            continue
        held_out = attempt["held_out"]
        rows.append(
            [attempt["step"], "passed" if attempt["passed"] else "not passed",
             f"{100 * held_out['accuracy']:.2f}",
             f"{100 * held_out['against_float32']['agreement']:.2f}", seconds]
        )  # fmt: skip
    return [table(["step", "verdict", "accuracy %", "agreement %", "seconds"], rows, words=2)]


def show_origin(conversion: Conversion) -> Sequence[str]:
    """Say all that is needed to repeat the conversion."""
    provenance = conversion.provenance
    calibration, held_out = provenance["calibration"], provenance["held_out"]
    by_label = ", ".join(f"{label} {n:,}" for label, n in calibration["by_label"].items())
    pairs: list[tuple[str, object]] = [
        ("calibrated on", f"{calibration['count']:,} pictures of {calibration['source']}"),
        ("of them", by_label),
        ("their SHA-256", calibration["sha256"]),
        ("left out as extreme", calibration["trimmed"]),
        ("left out as held out, too", calibration["copies_left_out"]),
        ("seed", calibration["seed"]),
        ("int8 ranges", provenance.get("int8_ranges", "none")),
        ("SHA-256 of the held-out pictures", held_out["sha256"]),
        ("SHA-256 of the network", provenance["network_sha256"]),
        ("batch norms moved", "; ".join(conversion.moves) or "none"),
        *((f"version of {name}", version) for name, version in provenance["versions"].items()),
        *(
            (artefact.file_name, f"SHA-256 {artefact.model.contract.flatbuffer_sha256}")
            for artefact in conversion.artefacts
        ),
    ]
    return [facts(pairs)]


def _percent(interval: Interval) -> str:
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"


def _signed(interval: Interval) -> str:
    return f"{100 * interval.low:+.2f} to {100 * interval.high:+.2f}"
