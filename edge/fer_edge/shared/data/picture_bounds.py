"""How large a single picture may be, from its header, before a decoder makes room for it."""

from typing import Final

from fer_edge.shared.data.jpeg import START, JpegHeader, read_header
from fer_edge.shared.data.picture_size import read_claim
from fer_edge.shared.opencv import MAX_PICTURE_PIXELS

_MOST_MEMORY_BYTES: Final = 192 * 2**20
"""That decoding may take at its height: what the unit's MemoryMax leaves beside all else."""
_BYTES_PER_PIXEL: Final = {"gif": 10.2, "webp": 7.2}
"""That OpenCV's decoders take at their height; measured with 4.14."""
_OTHER_BYTES_PER_PIXEL: Final = 2.2
_COEFFICIENT_BYTES: Final = 2
_MOST_WORK: Final = 2**30
"""Pixels times passes over them; some seconds of a desktop core."""


def why_outsized(data: bytes) -> str:
    """Return what a picture claims that will not be decoded; "" where nothing is.

    Args:
        data: A whole picture file; what is no picture claims nothing.
    """
    header = read_header(data) if data.startswith(START) else None
    if header is not None:
        return _why(header.width, header.height, _bytes_of(header), header.scans)
    claim = read_claim(data)
    if claim is None:
        return ""
    each = _BYTES_PER_PIXEL.get(claim.kind, _OTHER_BYTES_PER_PIXEL)
    return _why(claim.width, claim.height, each, 1)


def _bytes_of(header: JpegHeader) -> float:
    kept = _COEFFICIENT_BYTES * header.samples if header.buffered else 0.0
    return _OTHER_BYTES_PER_PIXEL + kept


def _why(width: int, height: int, bytes_each: float, scans: int) -> str:
    pixels = width * height
    if pixels > MAX_PICTURE_PIXELS or pixels * bytes_each > _MOST_MEMORY_BYTES:
        return f"{width}x{height} pixels"
    if pixels * scans > _MOST_WORK:
        return f"{width}x{height} pixels in {scans} passes"
    return ""
