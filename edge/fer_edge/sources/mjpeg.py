"""Motion JPEG, taken apart here: a JPEG decodes to grey for half of what colour costs."""

import re
from collections.abc import Iterator
from typing import Final

from fer_edge.shared.data.jpeg import END, MARKER, START, has_length

MOST_PICTURE_BYTES: Final = 16 * 2**20
"""A still of 12 megapixels in the best quality takes half of it."""

_MOST_BETWEEN: Final = 8192
"""Bytes before a picture that are kept: a part's headers, by far."""
_LENGTH: Final = re.compile(rb"(?i)\ncontent-length:[ \t]*(\d{1,9})[ \t]*\r?\n")
_ABSURD: Final = re.compile(rb"\d{100}")
_PART: Final = re.compile(rb"\r?\n--[^\r\n]{1,100}\r?\n(?:[\t\x20-\x7e]*\r?\n)*\r?\n?$")
_AFTER_PICTURE: Final = (b"\r\n", b"\n-", b"--")
_NEARLY: Final = 16
"""Bytes by which a stated length may be too large without being wrong."""
_MAY_HOLD_PICTURES: Final = frozenset({*range(0xE0, 0xF0), 0xFE})
"""Segments of applications, with a small picture in them at times, and comments."""
_SECOND_START: Final = 0xD8
_LAST: Final = 0xD9


class JpegSplitter:
    """Finds the JPEGs in what a camera sends, whatever it sends around them.

    Each is followed from its first marker to its last, so boundaries may be spelled, and lengths
    be stated, as they like. A stated length is believed as long as pictures end where it says;
    that spares looking through them. A picture without its last marker ends where the next one,
    or the headers before that, begin.
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._inside = False
        self._at = 0
        self._stated = 0
        self._lengths_hold = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take what has come, and yield the JPEGs that are whole by now.

        Never holds more than `MOST_PICTURE_BYTES` and what is fed at once.

        Raises:
            ValueError: What stands around them is no camera's.
        """
        self._bytes += data
        while self._inside or self._begin():
            end = self._find_end()
            if end is None:
                if len(self._bytes) <= MOST_PICTURE_BYTES:
                    return
                self._forget(len(self._bytes))
                continue
            with memoryview(self._bytes) as view:
                jpeg = bytes(view[:end])
            self._forget(end)
            yield jpeg

    def _begin(self) -> bool:
        """Go to the first marker of the next picture; return whether it is there."""
        start = self._bytes.find(START)
        if start < 0:
            del self._bytes[:-_MOST_BETWEEN]
            return False
        before = b"\n" + self._bytes[max(0, start - _MOST_BETWEEN) : start]
        if _ABSURD.search(before):
            raise ValueError("a length of more than a hundred digits is stated")
        lengths = _LENGTH.findall(before)
        self._stated = int(lengths[-1]) if lengths and self._lengths_hold else 0
        if not _NEARLY < self._stated < MOST_PICTURE_BYTES:
            self._stated = 0
        del self._bytes[:start]
        self._inside = True
        self._at = len(START) - 1
        return True

    def _forget(self, end: int) -> None:
        del self._bytes[:end]
        self._inside = False

    def _find_end(self) -> int | None:
        if self._stated:
            if len(self._bytes) < self._stated:
                return None
            after = self._stated + 2
            last = self._bytes.rfind(END, self._stated - _NEARLY, self._stated)
            if last > 0:
                return last + len(END)
            if len(self._bytes) < after:
                return None
            if self._bytes[self._stated : after].startswith(_AFTER_PICTURE):
                return self._stated
            self._stated, self._lengths_hold = 0, False
        return self._follow_markers()

    def _follow_markers(self) -> int | None:
        while (found := MARKER.search(self._bytes, self._at)) is not None:
            start, after, code = found.start(), found.end(), self._bytes[found.start() + 1]
            if code == _LAST:
                return after
            if code == _SECOND_START:
                return self._without_part(start)
            self._at = start
            if has_length(code):
                length = int.from_bytes(self._bytes[after : after + 2])
                if len(self._bytes) < after + max(2, length):
                    return None
                after += max(2, length)
                if code not in _MAY_HOLD_PICTURES:
                    cut = self._bytes.find(START, start, after + len(START) - 1)
                    if cut > 0:
                        return self._without_part(cut)
            self._at = after
        self._at = max(self._at, len(self._bytes) - 1)  # a marker may be half there
        return None

    def _without_part(self, end: int) -> int:
        """Return where a picture ends that the next one follows, after its part's headers."""
        begin = max(0, end - _MOST_BETWEEN)
        part = _PART.search(self._bytes[begin:end])
        return begin + part.start() if part else end
