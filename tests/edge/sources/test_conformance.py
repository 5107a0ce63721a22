"""What every source promises, whatever it reads from."""

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast, get_args

import numpy as np
import pytest

from fer_edge.assemble.sources import make_source
from fer_edge.pipeline.protocols import Source
from fer_edge.settings import SourceSettings
from fer_edge.shared.errors import SourceUnavailableError
from fer_edge.sources.capture import picture_now
from fer_edge.sources.demo_clip import DemoCamera
from fer_edge.sources.folder import PictureFolder
from fer_edge.sources.newest import NewestFrameReader
from fer_edge.sources.orientation import Orientation, TurnedSource
from fer_edge.sources.picamera import PiCamera
from fer_edge.sources.portrait import PortraitClip
from fer_edge.sources.stream import NetworkStream
from fer_edge.sources.video import VideoFile
from fer_edge.testing.fake_picamera2 import PiBehaviour, PiRig
from fer_edge.testing.fakes import Behaviour, MjpegServer, ScriptedSource, Stall, numbered_picture

TIMEOUT_SECONDS = 5.0
PROMPT_SECONDS = 4.0  # "at once", on a busy machine
PATIENT = {"open_timeout_seconds": 20.0, "read_timeout_seconds": 10.0}
FINITE = ("folder", "video", "video at its own pace", "portrait", "script", "turned")
GIVEN = os.environ.get("CONFORMANCE_SOURCE", "")
"""One more live source, by its URI: tests/system plays drivers and servers and runs this suite."""
LIVE = (
    "stream", "newest frame", "demo", "picamera", "picamera turned", "turned stream",
    *(["given"] if GIVEN else []),
)  # fmt: skip
FAULTS = {
    "stream": ("stall", "garbage", "end"),
    "turned stream": ("stall", "garbage", "end"),
    "picamera": ("stall", "errors"),
    "picamera turned": ("stall", "errors"),
    "given": tuple(filter(None, os.environ.get("CONFORMANCE_FAULTS", "").split(","))),
}
QUARTER = Orientation(90, mirror=True)


def resources() -> tuple[int, int]:
    """Return the number of threads and of descriptors of this process."""
    gc.collect()
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


def wait_until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


OpenSource = Callable[[str], Source]


def _endless() -> Iterator:
    number = 0
    while True:
        yield picture_now(numbered_picture(number))
        number += 1
        time.sleep(0.01)


@pytest.fixture
def open_source(
    pictures: Path, make_video: Callable[..., Path], camera: MjpegServer, pi: PiRig
) -> Iterator[OpenSource]:
    opened: list[Source] = []

    def open_one(kind: str) -> Source:
        makers: dict[str, Callable[[], Source]] = {
            "folder": lambda: PictureFolder(pictures),
            "video": lambda: VideoFile(make_video()),
            "video at its own pace": lambda: VideoFile(make_video(), realtime=True),
            "portrait": lambda: PortraitClip(frames=12),
            "script": lambda: ScriptedSource([*map(numbered_picture, range(5)), Stall(0.05)]),
            "turned": lambda: TurnedSource(PictureFolder(pictures), QUARTER),
            "turned stream": lambda: TurnedSource(NetworkStream(camera.url, **PATIENT), QUARTER),
            "picamera": lambda: PiCamera(width=150, height=100),
            "picamera turned": lambda: PiCamera(width=150, height=100, orientation=QUARTER),
            "demo": DemoCamera,
            "stream": lambda: NetworkStream(camera.url, **PATIENT),
            "given": lambda: make_source(
                SourceSettings(uri=GIVEN, width=320, height=240, open_timeout_seconds=20.0)
            ),
            "newest frame": lambda: NewestFrameReader(
                _endless, name="endless", open_timeout_seconds=TIMEOUT_SECONDS
            ),
        }
        opened.append(makers[kind]())
        return opened[-1]

    yield open_one
    for source in opened:
        source.close()


@pytest.fixture(params=FINITE + LIVE)
def source(request: pytest.FixtureRequest, open_source: OpenSource) -> Source:
    return open_source(request.param)


@pytest.fixture(params=FINITE)
def finite(request: pytest.FixtureRequest, open_source: OpenSource) -> Source:
    return open_source(request.param)


@pytest.fixture(params=LIVE)
def live(request: pytest.FixtureRequest, open_source: OpenSource) -> Source:
    return open_source(request.param)


@pytest.fixture
def behave(camera: MjpegServer, pi: PiRig) -> Callable[[str], None]:
    """Has everything that a source may read from behave in one way."""

    def behave(word: str) -> None:
        if word in get_args(Behaviour):
            camera.behaviour = cast("Behaviour", word)
        if word in get_args(PiBehaviour):
            pi.behaviour = cast("PiBehaviour", word)
        if "CAMERA_BEHAVIOUR" in os.environ:
            Path(os.environ["CAMERA_BEHAVIOUR"]).write_text(word)

    return behave


def test_is_a_source(source):
    assert isinstance(source, Source)


