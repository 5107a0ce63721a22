"""What a JPEG says of itself before it is decoded: its size, its scans, and where it ends.

Source: ITU-T T.81, annex B (markers and segments).
"""

import re
from typing import Final, NamedTuple

START: Final = b"\xff\xd8\xff"
"""A JPEG's first marker, and the beginning of the second."""
END: Final = b"\xff\xd9"
MARKER: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""A marker that is no restart and no stuffed byte; such never stand inside coded pixels."""

_START_OF_SCAN: Final = 0xDA
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE: Final = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_BARE: Final = frozenset({0x01, 0xD8, 0xD9}) | frozenset(range(0x02, 0xC0))
"""Markers without a length after them."""


class JpegHeader(NamedTuple):
    """What stands before the pixels.

    Attributes:
        width: In pixels.
        height: The same.
        buffered: Whether it comes in several passes, and is kept whole until the last.
        samples: Per pixel over all components: 3 for full colour, 1.5 for 4:2:0, 1 for grey.
        scans: How often the decoder goes over the pixels, at most.
    """

    width: int
    height: int
    buffered: bool
    samples: float
    scans: int

    @property
    def pixels(self) -> int:
        """Of the whole picture."""
        return self.width * self.height

    @property
    def work(self) -> int:
        """Pixels that the decoder visits."""
        return self.pixels * self.scans


def has_length(code: int) -> bool:
    """Return whether a marker's segment begins with its length, of two bytes."""
    return code not in _BARE


def read_header(data: bytes) -> JpegHeader | None:
    """Return what a JPEG says of itself; None where it never says so before its pixels.

    Whatever stands between two segments is passed over, as decoders do.
    """
    frame: bytes | None = None
    progressive = False
    at = 2
    while (found := MARKER.search(data, at)) is not None:
        code, begin = data[found.start() + 1], found.end()
        if not has_length(code):
            at = begin
            continue
        segment = data[begin + 2 : begin + max(2, int.from_bytes(data[begin : begin + 2]))]
        if code in _FRAMES and frame is None:
            frame, progressive = segment, code in _PROGRESSIVE
        if code == _START_OF_SCAN:
            return _header(frame, segment, data, progressive=progressive)
        at = begin + 2 + len(segment)
    return None


def _header(
    frame: bytes | None, scan: bytes, data: bytes, *, progressive: bool
) -> JpegHeader | None:
    if frame is None or len(frame) < 6 or not scan:
        return None
    height, width, count = int.from_bytes(frame[1:3]), int.from_bytes(frame[3:5]), frame[5]
    factors = [(value >> 4, value & 15) for value in frame[7 : 6 + 3 * count : 3]]
    if not (height and width and count) or len(factors) != count:
        return None
    most = max(across for across, _ in factors) * max(down for _, down in factors)
    samples = sum(across * down for across, down in factors) / max(1, most)
    # One scan with all components is all that is read of a picture that is not progressive.
    buffered = progressive or scan[0] < count
    scans = data.count(bytes([0xFF, _START_OF_SCAN])) if buffered else 1
    return JpegHeader(width, height, buffered, samples, scans)
