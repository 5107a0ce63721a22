"""Motion JPEG over HTTP, as cameras write it."""

import functools
import hashlib
import http.server
import itertools
import re
import threading
import time

import pytest

from fer_edge.shared.errors import SourceUnavailableError
from fer_edge.sources.stream import NetworkStream
from fer_edge.testing.fakes import MjpegServer, number_of

PATIENT = {"open_timeout_seconds": 20.0, "read_timeout_seconds": 10.0}
MULTIPART = "multipart/x-mixed-replace"


@pytest.mark.parametrize("stated_lengths", [True, False], ids=["lengths", "no lengths"])
@pytest.mark.parametrize(
    "content_type",
    [
        f"{MULTIPART}; boundary=frame",
        f'{MULTIPART}; boundary="frame"',
        f"{MULTIPART};boundary=--frame",
        f"{MULTIPART.upper()}; charset=none; boundary=frame",
    ],
)
def test_every_picture_is_delivered(content_type, stated_lengths):
    with (
        MjpegServer(content_type=content_type, stated_lengths=stated_lengths) as camera,
        NetworkStream(camera.url, **PATIENT) as stream,
    ):
        frames = [stream.read(5.0) for _ in range(20)]
    steps = [
        ((number_of(after.grey) - number_of(before.grey)) % 50, after.index - before.index)
        for before, after in itertools.pairwise(frames)
    ]
    assert all(pictures == indices for pictures, indices in steps)


@pytest.mark.parametrize("stated_lengths", [True, False])
def test_a_picture_cut_off_costs_that_one_only(stated_lengths):
    with MjpegServer(stated_lengths=stated_lengths) as camera:
        camera.behaviour = "damaged"
        with NetworkStream(camera.url, **PATIENT) as stream:
            assert all(stream.read(5.0) is not None for _ in range(10))


@pytest.mark.parametrize("behaviour", ["stall", "garbage", "end"])
def test_the_next_picture_is_not_waited_for_beyond_the_time(camera, behaviour):
    with NetworkStream(camera.url, open_timeout_seconds=5, read_timeout_seconds=0.5) as stream:
        stream.read(5.0)
        camera.behaviour = behaviour
        began = time.monotonic()
        with pytest.raises(SourceUnavailableError, match="stopped"):
            list(iter(lambda: stream.read(5.0), None))
        assert time.monotonic() - began < 4


class Site(http.server.BaseHTTPRequestHandler):
    """Redirects /old to /clip, asks for a digest at /secret, serves a video as /clip."""

    def __init__(self, *arguments, camera, clip):
        self.camera, self.clip = camera, clip
        super().__init__(*arguments)

    def do_GET(self):
        if self.path == "/clip":
            self.answer(200, body=self.clip.read_bytes(), Content_Type="video/mp4")
        elif self.path == "/old":
            self.answer(302, Location=self.camera.url)
        elif self.path == "/elsewhere":
            self.answer(302, Location="file:///etc/hostname")
        elif self.path == "/secret" and self.proves("viewer", "Geheim1"):
            self.answer(302, Location=self.camera.url)
        elif self.path == "/secret":
            self.answer(401, WWW_Authenticate='Digest realm="camera", nonce="n1", qop="auth"')
        else:
            self.answer(404)

    def answer(self, status, *, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def proves(self, user, password):
        """Check a digest as RFC 7616, section 3.4.1, defines it."""
        sent = self.headers.get("Authorization", "")
        found = dict(re.findall(r'(\w+)="?([^",]+)"?', sent))
        digest = [
            hashlib.md5(text.encode()).hexdigest()
            for text in (f"{user}:camera:{password}", f"GET:{self.path}")
        ]
        middle = [found.get(name, "") for name in ("nonce", "nc", "cnonce", "qop")]
        expected = hashlib.md5(":".join([digest[0], *middle, digest[1]]).encode()).hexdigest()
        return sent.startswith("Digest ") and found.get("response") == expected

    def log_message(self, *message):
        pass


@pytest.fixture
def site(camera, make_video):
    handler = functools.partial(Site, camera=camera, clip=make_video())
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_follows_a_redirection(site):
    with NetworkStream(f"http://{site}/old", **PATIENT) as stream:
        assert stream.read(5.0) is not None


def test_proves_a_password_by_digest(site):
    with NetworkStream(f"http://viewer:Geheim1@{site}/secret", **PATIENT) as stream:
        assert stream.read(5.0) is not None
    with pytest.raises(SourceUnavailableError, match=r"answers 401.*user name and password"):
        NetworkStream(f"http://viewer:Falsch1@{site}/secret", **PATIENT)


def test_says_what_the_server_answers(site):
    with pytest.raises(SourceUnavailableError, match=r"answers 404 Not Found; .*check address"):
        NetworkStream(f"http://{site}/nothing", **PATIENT)


def test_another_kind_of_video_is_left_to_ffmpeg(site):
    with NetworkStream(f"http://{site}/clip", **PATIENT) as stream:
        assert stream.read(5.0).grey.shape == (120, 160)


def test_is_not_sent_to_a_file(site):
    with pytest.raises(SourceUnavailableError):
        NetworkStream(f"http://{site}/elsewhere", open_timeout_seconds=2, read_timeout_seconds=1)