def test_frames_are_grey_bytes(source):
    for _ in range(4):
        frame = source.read(TIMEOUT_SECONDS)
        assert frame.grey.dtype == np.uint8
        assert frame.grey.ndim == 2
        assert frame.grey.size > 0


def test_frames_can_be_kept(source):
    kept = [source.read(TIMEOUT_SECONDS).grey for _ in range(3)]
    before = [grey.copy() for grey in kept]
    source.read(TIMEOUT_SECONDS)
    assert all(np.array_equal(grey, copy) for grey, copy in zip(kept, before, strict=True))


def test_nothing_is_left_behind(open_source):
    for kind in FINITE + LIVE:
        open_source(kind).close()  # whatever a back end loads once is loaded now
        before = resources()
        source = open_source(kind)
        for _ in range(3):
            source.read(TIMEOUT_SECONDS)
        source.close()
        wait_until(lambda before=before: resources() <= before)


def test_indices_increase(source):
    indices = [source.read(TIMEOUT_SECONDS).index for _ in range(4)]
    assert indices == sorted(set(indices))


def test_clocks_are_of_now_and_never_go_back(source):
    began_ns, began = time.monotonic_ns(), time.time()
    frames = [source.read(TIMEOUT_SECONDS) for _ in range(4)]
    clocks = [frame.monotonic_ns for frame in frames]
    assert clocks == sorted(clocks)
    assert clocks[-1] <= time.monotonic_ns()
    assert all(clock > began_ns - 10e9 for clock in clocks)
    assert all(abs(frame.captured_at - began) < 60 for frame in frames)


def test_is_a_context_manager(source):
    with source as entered:
        assert entered is source
        assert entered.read(TIMEOUT_SECONDS) is not None
    assert source.read(TIMEOUT_SECONDS) is None


def test_closes_twice(source):
    source.close()
    source.close()


def test_a_closed_source_has_ended(source):
    source.close()
    assert source.read(TIMEOUT_SECONDS) is None


def test_finite_sources_wait(finite):
    assert not finite.live


def test_live_sources_do_not_wait(live):
    assert live.live


def test_ends_with_none_and_stays_ended(finite):
    frames = 0
    while finite.read(TIMEOUT_SECONDS) is not None:
        frames += 1
    assert frames in {5, 12}
    assert finite.read(TIMEOUT_SECONDS) is None
    assert finite.read(TIMEOUT_SECONDS) is None


def test_finite_sources_leave_nothing_out(finite):
    indices = []
    while (frame := finite.read(TIMEOUT_SECONDS)) is not None:
        indices.append(frame.index)
        time.sleep(0.05 * (frame.index == 0))
    assert indices == list(range(len(indices)))


def test_a_live_source_gives_the_newest_frame(live):
    first = live.read(TIMEOUT_SECONDS)
    before = live.dropped
    wait_until(lambda: live.dropped > before)
    newest = live.read(TIMEOUT_SECONDS)
    assert newest.index > first.index + 1


@pytest.mark.parametrize("kind", ["stream", "turned stream", "picamera", "picamera turned"])
def test_a_stalled_source_closes_at_once_and_leaves_nothing(open_source, behave, kind, caplog):
    open_source(kind).close()
    before = resources()
    source = open_source(kind)
    source.read(TIMEOUT_SECONDS)
    behave("stall")
    time.sleep(0.2)
    source.close()
    assert "left behind" not in caplog.text, "sooner than it gives up a stuck capture"
    behave("stream")
    wait_until(lambda: resources() <= before)


def read_until_it_fails(source: Source) -> None:
    give_up = time.monotonic() + 4 * TIMEOUT_SECONDS
    while source.read(1.0) is not None:
        assert time.monotonic() < give_up, "it never failed"


@pytest.mark.parametrize(
    ("kind", "fault"), [(kind, fault) for kind in LIVE for fault in FAULTS.get(kind, ())]
)
def test_a_fault_is_said_and_the_source_works_again_after_it(open_source, behave, kind, fault):
    open_source(kind).close()
    before = resources()
    source = open_source(kind)
    assert source.read(TIMEOUT_SECONDS) is not None
    behave(fault)
    with pytest.raises(SourceUnavailableError):
        read_until_it_fails(source)
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(SourceUnavailableError):
            source.read(0.2)
        assert time.monotonic() - began < PROMPT_SECONDS
    source.close()
    behave("stream")
    again = open_source(kind)
    assert again.read(TIMEOUT_SECONDS) is not None
    again.close()
    wait_until(lambda: resources() <= before)


def test_a_read_that_finds_nothing_keeps_to_its_time(camera):
    with NetworkStream(camera.url, **PATIENT) as stream:
        camera.behaviour = "stall"
        time.sleep(0.3)
        stream.read(0.2)  # what was on its way
        began = time.monotonic()
        with pytest.raises(SourceUnavailableError, match=r"no frame within 0\.2 s"):
            stream.read(0.2)
        assert time.monotonic() - began < PROMPT_SECONDS
