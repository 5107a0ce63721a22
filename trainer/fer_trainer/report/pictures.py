"""Pictures inside the page."""

import base64

from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import GreyImage
from fer_edge.shared.report.page import text
from fer_trainer.report.colours import in_the_dark


def drawing(svg: str, *, alt: str) -> str:
    """Return an SVG as a picture of the page, with light ink where the page is dark.

    Paper is never dark.
    """
    dark, light = (_data_uri("image/svg+xml", s.encode()) for s in (in_the_dark(svg), svg))
    return (
        f'<figure><picture><source media="screen and (prefers-color-scheme: dark)" '
        f'srcset="{dark}"/><img src="{light}" alt="{text(alt)}"/></picture></figure>'
    )


def thumbnail(picture: GreyImage, *, alt: str) -> str:
    """Return a small picture.

    Args:
        picture: uint8, shape (height, width).
        alt: What it shows.
    """
    encoded = cv2.imencode(".png", picture)[1].tobytes()
    return f'<img class="face" src="{_data_uri("image/png", encoded)}" alt="{text(alt)}"/>'


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
