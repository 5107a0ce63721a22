"""FFmpeg in its child: what it cannot convert, and how it ends."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from fer_edge.shared.errors import EXIT_UNAVAILABLE, SourceUnavailableError, VideoError
from fer_edge.shared.opencv import cv2
from fer_edge.sources import shared_pictures
from fer_edge.sources.ffmpeg import DecoderError, FfmpegDecoder
from fer_edge.sources.stream import NetworkStream
from fer_edge.sources.video import VideoFile
from fer_edge.testing.fakes import noisy_picture

INTERLACED = Path(str(files("fer_edge") / "assets/interlaced.mkv"))
SHAPE = (120, 160)
FRAMES = 12
ENCODERS = {
    "h264.mp4": ["-c:v", "libx264", "-x264opts", "tff=1", "-flags", "+ildct+ilme"],
    "mpeg2.ts": ["-c:v", "mpeg2video", "-flags", "+ildct+ilme"],
    "mpeg4.avi": ["-c:v", "mpeg4", "-flags", "+ildct+ilme"],
    "prores.mov": ["-c:v", "prores_ks", "-flags", "+ildct+ilme"],
}
need_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="no ffmpeg to make clips with: apt-get install ffmpeg"
)


def make_clip(path, options):
    """Write noisy pictures, FRAMES of them, as a video; skip where the encoder is not there."""
    chroma = bytes([128]) * (SHAPE[0] * SHAPE[1] // 2)
    frames = b"".join(noisy_picture(number).tobytes() + chroma for number in range(FRAMES))
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p"]
    command += ["-s", "160x120", "-r", "12", "-i", "-"]
    done = subprocess.run(
        [*command, *options, str(path)], input=frames, capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"ffmpeg makes no {path.name}: {done.stderr.decode()[-200:]}")
    return path


def read_all(path):
    """Return the pictures of a clip and why it was refused, one of them empty."""
    try:
        with VideoFile(path) as clip:
            return [frame.grey for frame in iter(lambda: clip.read(5.0), None)], None
    except VideoError as error:
        return [], error


def is_right(path):
    """Return whether a clip is read rightly; False where it is refused for being interlaced."""
    pictures, refused = read_all(path)
    if refused is not None:
        assert f"interlaced video, which OpenCV {cv2.__version__} leaves black" in refused.found
        assert "bwdif" in refused.fix
        return False
    for number, grey in enumerate(pictures):
        assert abs(grey.astype(int) - noisy_picture(number)).mean() < 8
    assert len(pictures) == FRAMES
    return True


def test_an_interlaced_video_is_read_or_refused_and_never_black():
    expected = np.add.outer(np.arange(48) * 2, np.arange(64) * 2).astype(np.uint8) + 20
    pictures, refused = read_all(INTERLACED)
    if refused is not None:
        assert "interlaced" in refused.found
    else:
        assert pictures
        assert abs(pictures[0].astype(int) - expected).mean() < 8


@need_ffmpeg
@pytest.mark.parametrize("name", ENCODERS)
def test_interlaced_video_of_each_kind_is_read_or_refused(tmp_path, name):
    is_right(make_clip(tmp_path / name, ENCODERS[name]))


@need_ffmpeg
@pytest.mark.parametrize("name", ENCODERS)
def test_progressive_video_of_the_same_kinds_is_read(tmp_path, name):
    assert is_right(make_clip(tmp_path / name, [*ENCODERS[name][:2], "-qscale:v", "2"]))


@need_ffmpeg
def test_an_interlaced_stream_is_a_fault_with_its_cause(tmp_path):
    data = make_clip(tmp_path / "live.ts", ENCODERS["mpeg2.ts"]).read_bytes()
    readable = is_right(tmp_path / "live.ts")

    def answer(channel):
        channel.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + 40 * data)
        time.sleep(5)

    with listening(answer) as place:
        url = f"http://{place}/live.ts"
        if readable:
            with NetworkStream(url, open_timeout_seconds=10) as stream:
                assert stream.read(5.0).grey.mean() > 60
            return
        with pytest.raises(SourceUnavailableError, match="interlaced") as caught:
            NetworkStream(url, open_timeout_seconds=10)
        assert caught.value.exit_code == EXIT_UNAVAILABLE


@contextlib.contextmanager
def listening(answer):
    """Listen, and answer each who connects; give the place."""

    def serve():
        with contextlib.suppress(OSError):
            while True:
                channel, _ = server.accept()
                threading.Thread(target=one, args=(channel,), daemon=True).start()

    def one(channel):
        with channel, contextlib.suppress(OSError):
            channel.recv(65536)
            answer(channel)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def child_of(decoder):
    return decoder._process.pid


def is_alive(pid):
    return Path(f"/proc/{pid}").exists()


def test_closing_ends_a_child_that_is_stopped(make_video):
    decoder = FfmpegDecoder(str(make_video(frames=200)))
    decoder.opened(20.0)
    pid = child_of(decoder)
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    decoder.close()
    decoder.close()
    assert time.monotonic() - began < 4
    assert not is_alive(pid)


def test_a_child_that_stands_still_is_not_waited_for(make_video):
    with FfmpegDecoder(str(make_video(frames=2000))) as decoder:
        decoder.opened(20.0)
        os.kill(child_of(decoder), signal.SIGSTOP)
        with pytest.raises(DecoderError, match=r"nothing came within 0\.3 s"):
            list(iter(lambda: decoder.read(0.3), None))


def test_a_child_that_crashes_is_an_error_with_its_signal(make_video):
    with FfmpegDecoder(str(make_video(frames=2000))) as decoder:
        decoder.opened(20.0)
        os.kill(child_of(decoder), signal.SIGSEGV)
        with pytest.raises(DecoderError, match=r"crashed .signal 11"):
            list(iter(lambda: decoder.read(5.0), None))


def test_a_child_does_not_outlive_its_parent(make_video):
    script = """
