"""Cameras over HTTP that answer in their own way, or in no camera's way."""

import contextlib
import socket
import threading
import time
import warnings
from collections.abc import Callable

import pytest

from fer_edge.assemble.sources import make_source
from fer_edge.settings import SourceSettings
from fer_edge.shared.errors import EXIT_UNAVAILABLE, SourceUnavailableError
from fer_edge.shared.opencv import cv2
from fer_edge.sources.stream import NetworkStream
from fer_edge.testing.fakes import encode_jpeg, noisy_picture

PICTURES = [noisy_picture(number) for number in range(8)]
JPEGS = [encode_jpeg(picture) for picture in PICTURES]
PATIENT = {"open_timeout_seconds": 20.0, "read_timeout_seconds": 10.0}
QUICK = {"open_timeout_seconds": 1.0, "read_timeout_seconds": 0.5}
MULTIPART = "multipart/x-mixed-replace; boundary=f"


class RawCamera:
    """Answers each connection with what a function sends; remembers what was asked."""

    def __init__(self, answer: Callable[[socket.socket, bytes], None]) -> None:
        self.asked: list[bytes] = []
        self._answer = answer
        self._listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self._listening.getsockname()[1]}"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                channel, _ = self._listening.accept()
                threading.Thread(target=self._one, args=(channel,), daemon=True).start()

    def _one(self, channel: socket.socket) -> None:
        with channel, contextlib.suppress(OSError):
            asked = b""
            while b"\r\n\r\n" not in asked:
                asked += channel.recv(4096) or b"\r\n\r\n"
            self.asked.append(asked)
            self._answer(channel, asked)


@pytest.fixture
def serve():
    made = []

    def serve(answer):
        made.append(RawCamera(answer))
        return made[-1]

    yield serve
    for camera in made:
        camera.close()


def header(media_type, *lines, version="1.0", status="200 OK"):
    said = [f"HTTP/{version} {status}", f"Content-Type: {media_type}", *lines]
    return "\r\n".join([*said, "", ""]).encode()


def streaming(media_type, part, *lines, version="1.0"):
    """Return an answer that sends the pictures, each in a part, for some seconds."""

    def answer(channel, _asked):
        channel.sendall(header(media_type, *lines, version=version))
        for number in range(200):
            channel.sendall(part(JPEGS[number % len(JPEGS)]))
            time.sleep(0.02)

    return answer


def a_part(boundary="f", *, length=True, cut=0, off=0):
    def part(jpeg):
        data = jpeg[: len(jpeg) - cut]
        stated = f"Content-Length: {len(data) + off}\r\n" if length else ""
        head = f"--{boundary}\r\nContent-Type: image/jpeg\r\n{stated}\r\n"
        return head.encode() + data + b"\r\n"

    return part


def chunked(part):
    def chunk(jpeg):
        data = part(jpeg)
        return b"%x\r\n" % len(data) + data + b"\r\n"

    return chunk


