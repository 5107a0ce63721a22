"""Draw what people.py has measured of one model: the two pictures of docs/guide/neutral.md.

Takes what `people.py --model MODEL --json` printed, and the folder to leave the pictures in. They
are made of figures alone; no face is in them.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fer_edge.shared.report.colours import BLUE, GREY, ORANGE
from fer_edge.shared.report.plot import Plot, linear, named

POSED: Final = ("angry", "disgust", "fear")
"""What people who try a camera pose first."""
_WIDTH: Final = 720
_BAR: Final = 0.26


def draw(
    title: str, labels: list[str], bars: Mapping[str, tuple[str, list[float]]], axis: str
) -> str:
    """Return bars side by side: a group for each label, in it one for each way."""
    most = max(max(values) for _, values in bars.values())
    plot = Plot(
        title,
        linear(axis, 0, 100 if most > 60 else 60),
        named(labels, downwards=True),
        width=_WIDTH,
        height=46 * len(labels),
    )
    for place, (name, (colour, values)) in enumerate(bars.items()):
        for row, value in enumerate(values):
            top = row + (place - len(bars) / 2) * _BAR
            plot.bar((0, top), (value, top + 0.85 * _BAR), colour)
        # The legend stands where the last group leaves room.
        at = plot.x.high, len(labels) - 0.9 + place * 0.3
        plot.words(at, f"{name}", right=-18, down=4)
        plot.bar((plot.x.high * 0.985, at[1] - 0.08), (plot.x.high * 0.999, at[1] + 0.1), colour)
    return plot.to_svg(alone=True) + "\n"


def recall(found: Mapping[str, Any]) -> str:
    """Draw the recall of each expression, by what is known of the person."""
    plain, balanced = found["acted"]
    labels = sorted(plain["none"]["recall"])
    return draw(
        "Acted expressions that are read rightly",
        labels,
        {
            "as the network answers": (GREY, _percent(plain["none"]["recall"], labels)),
            "balanced": (ORANGE, _percent(balanced["none"]["recall"], labels)),
            "one neutral picture known": (
                BLUE,
                _percent(balanced["one neutral"]["recall"], labels),
            ),
        },
        "% of the photographs",
    )


def called(found: Mapping[str, Any]) -> str:
    """Draw what posed anger, disgust and fear are called."""
    plain, balanced = found["acted"]
    labels = plain["none"]["labels"]
    rows = [labels.index(label) for label in POSED]

    def shares(judged: Mapping[str, Any]) -> list[float]:
        counts = [sum(judged["confusion"][row][i] for row in rows) for i in range(len(labels))]
        return [100 * count / sum(counts) for count in counts]

    return draw(
        "What posed anger, disgust and fear are called",
        labels,
        {
            "as the network answers": (GREY, shares(plain["none"])),
            "relative to the person at rest": (BLUE, shares(balanced["participant"])),
        },
        "% of the faces",
    )


def _percent(recalls: Mapping[str, float], labels: list[str]) -> list[float]:
    return [100 * recalls[label] for label in labels]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="what people.py --json printed of one model")
    parser.add_argument("folder", type=Path, help="where to leave the pictures")
    arguments = parser.parse_args()
    (found,) = json.loads(arguments.results.read_text(encoding="utf-8"))["models"].values()
    for name, picture in (("neutral-recall", recall(found)), ("neutral-answer", called(found))):
        (arguments.folder / f"{name}.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
