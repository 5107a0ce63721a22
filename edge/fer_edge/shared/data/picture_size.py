"""The size of a picture from its header: bounded before a decoder makes room for it."""

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

Size: TypeAlias = tuple[int, int]
_ByteOrder: TypeAlias = Literal["little", "big"]

_TIFF_WIDTH: Final = 256
_TIFF_HEIGHT: Final = 257
_MOST_TAGS: Final = 1000


class Claim(NamedTuple):
    """What a picture's header claims.

    Attributes:
        kind: "png", "gif", ...
        width: In pixels; 0 where the header does not say.
        height: The same.
    """

    kind: str
    width: int
    height: int


def read_claim(data: bytes) -> Claim | None:
    """Return kind and size of a PNG, GIF, BMP, WebP, TIFF or PNM; None for what is none of them.

    JPEG has a reader of its own, `jpeg.read_header`.
    """
    for magic, (kind, read) in _READERS.items():
        if data.startswith(magic) and (kind != "webp" or data[8:12] == b"WEBP"):
            return Claim(kind, *read(data))
    return None


def _png(data: bytes) -> Size:
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])


def _gif(data: bytes) -> Size:
    return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")


def _bmp(data: bytes) -> Size:
    if int.from_bytes(data[14:18], "little") < 40:  # OS/2's first header
        return int.from_bytes(data[18:20], "little"), int.from_bytes(data[20:22], "little")
    height = int.from_bytes(data[22:26], "little", signed=True)  # negative: from the top down
    return int.from_bytes(data[18:22], "little"), abs(height)


def _webp(data: bytes) -> Size:
    """Source: RFC 9649, sections 2.5 to 2.7 and 3.4."""
    chunk = data[12:16]
    if chunk == b"VP8X":
        canvas = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        return next(canvas), next(canvas)
    if chunk == b"VP8L":
        packed = int.from_bytes(data[21:25], "little")
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    return (
        int.from_bytes(data[26:28], "little") & 0x3FFF,
        int.from_bytes(data[28:30], "little") & 0x3FFF,
    )


def _tiff(data: bytes) -> Size:
    """Source: TIFF 6.0, section 2; the first picture's tags."""
    order: _ByteOrder = "little" if data[:2] == b"II" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], order)

    start, size = number(4, 4), [0, 0]
    for entry in range(min(number(start, 2), _MOST_TAGS)):
        at = start + 2 + 12 * entry
        tag = number(at, 2)
        if tag in {_TIFF_WIDTH, _TIFF_HEIGHT}:
            size[tag - _TIFF_WIDTH] = number(at + 8, 2 if number(at + 2, 2) == 3 else 4)
    return size[0], size[1]


def _pnm(data: bytes) -> Size:
    words = [line.partition(b"#")[0] for line in data[2:1024].split(b"\n")]
    numbers = [int(word) for word in b" ".join(words).split()[:2] if word.isdigit()]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (0, 0)


_READERS: Final[Mapping[bytes, tuple[str, Callable[[bytes], Size]]]] = {
    b"\x89PNG": ("png", _png),
    b"GIF8": ("gif", _gif),
    b"BM": ("bmp", _bmp),
    b"RIFF": ("webp", _webp),
    b"II*\0": ("tiff", _tiff),
    b"MM\0*": ("tiff", _tiff),
    b"P5": ("pnm", _pnm),
    b"P6": ("pnm", _pnm),
    b"P2": ("pnm", _pnm),
    b"P3": ("pnm", _pnm),
    b"P1": ("pnm", _pnm),
    b"P4": ("pnm", _pnm),
}