import sys
from fer_edge.sources.ffmpeg import FfmpegDecoder
decoder = FfmpegDecoder(sys.argv[1])
decoder.opened(20.0)
print(decoder._process.pid, flush=True)
sys.stdin.readline()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script, str(make_video(frames=2000))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as parent:  # fmt: skip
        pid = int(parent.stdout.readline())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        assert b"clip.mp4" not in command, "what is read is in no list of processes"
        parent.kill()
    give_up = time.monotonic() + 10
    while is_alive(pid):
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_a_server_that_states_two_gigabytes_gets_none():
    """FFmpeg makes room for what an RTSP server states as the length of its answer."""
    script = """
import resource, sys
from fer_edge.shared.errors import SourceUnavailableError
from fer_edge.sources.stream import NetworkStream
try:
    NetworkStream(sys.argv[1], open_timeout_seconds=2.0, read_timeout_seconds=1.0)
except SourceUnavailableError:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""

    def answer(channel):
        ok = b"RTSP/1.0 200 OK\r\nCSeq: %d\r\n"
        channel.sendall(ok % 1 + b"Public: DESCRIBE, SETUP, PLAY\r\n\r\n")
        channel.recv(65536)
        head = b"Content-Type: application/sdp\r\nContent-Length: 2000000000\r\n\r\n"
        channel.sendall(ok % 2 + head)
        while True:
            channel.sendall(b"a" * 65536)

    with listening(answer) as place:
        done = subprocess.run(
            [sys.executable, "-c", script, f"rtsp://{place}/x"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    assert 0 < int(done.stdout) < 120


@pytest.mark.parametrize("size", [(8192, 8192), (16000, 1200)])
def test_a_video_of_enormous_frames_is_refused(tmp_path, size):
    path = tmp_path / "large.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5, size)
    writer.write(np.zeros((size[1], size[0], 3), np.uint8))
    writer.release()
    with pytest.raises(VideoError, match=r"pixels|memory"):
        VideoFile(path)


def decoded(path):
    """Return a clip's pictures as OpenCV reads them in this process."""
    capture = cv2.VideoCapture(str(path))
    pictures = []
    while (picture := capture.read()[1]) is not None:
        pictures.append(picture)
    capture.release()
    return pictures


@pytest.mark.parametrize("kept", [1, 3, 12])
def test_pictures_that_are_kept_stay_as_they_were(make_video, kept):
    """They lie in memory that the decoder writes to once nobody looks any more."""
    path = make_video(frames=30)
    held = []
    with FfmpegDecoder(str(path), colour=True) as decoder:
        decoder.opened(20.0)
        for number, expected in enumerate(decoded(path)):
            picture = decoder.read(5.0)
            held = [*held, (expected, picture)][-kept:]
            assert np.array_equal(held[0][1].colour(), held[0][0]), number
        assert decoder.read(5.0) is None
    for expected, picture in held:
        assert np.array_equal(picture.colour(), expected), "after it is closed, too"
        assert np.array_equal(picture.grey, cv2.cvtColor(expected, cv2.COLOR_BGR2GRAY))


def test_a_view_into_a_picture_keeps_it(make_video):
    path = make_video(frames=30)
    with FfmpegDecoder(str(path)) as decoder:
        decoder.opened(20.0)
        corner = decoder.read(5.0).grey[10:40, 10:40].T
        before = corner.copy()
        for _ in range(20):
            decoder.read(5.0)
        assert np.array_equal(corner, before)


def test_memory_that_is_shared_cannot_be_made_smaller():
    memory = shared_pictures.create(10**6)
    try:
        with pytest.raises(PermissionError):
            os.ftruncate(memory, 0)
        shared = shared_pictures.SharedPictures(memory, 10**6)
        with pytest.raises(ValueError, match="do not fit"):
            shared.picture(0, (2000, 2000))
    finally:
        os.close(memory)
