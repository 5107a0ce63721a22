"""What can still be read of a damaged spool.

SQLite refuses a file whose parts do not fit together. Here the pages are read one by one, as the
format describes them, and whatever does not hold is left out.

Source:
    SQLite's file format, https://www.sqlite.org/fileformat2.html: sections 1.6 (trees), 2.1
    (records) and 4 (the write-ahead log).
"""

import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from fer_edge.shared.named_files import open_named
from fer_edge.sinks.spool.row import Row, is_sound_counter, is_sound_row

PAGE_BYTES: Final = 1024
"""Of the spool's own files."""
_EVENTS_ROOT: Final = 2  # where a new spool has its tables, in the order of their making
_COUNTERS_ROOT: Final = 3
_INNER, _LEAF, _INDEX_LEAF = b"\x05", b"\x0d", b"\x0a"
_WAL_HEAD: Final = struct.Struct(">4x4xI4x8s8x")  # page size, salts
_FRAME_HEAD: Final = struct.Struct(">II8s8x")  # page, pages after a commit, salts
_MOST_ENTRY_BYTES: Final = 1 << 24
_MOST_PAGES: Final = 1 << 20
"""That are looked at where the tree's root is broken."""
_INTEGER_BYTES: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_BROKEN: Final = (IndexError, ValueError, struct.error)
"""What reading bytes that do not hold ends in."""


class Salvaged(NamedTuple):
    """What was found.

    Attributes:
        rows: In order.
        counters: By name.
    """

    rows: list[Row]
    counters: dict[str, int]


def salvage(path: Path, *, most_bytes: int) -> Salvaged:
    """Read what can be read; nothing is changed.

    Args:
        path: Of the spool; its write-ahead log lies beside it.
        most_bytes: Of events; where there are more, those found first go.
    """
    rows: dict[int, Row] = {}
    size = 0
    with _Pages(path) as pages:
        for row in _rows(pages):
            if row.position not in rows:
                rows[row.position] = row
                size += row.size
            while size > most_bytes:
                size -= rows.pop(next(iter(rows))).size
        entries = _entries(pages.read(_COUNTERS_ROOT))
        counters = {name: value for name, value in entries if is_sound_counter(name, value)}
    return Salvaged([rows[position] for position in sorted(rows)], counters)


class _Pages:
    """The newest whole image of each page, from the write-ahead log or the file.

    A page that is nowhere is empty.
    """

    def __init__(self, path: Path) -> None:
        self._stack = ExitStack()
        self._file = self._open(path)
        self._log = self._open(Path(f"{path}-wal"))
        self._places = _newest_frames(self._log) if self._log else {}
        self._taken: set[int] = set()

    def numbers(self) -> list[int]:
        """Return the numbers of the pages."""
        end = self._file.seek(0, 2) // PAGE_BYTES if self._file else 0
        return sorted({*range(1, min(end, _MOST_PAGES) + 1), *self._places})

    def take(self, number: int) -> bytes:
        """Return a page the first time, and nothing later: in a sound file it has one place."""
        if number in self._taken:
            return b""
        self._taken.add(number)
        return self.read(number)

    def read(self, number: int) -> bytes:
        """Return a page, or nothing."""
        place = self._places.get(number)
        file, at = (self._file, (number - 1) * PAGE_BYTES) if place is None else (self._log, place)
        if file is None or at < 0:
            return b""
        file.seek(at)
        data = file.read(PAGE_BYTES)
        return data if len(data) == PAGE_BYTES else b""

    def _open(self, path: Path) -> BinaryIO | None:
        try:
            return self._stack.enter_context(open_named(path))
        except OSError:
            return None

    def __enter__(self) -> "_Pages":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _newest_frames(log: BinaryIO) -> dict[int, int]:
    """Return where each page's newest image lies, of those that were committed."""
    places: dict[int, int] = {}
    uncommitted: dict[int, int] = {}
    try:
        page_bytes, salts = _WAL_HEAD.unpack(log.read(_WAL_HEAD.size))
    except struct.error:
        return {}
    while page_bytes == PAGE_BYTES and len(head := log.read(_FRAME_HEAD.size)) == _FRAME_HEAD.size:
        number, pages, of = _FRAME_HEAD.unpack(head)
        if of != salts or not number:  # a frame from before the log began anew
            break
        uncommitted[number] = log.tell()
        log.seek(PAGE_BYTES, 1)
        if pages:
            places |= uncommitted
            uncommitted.clear()
    return places


def _rows(pages: _Pages) -> Iterator[Row]:
    for page in _leaves(pages):
        for at in _cells(page, 8):
            try:
                row = _row(pages, page, at)
            except _BROKEN:
                continue
            if is_sound_row(row):
                yield row


