"""A picture of labels over time: one band for each way of making them."""

from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

from label_tracks import runs

from fer_edge.shared.records import UNCERTAIN

COLOURS: Final = {
    "angry": "#d1495b", "contempt": "#8d6a9f", "disgust": "#6a994e", "fear": "#5e548e",
    "happy": "#edae49", "neutral": "#8da9c4", "sad": "#2f6690", "surprise": "#f28482",
    UNCERTAIN: "#e4e4e4",
}  # fmt: skip
_LEFT, _WIDTH, _BAND, _GAP, _MARGIN = 90, 640, 36, 12, 16


def label_timeline(bands: Mapping[str, Sequence[str]], seconds: Sequence[float]) -> str:
    """Return an SVG picture.

    Args:
        bands: Labels, frame by frame, by the band's title.
        seconds: Of each frame, evenly spaced.
    """
    begin = seconds[0]
    total = (seconds[-1] - begin) * len(seconds) / (len(seconds) - 1)
    scale = _WIDTH / total
    parts = []
    top = _MARGIN
    for title, labels in bands.items():
        parts.append(_text(_LEFT - 8, top + _BAND / 2 + 4, title, anchor="end"))
        for label, first, end in runs(labels):
            left = _LEFT + (seconds[first] - begin) * scale
            right = _LEFT + (seconds[end] - begin if end < len(seconds) else total) * scale
            parts.append(
                f'<rect x="{left:.1f}" y="{top}" width="{right - left:.1f}" height="{_BAND}" '
                f'fill="{COLOURS[label]}"><title>{escape(label)}</title></rect>'
            )
        top += _BAND + _GAP
    parts += [
        _text(_LEFT + second * scale, top + 6, f"{second} s") for second in range(int(total) + 1)
    ]
    top += 32
    shown = sorted({label for labels in bands.values() for label in labels})
    for number, label in enumerate(shown):
        left = _LEFT + number * 90
        parts.append(
            f'<rect x="{left}" y="{top - 10}" width="12" height="12" fill="{COLOURS[label]}"/>'
        )
        parts.append(_text(left + 18, top, label, anchor="start"))
    width, height = _LEFT + max(_WIDTH, 90 * len(shown)) + _MARGIN, top + _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _text(x: float, y: float, text: str, *, anchor: str = "middle") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#333333">{escape(text)}</text>'
    )
