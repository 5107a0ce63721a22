"""Write reports and pictures into folders, each file whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.whole_files import make_folder, replace_file
from fer_trainer.network.cost import int8_bytes, network_cost
from fer_trainer.report.contents import Answers, collect
from fer_trainer.report.graph import network_graph
from fer_trainer.report.judgement import Judgement, plot_judgement
from fer_trainer.report.layered import draw_layered
from fer_trainer.report.page import render_page
from fer_trainer.report.plots import Plot, plot_curves
from fer_trainer.run import folder as run_folder
from fer_trainer.run.folder import RunFolder

_WHITE: Final = "#ffffff"


def write_report(
    run: Path, contract: ModelContract, network: Any, *, answers: Answers | None = None
) -> Path:
    """Write `report.html` and the folder of its pictures into a finished run.

    Args:
        run: Its folder.
        contract: Its contract.
        network: Its network.
        answers: As `contents.collect` takes them.

    Returns:
        The page's path.

    Raises:
        ModelError: A file of the run is damaged.
        OutputError: Something cannot be written.
    """
    contents = collect(run, contract, network, answers=answers)
    curves = [plot_curves(contents.history)] if contents.history.get("epoch") else []
    plots = [*curves, *plot_judgement(contents.judgement)]
    page = render_page(contents, {plot.name: plot for plot in plots}, draw_layered(contents.graph))
    pictures = run / run_folder.PICTURES
    _write_plots(plots, pictures)
    write_network(network, pictures / "network.svg")
    RunFolder(run).write_text(run_folder.REPORT, page)
    return run / run_folder.REPORT


def write_judgement(judgement: Judgement, folder: Path) -> None:
    """Write the pictures of an evaluation.

    Raises:
        OutputError: They cannot be written.
    """
    _write_plots(plot_judgement(judgement), folder)


def write_network(network: Any, path: Path) -> None:
    """Write the layered picture of a network as an SVG file.

    Raises:
        OutputError: It cannot be written.
    """
    graph, cost = network_graph(network), network_cost(network)
    caption = (
        f"{graph.name}: {cost.parameters:,} parameters, {cost.macs:,} multiply-accumulates, "
        f"about {int8_bytes(cost.layers) / 1000:,.0f} kB as int8"
    )
    svg = draw_layered(graph, caption=caption, background=_WHITE)
    make_folder(path.parent)
    replace_file(path, svg)


def _write_plots(plots: Iterable[Plot], folder: Path) -> None:
    make_folder(folder)
    for plot in plots:
        replace_file(folder / f"{plot.name}.png", plot.png)
        if plot.svg is not None:
            replace_file(folder / f"{plot.name}.svg", plot.svg)