def _leaves(pages: _Pages) -> Iterator[bytes]:
    """Yield the leaves of the events' tree in order, then those that a broken one has lost."""
    waiting, is_broken = [_EVENTS_ROOT], False
    while waiting:
        page = pages.take(waiting.pop())
        if page[:1] == _LEAF:
            yield page
        elif page[:1] == _INNER:
            children = [_number(page, at, 4) for at in _cells(page, 12, spare=4)]
            waiting += [_number(page, 8, 4), *reversed(children)]
        else:
            is_broken = True
    if is_broken:
        free = _free(pages)
        rest = (pages.take(number) for number in pages.numbers() if number not in free)
        yield from (page for page in rest if page[:1] == _LEAF)


def _free(pages: _Pages) -> set[int]:
    """Return the pages that are out of use: what they hold was removed, as delivered or old."""
    free: set[int] = set()
    following = _number(pages.read(1) or bytes(PAGE_BYTES), 32, 4)
    while following and following not in free and (page := pages.read(following)):
        free.add(following)
        count = min(_number(page, 4, 4), PAGE_BYTES // 4 - 2)
        free.update(_number(page, 8 + 4 * index, 4) for index in range(count))
        following = _number(page, 0, 4)
    return free


def _cells(page: bytes, head: int, *, spare: int = 1) -> list[int]:
    """Return where a page's cells begin, each with so many bytes behind it at least."""
    count = _number(page, 3, 2)
    ends = range(head, min(head + 2 * count, len(page) - 1), 2)
    return [at for at in (_number(page, end, 2) for end in ends) if at <= len(page) - spare]


def _row(pages: _Pages, page: bytes, at: int) -> Row:
    size, at = _varint(page, at)
    position, at = _varint(page, at)
    _, kept_at, payload = _record(_payload(pages, page, at, size))
    if not (isinstance(kept_at, int | float) and isinstance(payload, str)):
        raise ValueError(kept_at)  # noqa: TRY004 - joins what else does not hold
    return Row(position, float(kept_at), payload)


def _entries(page: bytes) -> Iterator[tuple[str, int]]:
    """Yield the texts and numbers of an index's only page."""
    if page[:1] != _INDEX_LEAF:
        return
    for cell in _cells(page, 8):
        try:
            size, at = _varint(page, cell)
            name, value = _record(page[at : at + size])
        except _BROKEN:
            continue
        if isinstance(name, str) and isinstance(value, int):
            yield name, value


def _payload(pages: _Pages, page: bytes, at: int, size: int) -> bytes:
    """Return a cell's content, with what of it lies on further pages."""
    if size > _MOST_ENTRY_BYTES:
        raise ValueError(size)
    most, least = PAGE_BYTES - 35, (PAGE_BYTES - 12) * 32 // 255 - 23
    if size <= most:
        return page[at : at + size]
    here = least + (size - least) % (PAGE_BYTES - 4)
    here = here if here <= most else least
    content, further = page[at : at + here], _number(page, at + here, 4)
    while len(content) < size:
        more = pages.take(further)
        content, further = content + more[4:], _number(more, 0, 4)
    return content[:size]


def _record(data: bytes) -> list[int | float | str | bytes | None]:
    """Return the values of a record, which fills all of `data`."""
    head, at = _varint(data, 0)
    kinds: list[int] = []
    while at < head:
        kind, at = _varint(data, at)
        kinds.append(kind)
    values: list[int | float | str | bytes | None] = []
    for kind in kinds:
        value, at = _value(data, at, kind)
        values.append(value)
    if at != len(data):
        raise ValueError(at)
    return values


def _value(data: bytes, at: int, kind: int) -> tuple[int | float | str | bytes | None, int]:
    if kind in _INTEGER_BYTES:
        end = at + _INTEGER_BYTES[kind]
        return int.from_bytes(data[at:end], "big", signed=True), end
    if kind == 7:
        return struct.unpack(">d", data[at : at + 8])[0], at + 8
    if kind in {8, 9}:
        return kind - 8, at
    if kind >= 12:
        end = at + (kind - 12) // 2
        return (data[at:end].decode() if kind % 2 else data[at:end]), end
    return None, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of one to nine bytes, and where it ends."""
    value = 0
    for length in range(1, 10):
        byte = data[at + length - 1]
        if length == 9:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return value, at + length


def _number(data: bytes, at: int, length: int) -> int:
    """Return an unsigned number.

    Raises:
        struct.error: There are not so many bytes.
    """
    return int(struct.unpack_from(">I" if length == 4 else ">H", data, at)[0])
