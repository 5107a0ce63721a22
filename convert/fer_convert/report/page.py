"""The page: what it says, section by section."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from fer_convert.conversion import Conversion
from fer_convert.judgement.gate import Verdict
from fer_convert.judgement.layer_error import worst_layers
from fer_convert.report.plots import plot_layers, plot_recall, plot_reliability, plot_shifts
from fer_convert.report.text import loss_table, say_ranges, say_trimmed
from fer_convert.targets import Target
from fer_edge.shared.report.page import facts, heading, page, paragraph, table, tiles, verdict
from fer_edge.shared.report.plot import plots
from fer_edge.shared.statistics import Interval

PAGE_NAME: Final = "report.html"


def render_page(conversion: Conversion) -> str:
    """Return the report as one HTML document without any reference to the outside."""
    return page(
        f"{conversion.name}: conversion report",
        heading=f"{conversion.name}, converted",
        lead=f"Recognises {', '.join(conversion.run.contract.labels)}.",
        above=[tiles(_figures(conversion))],
        sections=(
            ("loss", "What was lost", show_loss(conversion)),
            ("gate", "Does it matter?", show_gate(conversion)),
            ("layers", "Where it was lost", show_layers(conversion)),
            ("calibration", "How far its confidence can be believed",
             show_calibration(conversion)),
            ("cost", "What it costs", show_cost(conversion)),
            ("rescue", "Rescue", show_rescue(conversion)),
            ("origin", "To repeat this conversion", show_origin(conversion)),
        ),
    )  # fmt: skip


def _figures(conversion: Conversion) -> Iterator[tuple[str, str, str]]:
    before = conversion.measurements[Target.FLOAT32].scores.accuracy
    for artefact in conversion.artefacts:
        target = artefact.target
        measurement = conversion.measurements[target]
        change = 100 * (measurement.scores.accuracy - before)
        more = "" if target is Target.FLOAT32 else f"{change:+.2f} points against float32"
        yield f"{100 * measurement.scores.accuracy:.2f} %", f"accuracy, {target}", more
        if measurement.drift is not None:
            yield (
                f"{100 * measurement.drift.agreement:.2f} %",
                f"agreement, {target}",
                f"gate: {conversion.verdicts[target].word}",
            )
        yield f"{len(artefact.data) / 1000:,.0f} kB", f"file, {target}", artefact.file_name
    if conversion.onnx is not None:
        size = len(conversion.onnx.data) / 1000
        yield f"{size:,.0f} kB", "file, onnx", conversion.onnx.file_name
    cost = conversion.costs[Target.FLOAT32]
    yield f"{cost.multiply_accumulates / 1e6:,.1f} M", "multiply-accumulates", "for one face"


def show_loss(conversion: Conversion) -> Iterator[str]:
    """Say how right every target is, and how far from float32."""
    held_out = conversion.provenance["held_out"]
    scores = {target: each.scores for target, each in conversion.measurements.items()}
    yield paragraph(
        f"Measured on {held_out['n']:,} of {held_out['of']:,} held-out pictures "
        f"({held_out['source']}), each through the code that runs on the device"
        + (", and ONNX through its own runtime. " if conversion.onnx is not None else ". ")
        + "Agreement is "
        "the share of pictures given float32's label; a shift is the difference of a "
        "probability from float32's; ECE is the expected calibration error."
    )
    yield table(*loss_table(conversion))
    yield plot_recall(scores).to_html()
    yield plot_shifts(conversion.answers).to_html()
    reference = conversion.answers[Target.FLOAT32]
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
        yield heading(f"{target}: the commonest changes of an answer")
        yield table(["float32 said", f"{target} says", "pictures"], rows, words=2)


def show_gate(conversion: Conversion) -> Iterator[str]:
    """Say what the gate found."""
    yield paragraph(
        "A file passes if it keeps at least 99 % of float32's accuracy and no label loses more "
        "than 3 points of recall beyond its interval. Both models answer the same pictures, "
        "so the difference is tested in pairs: McNemar's exact test, Agresti and Min's "
        "interval of 95 %."
    )
    if not conversion.poor or not conversion.verdicts:  # else the verdicts say it
        yield from (paragraph(f"{remark}.", kind="note") for remark in conversion.remarks)
    for target, found in conversion.verdicts.items():
        yield _judged(target, found)
        tests = {"all": found.paired, **found.classes}
        rows = [
            [name, f"{test.n:,}", f"{test.lost}", f"{test.won}", f"{100 * test.difference:+.2f}",
             _signed(test.interval), f"{test.p_value:.3g}"]
            for name, test in tests.items()
        ]  # fmt: skip
        header = ["label", "pictures", "lost", "won", "points", "95 % interval", "p"]
        yield table(header, rows)


def _judged(target: str, found: Verdict) -> str:
    if found.passed:
        why = f"it keeps {found.kept:.2%} of float32's accuracy."
        return verdict(f"{target} has passed", why, passed=True)
    word = "not passed" if found.poor or found.failures else "not been measured"
    return verdict(f"{target} has {word}", f"{'; '.join(found.reasons)}.", passed=False)


def show_layers(conversion: Conversion) -> Iterator[str]:
    """Say where quantisation errs."""
    if not conversion.layer_errors:
        yield paragraph("Nothing but float32 was asked for.")
        return
    yield paragraph(
        "What every operator writes, against what float32 writes there. More decibels are "
        "less noise: 20 dB are one part in a hundred of the power. Noise travels on, so what "
        "counts for an operator is how much it adds."
    )
    if any(e.sqnr_db is not None for errors in conversion.layer_errors.values() for e in errors):
        yield plot_layers(conversion.layer_errors).to_html()
    for target, errors in conversion.layer_errors.items():
        rows = [
            [error.layer.removeprefix("layer "), error.operator,
             "" if error.sqnr_db is None else f"{error.sqnr_db:.1f}", f"{100 * error.added:.3f}"]
            for error in worst_layers(errors, 5)
        ]  # fmt: skip
        header = ["layer", "operator", "SQNR dB", "noise added, % of the signal"]
        yield heading(f"{target}: what adds most noise")
        yield table(header, rows, words=2)


def show_calibration(conversion: Conversion) -> Iterator[str]:
    """Say how far the probabilities can be believed."""
    yield paragraph("With the temperature that the contract holds, as devices apply it.")
    yield plots(*plot_reliability(conversion.answers, conversion.held_out))


def show_cost(conversion: Conversion) -> Iterator[str]:
    """Say what an inference costs."""
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
        yield heading(str(target))
        yield table(header, [*rows, total], words=3)
    counts = conversion.emulation.counts
    if counts:
        rows = [[each.cpu, each.board, f"{each.instructions:,}"] for each in counts]
        yield heading("Instructions of one int8 inference, counted in an emulator")
        yield table(["processor", "board", "instructions"], rows, words=2)
    else:
        yield paragraph(
            "Instructions were not counted: FER_EMULATOR names no emulator "
            "(benchmarks/emulator.sh prepares one)."
        )


def show_rescue(conversion: Conversion) -> Iterator[str]:
    """Say what was tried where int8 did not pass."""
    if conversion.rescue is None:
        yield paragraph("It was not needed, or not asked for (--rescue).")
        return
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
    yield table(["step", "verdict", "accuracy %", "agreement %", "seconds"], rows, words=2)


def show_origin(conversion: Conversion) -> Iterator[str]:
    """Say all that is needed to repeat the conversion."""
    provenance = conversion.provenance
    calibration, held_out = provenance["calibration"], provenance["held_out"]
    by_label = ", ".join(f"{label} {n:,}" for label, n in calibration["by_label"].items())
    pairs: list[tuple[str, object]] = [
        ("calibrated on", f"{calibration['count']:,} pictures of {calibration['source']}"),
        ("of them", by_label),
        ("their SHA-256", calibration["sha256"]),
        ("left out as extreme", say_trimmed(calibration["trimmed"])),
        ("left out as held out, too", calibration["copies_left_out"]),
        ("seed", calibration["seed"]),
        ("int8 ranges", say_ranges(provenance.get("int8_ranges", {}))),
        ("SHA-256 of the held-out pictures", held_out["sha256"]),
        ("SHA-256 of the network", provenance["network_sha256"]),
        ("batch norms moved", "; ".join(conversion.moves) or "none"),
        *((f"version of {name}", version) for name, version in provenance["versions"].items()),
        *(
            (artefact.file_name, f"SHA-256 {artefact.model.sha256}")
            for artefact in conversion.artefacts
        ),
    ]
    if conversion.onnx is not None:
        pairs.append((conversion.onnx.file_name, f"SHA-256 {conversion.onnx.sha256}"))
    yield facts(pairs)


def _signed(interval: Interval) -> str:
    return f"{100 * interval.low:+.2f} to {100 * interval.high:+.2f}"
