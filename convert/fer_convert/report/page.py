"""The page itself."""

from collections.abc import Iterator
from importlib.resources import files
from typing import Final

from fer_convert.conversion import Conversion
from fer_convert.report.markup import paragraph, section, text, tiles
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

PAGE_NAME: Final = "report.html"


def render_page(conversion: Conversion) -> str:
    """Return the report as one HTML document without any reference to the outside."""
    shown = (
        ("loss", "What was lost", show_loss),
        ("gate", "Does it matter?", show_gate),
        ("layers", "Where it was lost", show_layers),
        ("calibration", "How far its confidence can be believed", show_calibration),
        ("cost", "What it costs", show_cost),
        ("rescue", "Rescue", show_rescue),
        ("origin", "To repeat this conversion", show_origin),
    )
    links = "".join(f'<a href="#{anchor}">{text(title)}</a>' for anchor, title, _ in shown)
    body = "\n".join(section(anchor, title, *show(conversion)) for anchor, title, show in shown)
    style = (files("fer_convert.report") / "page.css").read_text(encoding="utf-8")
    name = text(conversion.name)
    lead = paragraph(f"Recognises {', '.join(conversion.run.contract.labels)}.", kind="lead")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{name}: conversion report</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{name}, converted</h1>\n{lead}\n{tiles(_figures(conversion))}\n"
        f"<nav>{links}</nav>\n</header>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


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
