"""Draw what robustness.py has measured: what each change of the pictures costs.

Takes what `robustness.py --json` printed, a file for each panel, and a title for each.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fer_edge.shared.report.colours import BLUE, GREY, ORANGE, VERMILION

Results = Mapping[str, Mapping[str, Any]]

COLOURS: Final = (BLUE, ORANGE, VERMILION, GREY)
"""Of the models of a file, in their order there."""


def draw_panel(axes: Axes, results: Results, title: str) -> None:
    """Draw a row for each change, a dot for each model, and lines where nothing is changed."""
    for (name, result), colour in zip(results.items(), COLOURS, strict=False):
        shares = {
            **result["changes"],
            "found by Haar (of those found)": next(iter(result["haar"]["margins"].values())),
        }
        ways = list(shares)
        axes.axvline(100 * shares["as it is"], color=colour, linestyle=":", linewidth=1)
        axes.plot(
            [100 * share for share in shares.values()], range(len(ways)),
            "o", color=colour, label=Path(name).parent.name or name,
        )  # fmt: skip
        axes.set_yticks(range(len(ways)), ways)
    count = next(iter(results.values()))["n"]
    axes.set(title=title, xlabel=f"right, % of {count:,} pictures")
    axes.grid(visible=True, axis="both", alpha=0.3)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=2, frameon=False)


def draw(panels: Sequence[tuple[Results, str]], path: Path) -> None:
    """Draw the panels side by side into a PNG or an SVG."""
    with mpl.rc_context(
        {"svg.hashsalt": "fer", "axes.spines.top": False, "axes.spines.right": False}
    ):
        figure = Figure(figsize=(2.2 + 3.6 * len(panels), 6.4), layout="constrained")
        grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)
        for axes, (results, title) in zip(grid.flat, panels, strict=True):
            draw_panel(axes, results, title)
        grid[0, 0].invert_yaxis()
        figure.savefig(path, dpi=120)


def read_results(file: Path) -> Results:
    """Read what was printed, or leave with a clear word."""
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
        complete = all({"n", "changes", "haar"} <= set(result) for result in results.values())
    except (ValueError, AttributeError, TypeError):
        results, complete = {}, False
    if not (results and complete):
        sys.exit(f"{file} lacks the parts changes and haar of robustness.py --json")
    if len(results) > len(COLOURS):
        sys.exit(f"{file} has {len(results)} models; a panel shows at most {len(COLOURS)}")
    return results


def main() -> None:
    """Read the files and draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--title", action="append", help="of a panel, in the order of the files")
    parser.add_argument("--out", type=Path, required=True, help="a PNG or an SVG")
    arguments = parser.parse_args()
    titles = arguments.title or [file.stem for file in arguments.files]
    if len(titles) != len(arguments.files):
        sys.exit("as many --title as files, or none")
    if arguments.out.suffix not in {".png", ".svg"}:
        sys.exit(f"{arguments.out} is neither a .png nor a .svg")
    try:
        read = [read_results(file) for file in arguments.files]
        draw(list(zip(read, titles, strict=True)), arguments.out)
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}")


if __name__ == "__main__":
    main()
