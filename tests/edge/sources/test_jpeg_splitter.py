"""Motion JPEG as cameras write it, and as nobody should."""

import contextlib
import random
import time

import pytest

from fer_edge.sources.capture import decode_jpeg
from fer_edge.sources.mjpeg import MOST_PICTURE_BYTES, JpegSplitter
from fer_edge.testing.fakes import encode_jpeg, noisy_picture

JPEGS = [encode_jpeg(noisy_picture(number)) for number in range(6)]
FUZZ_SECONDS = 3.0
FLOOD_SECONDS = 1.0


def split(data, *, chunk=4096):
    splitter = JpegSplitter()
    return [
        jpeg
        for start in range(0, len(data), chunk)
        for jpeg in splitter.feed(data[start : start + chunk])
    ]


def sent(*, length="Content-Length: {n}\r\n", off=0, cut=0, boundary="--frame", tail="\r\n"):
    """Return a stream as a camera might send it."""
    parts = []
    for jpeg in JPEGS:
        data = jpeg[: len(jpeg) - cut]
        stated = length.format(n=len(data) + off)
        parts.append(f"{boundary}\r\nContent-Type: image/jpeg\r\n{stated}\r\n".encode() + data)
    return tail.encode().join([*parts, b""])


WAYS = {
    "lengths": {}, "no lengths": {"length": ""}, "lengths too small": {"off": -7},
    "lengths a little too large": {"off": 2}, "lengths too large": {"off": 500},
    "no line after": {"length": "", "tail": ""}, "no dashes": {"boundary": "frame"},
    "lengths in small letters": {"length": "content-length:{n}\r\n"},
    "negative lengths": {"length": "Content-Length: -5\r\n"},
    "hexadecimal lengths": {"length": "Content-Length: 0x10\r\n"},
    "enormous lengths": {"length": "Content-Length: 999999999\r\n"},
    "a length of one": {"length": "Content-Length: 1\r\n"},
}  # fmt: skip


@pytest.mark.parametrize("chunk", [1, 97, 65536])
@pytest.mark.parametrize("way", WAYS)
def test_each_picture_is_found_whatever_is_said_around_it(way, chunk):
    assert split(sent(**WAYS[way]), chunk=chunk) == JPEGS


def test_pictures_one_after_the_other_are_found():
    assert split(b"".join(JPEGS), chunk=1000) == JPEGS


@pytest.mark.parametrize("length", ["Content-Length: {n}\r\n", ""], ids=["lengths", "no lengths"])
def test_pictures_without_an_end_marker_are_found(length):
    found = split(sent(length=length, cut=2))
    assert len(found) >= len(JPEGS) - 1, "the last one ends where the next would begin"
    assert [decode_jpeg(jpeg).tobytes() for jpeg in found] == [
        decode_jpeg(jpeg).tobytes() for jpeg in JPEGS[: len(found)]
    ]


def test_a_small_picture_inside_is_not_taken_for_one():
    small = encode_jpeg(noisy_picture(9, width=16, height=16))
    inside = b"\xff\xe1" + (len(small) + 2).to_bytes(2) + small
    jpegs = [jpeg[:2] + inside + jpeg[2:] for jpeg in JPEGS]
    assert split(b"\r\n".join(jpegs), chunk=100) == jpegs


@pytest.mark.parametrize("at", [0.05, 0.3, 0.5, 0.7, 0.95])
def test_a_picture_cut_off_costs_no_other(at):
    cut = JPEGS[1][: int(len(JPEGS[1]) * at)]
    found = split(b"\r\n--frame\r\n\r\n".join([JPEGS[0], cut, *JPEGS[2:]]))
    assert {JPEGS[0], *JPEGS[2:]} <= set(found)


def test_a_length_of_thousands_of_digits_is_no_cameras():
    with pytest.raises(ValueError, match="hundred digits"):
        split(sent(length=f"Content-Length: {'9' * 5000}\r\n"), chunk=65536)


@pytest.mark.parametrize(
    "flood",
    [b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\xff\xff", b"\xff", b"--frame\r\n", bytes(100),
     JPEGS[0][:-2], b"Content-Length: 20000000\r\n\r\n" + JPEGS[0]],
    ids=["starts", "segments", "fill", "boundaries", "zeros", "no ends", "large lengths"],
)  # fmt: skip
def test_memory_is_bounded_whatever_comes(flood):
    splitter = JpegSplitter()
    piece = flood * (2**16 // len(flood))
    give_up = time.monotonic() + FLOOD_SECONDS
    for _ in range(2 * MOST_PICTURE_BYTES // len(piece)):
        if time.monotonic() > give_up:
            break
        assert all(len(jpeg) <= MOST_PICTURE_BYTES for jpeg in splitter.feed(piece))
        assert len(splitter._bytes) <= MOST_PICTURE_BYTES + len(piece)


def mutated(draw):
    """Return a stream with some of it changed, left out, doubled or put elsewhere."""
    data = bytearray(sent(**WAYS[draw.choice(list(WAYS))]))
    for _ in range(draw.randrange(1, 30)):
        at, size = draw.randrange(len(data)), draw.randrange(1, 200)
        match draw.randrange(5):
            case 0:
                data[at] = draw.choice([0xFF, 0xD8, 0xD9, 0x0D, draw.randrange(256)])
            case 1:
                del data[at : at + size]
            case 2:
                data[at:at] = data[max(0, at - size) : at]
            case 3:
                data[at:at] = draw.randbytes(size)
            case 4:
                data[at:at] = draw.choice([b"\xff\xd8\xff", b"\xff\xd9", b"\r\n--", b"9" * 50])
        if not data:
            return b"\xff"
    return bytes(data)


def test_nothing_that_is_sent_breaks_it():
    draw = random.Random(20)
    give_up, rounds = time.monotonic() + FUZZ_SECONDS, 0
    while time.monotonic() < give_up:
        data = mutated(draw)
        with contextlib.suppress(ValueError):  # a length of a hundred digits
            found = []
            found = split(data, chunk=draw.choice([13, 1000, 65536]))
        assert sum(map(len, found)) <= len(data)
        assert all(jpeg in data for jpeg in found), "nothing is made up"
        rounds += 1
    assert rounds > 20
