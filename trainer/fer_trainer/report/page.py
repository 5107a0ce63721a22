"""The page itself: what was collected, in the order in which people ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from fer_trainer.report.contents import Contents
from fer_trainer.report.estimate import int8_bytes
from fer_trainer.report.markup import section, text
from fer_trainer.report.plots import Plot
from fer_trainer.report.sections import (
    show_calibration,
    show_confusion,
    show_data,
    show_learning,
    show_network,
    show_repeat,
    show_samples,
    show_worst,
)


def render_page(contents: Contents, plots: Mapping[str, Plot], network: str) -> str:
    """Return the report as one HTML document without any reference to the outside.

    Args:
        contents: What it says.
        plots: The diagrams by name.
        network: The network's picture, an SVG.
    """
    shown = (
        ("data", "Data", show_data(contents)),
        ("network", "Network", show_network(contents, network)),
        ("learning", "Learning", show_learning(contents, plots)),
        ("errors", "What is mistaken for what", show_confusion(contents, plots)),
        ("calibration", "How far its confidence can be believed",
         show_calibration(contents, plots)),
        ("worst", "Worst errors", show_worst(contents)),
        ("samples", "Sample predictions", show_samples(contents)),
        ("repeat", "To repeat this run", show_repeat(contents)),
    )  # fmt: skip
    links = "".join(f'<a href="#{anchor}">{text(title)}</a>' for anchor, title, _ in shown)
    body = "\n".join(section(title, *parts, anchor=anchor) for anchor, title, parts in shown)
    name = contents.contract.name
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{text(name)}: training report</title>\n<style>\n{style()}</style>\n</head>\n"
        f"<body>\n<header>\n<h1>{text(name)}</h1>\n{_lead(contents)}\n{_tiles(contents)}\n"
        f"<nav>{links}</nav>\n</header>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def style() -> str:
    """Return the style sheet of a page."""
    return files("fer_trainer.report").joinpath("page.css").read_text(encoding="utf-8")


def _lead(contents: Contents) -> str:
    labels = ", ".join(contents.contract.labels)
    source = contents.contract.provenance.get("recipe_source")
    words = f"Recognises {labels} in grey face crops."
    return f'<p class="lead">{text(words + (f" Recipe: {source}." if source else ""))}</p>'


def _tiles(contents: Contents) -> str:
    scores, metrics = contents.judgement.scores, contents.metrics
    whole = scores.accuracy_interval
    low_high = "" if whole is None else f"95% interval {whole.low:.1%} to {whole.high:.1%}, "
    tiles = [
        (f"{scores.accuracy:.1%}", f"{contents.judgement.part} accuracy",
         f"{low_high}{scores.n:,} pictures"),
        (f"{scores.macro_recall:.1%}", "macro recall", "mean over the labels"),
    ]  # fmt: skip
    fresh = metrics.get("test_without_train_copies")
    if fresh is not None and fresh["n"] and metrics.get("test_copies_of_train"):
        copies = metrics["test_copies_of_train"]
        tiles.append(
            (f"{fresh['accuracy']:.1%}", "accuracy without copies",
             f"{copies:,} copies of train pictures left out")
        )  # fmt: skip
    calibration = metrics["calibration"][contents.judgement.part]
    size = int8_bytes(contents.cost.layers)
    tiles += [
        (f"{calibration['after']['ece']:.1%}", "calibration error",
         f"temperature {metrics['calibration']['temperature']:g}"),
        (_amount(contents.cost.parameters), "parameters", f"about {size / 1000:,.0f} kB as int8"),
        (_amount(contents.cost.macs), "multiply-accumulates", "for one picture"),
    ]  # fmt: skip
    drawn = "".join(
        f'<div class="tile"><b>{text(figure)}</b>{text(title)}<span>{text(more)}</span></div>'
        for figure, title, more in tiles
    )
    return f'<div class="tiles">{drawn}</div>'


def _amount(number: float) -> str:
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor:
            return f"{number / factor:.3g} {unit}"
    return f"{number:g}"
