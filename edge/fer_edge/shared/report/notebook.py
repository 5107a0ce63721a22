"""A picture and a table of its faces, as a notebook shows them."""

import base64
from collections.abc import Sequence
from typing import Final

from fer_edge.shared.records import Reading
from fer_edge.shared.report.page import text

_HEADER: Final = ("track", "expression", "this picture", "confidence", "box")


def as_html(jpeg: bytes, readings: Sequence[Reading]) -> str:
    """Return a piece of HTML that needs nothing beside itself.

    Args:
        jpeg: The picture, with boxes drawn in.
        readings: What was read in it.
    """
    data = base64.b64encode(jpeg).decode("ascii")
    picture = f'<img alt="faces" src="data:image/jpeg;base64,{data}" style="max-width:100%"/>'
    if not readings:
        return f"<div>{picture}<p>no face</p></div>"
    head = "".join(f"<th>{text(name)}</th>" for name in _HEADER)
    rows = "".join(f"<tr>{_cells(reading)}</tr>" for reading in readings)
    return f"<div>{picture}<table><tr>{head}</tr>{rows}</table></div>"


def _cells(reading: Reading) -> str:
    values = (
        "-" if reading.track_id is None else reading.track_id,
        reading.stable or reading.label,
        reading.label,
        f"{reading.confidence:.2f}",
        ", ".join(map(str, reading.box.as_list())),
    )
    return "".join(f"<td>{text(value)}</td>" for value in values)