WAYS = {
    "another boundary": streaming("multipart/x-mixed-replace; boundary=foo", a_part("bar")),
    "boundary in other letters": streaming(
        "multipart/x-mixed-replace; boundary=MyBoundary", a_part("myboundary")
    ),
    "no boundary": streaming("multipart/x-mixed-replace", a_part()),
    "mixed": streaming("multipart/mixed; boundary=f", a_part()),
    "related": streaming("multipart/related; boundary=f", a_part()),
    "length too small": streaming(MULTIPART, a_part(off=-7)),
    "length too large": streaming(MULTIPART, a_part(off=40)),
    "no end marker": streaming(MULTIPART, a_part(cut=2)),
    "neither length nor end marker": streaming(MULTIPART, a_part(cut=2, length=False)),
    "chunked": streaming(
        MULTIPART, chunked(a_part()), "Transfer-Encoding: chunked", version="1.1"
    ),
    "bare pictures": streaming("video/x-motion-jpeg", bytes),
    "an endless picture": streaming("image/jpeg", bytes),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_whatever_way_a_camera_serves_its_pictures_come(serve, way):
    camera = serve(WAYS[way])
    with NetworkStream(f"http://{camera.place}/video", **PATIENT) as stream:
        frames = [stream.read(5.0) for _ in range(8)]
        assert stream.dropped < 8
    assert all(frame.grey.shape == (120, 160) for frame in frames)
    assert len({frame.grey.tobytes() for frame in frames}) > 4, "they change"


def a_still(kind=".jpg", *lines, version="1.0"):
    """Return an answer that gives one picture, and another one to the next question."""
    number = iter(range(10_000))

    def answer(channel, _asked):
        data = cv2.imencode(kind, PICTURES[next(number) % len(PICTURES)])[1].tobytes()
        length = f"Content-Length: {len(data)}"
        channel.sendall(header(f"image/{kind[1:]}", length, *lines, version=version) + data)

    return answer


@pytest.mark.parametrize("kind", [".jpg", ".png", ".webp"])
def test_a_camera_of_single_pictures_is_asked_again_and_again(serve, kind):
    camera = serve(a_still(kind))
    settings = SourceSettings(uri=f"http://{camera.place}/snapshot", interval_seconds=0.2)
    with make_source(settings) as stream:
        began = time.monotonic()
        frames = [stream.read(10.0) for _ in range(6)]
        assert time.monotonic() - began > 4 * 0.2
        assert stream.period_seconds == 0.2
    assert len({frame.grey.tobytes() for frame in frames}) > 4


def test_a_camera_of_single_pictures_that_goes_away_has_failed(serve):
    camera = serve(a_still())
    with NetworkStream(f"http://{camera.place}/s", interval_seconds=0.1, **QUICK) as stream:
        stream.read(5.0)
        camera.close()
        with pytest.raises(SourceUnavailableError, match="nothing listens"):
            list(iter(lambda: stream.read(5.0), None))


@pytest.mark.parametrize("realm", ["x", "my camera", '"quoted"', "x, charset=UTF-8"])
def test_a_realm_may_lack_its_quotes(serve, realm):
    def answer(channel, asked):
        if b"Authorization: Basic dmlld2VyOnNlY3JldA==" in asked:
            streaming(MULTIPART, a_part())(channel, asked)
        else:
            challenge = f"WWW-Authenticate: Basic realm={realm}"
            channel.sendall(header("text/html", challenge, status="401 Unauthorized"))

    camera = serve(answer)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with NetworkStream(f"http://viewer:secret@{camera.place}/video", **PATIENT) as stream:
            assert stream.read(5.0) is not None
    assert said == []


def saying(data, *, hold=True):
    def answer(channel, _asked):
        channel.sendall(data)
        if hold:
            time.sleep(10)

    return answer


def one_letter_at_a_time(data):
    def answer(channel, _asked):
        for letter in data:
            channel.sendall(bytes([letter]))
            time.sleep(0.1)

    return answer


PART = b"--f\r\nContent-Type: image/jpeg\r\n"
HOSTILE = {
    "a length of thousands of digits": saying(
        header(MULTIPART) + PART + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + JPEGS[0]
    ),
    "a chunk beyond all numbers": saying(
        header(MULTIPART, "Transfer-Encoding: chunked", version="1.1")
        + b"F" * 17 + b"\r\n" + a_part()(b"no picture")
    ),
    "a chunk of negative size": saying(
        header(MULTIPART, "Transfer-Encoding: chunked", version="1.1") + b"-5\r\nzz"
    ),
    "a digest without a value": saying(
        header("text/html", "WWW-Authenticate: Digest realm=", "Content-Length: 0",
               status="401 Unauthorized"), hold=False
    ),
    "a digest of another kind": saying(
        header("text/html", 'WWW-Authenticate: Digest realm="a", algorithm=NONE, nonce="n"',
               "Content-Length: 0", status="401 Unauthorized"), hold=False
    ),
    "a status of many digits": saying(b"HTTP/1.1 " + b"2" * 5000 + b" OK\r\n\r\n", hold=False),
    "a header without end": saying(b"HTTP/1.0 200 OK\r\nX: " + b"b" * 200_000),
    "a thousand headers": saying(b"HTTP/1.0 200 OK\r\n" + b"X-A: b\r\n" * 1000 + b"\r\n"),
    "a length of the answer that is none": saying(
        header(MULTIPART, "Content-Length: " + "9" * 5000) + b"no picture"
    ),
    "a header one letter at a time": one_letter_at_a_time(header(MULTIPART) * 20),
    "a part one letter at a time": one_letter_at_a_time(header(MULTIPART) + PART * 20),
    "no HTTP at all": saying(b"\x16\x03\x01" * 100, hold=False),
    "a redirection to nowhere": saying(
        header("text/html", "Location: http://[", status="302 Found"), hold=False
    ),
    "a type of nothing": saying(header("; ; =") + JPEGS[0][:200], hold=False),
}  # fmt: skip


@pytest.mark.parametrize("way", HOSTILE)
def test_no_answer_is_more_than_a_fault_of_the_camera(serve, way):
    camera = serve(HOSTILE[way])
    began = time.monotonic()
    with pytest.raises(SourceUnavailableError) as caught:
        NetworkStream(f"http://viewer:Geheim1@{camera.place}/video", **QUICK)
    assert caught.value.exit_code == EXIT_UNAVAILABLE
    assert "Geheim1" not in str(caught.value)
    assert time.monotonic() - began < 15
    assert len(camera.asked) < 12


def test_a_slow_header_leaves_neither_thread_nor_descriptor(serve):
    camera = serve(HOSTILE["a header one letter at a time"])

    def threads():
        return sum(thread.name.startswith("capture") for thread in threading.enumerate())

    before = threads()
    for _ in range(3):
        with pytest.raises(SourceUnavailableError, match=r"does not answer within 0\.3 s"):
            NetworkStream(
                f"http://{camera.place}/v", open_timeout_seconds=0.3, read_timeout_seconds=0.3
            )
    assert threads() == before


def test_the_cameras_own_words_are_not_repeated(serve):
    camera = serve(saying(header("text/html", status="403 \x1b[31mGeheim1"), hold=False))
    with pytest.raises(SourceUnavailableError, match="answers 403 Forbidden;") as caught:
        NetworkStream(f"http://viewer:Geheim1@{camera.place}/v", **QUICK)
    assert "Geheim1" not in str(caught.value)


def to(url):
    return saying(header("text/html", f"Location: {url}", "Content-Length: 0", status="302 Found"),
                  hold=False)  # fmt: skip


def test_a_camera_sends_us_to_its_own_host_and_no_other_unless_that_is_allowed(serve):
    good = serve(WAYS["chunked"])
    near = serve(to(f"http://{good.place}/v"))
    far = serve(to(f"http://{good.place.replace('127.0.0.1', 'localhost')}/v"))
    with NetworkStream(f"http://{near.place}/", **PATIENT) as stream:
        assert stream.read(5.0) is not None
    asked = len(good.asked)
    with pytest.raises(SourceUnavailableError, match=r"sends us elsewhere .*source\.redirects"):
        NetworkStream(f"http://{far.place}/", **QUICK)
    assert len(good.asked) == asked, "not even asked"
    settings = SourceSettings(uri=f"http://{far.place}/", redirects="any")
    with make_source(settings) as stream:
        assert stream.read(5.0) is not None


def test_nor_does_ffmpeg_follow_a_camera_to_another_host(serve):
    """Python's HTTP does not take this answer, so FFmpeg is asked."""
    other = serve(saying(header("video/mp4"), hold=False))
    away = f"http://{other.place.replace('127.0.0.1', 'localhost')}/v"
    many = [f"X-{number}: more than Python takes" for number in range(150)]
    moved = header("text/html", f"Location: {away}", *many, status="302 Found")
    camera = serve(saying(moved, hold=False))
    for anywhere in (False, True):
        with pytest.raises(SourceUnavailableError):
            NetworkStream(f"http://{camera.place}/", anywhere=anywhere, **QUICK)
        assert bool(other.asked) is anywhere
