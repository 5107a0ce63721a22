"""The page itself."""

from collections.abc import Iterator
from typing import Final

from fer_convert.conversion import Conversion
from fer_convert.report.sections import (
    show_calibration,
    show_cost,
    show_gate,
    show_layers,
    show_loss,
    show_origin,
    show_rescue,
)
from fer_convert.targets import Target
from fer_edge.shared.report.page import page, tiles

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
    cost = conversion.costs[conversion.artefacts[0].target]
    yield f"{cost.multiply_accumulates / 1e6:,.1f} M", "multiply-accumulates", "for one face"
