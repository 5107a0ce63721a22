"""Annotated videos and pictures: their pace, their sizes, and what cannot be written."""

import contextlib
import os
import resource
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
from builders import a_frame, a_picture, a_reading, an_observation

from fer_edge.assemble.annotations import make_annotated
from fer_edge.settings import EventSettings, ModelSettings, OutputSettings, Settings, SourceSettings
from fer_edge.shared.errors import OutputError, SettingsError
from fer_edge.shared.records import Colour
from fer_edge.sinks.annotated.pictures import AnnotatedFolder, AnnotatedJpegs
from fer_edge.sinks.annotated.video import CODECS, AnnotatedVideo

SEEN = an_observation(readings=(a_reading(),))
RED = (0, 0, 255)


def seeing(uri, **changes):
    return Settings(source=SourceSettings(uri=uri), **changes)


def a_colour_frame(seconds=0.0, *, width=160, height=120, **changes):
    red = Colour(lambda: np.full((height, width, 3), RED, np.uint8))
    captured_ns = round(seconds * 1e9)
    return a_frame(grey=a_picture(width, height), colour=red, monotonic_ns=captured_ns, **changes)


def frames_of(path):
    video = cv2.VideoCapture(str(path))
    frames = []
    while (read := video.read())[0]:
        frames.append(read[1])
    return frames, video.get(cv2.CAP_PROP_FPS)


def a_video(path, *, rate=25.0, live=False):
    return AnnotatedVideo(path, rate=lambda: rate, live=live)


@pytest.mark.parametrize("ending", CODECS)
def test_a_clip_frame_for_frame_at_its_own_pace(tmp_path, ending):
    path = tmp_path / f"out{ending}"
    with a_video(path, rate=12.5) as video:
        for _ in range(10):
            video.add(a_colour_frame(), SEEN)
        video.close()
        said = video.describe()
    frames, rate = frames_of(path)
    assert (len(frames), rate) == (10, 12.5)
    blue, green, red = frames[5][100:, 100:].reshape(-1, 3).mean(0)
    assert (red > 200, blue < 60, green < 60) == (True, True, True), "in colour"
    assert (frames[5][20:60, 10:40].astype(int) - RED).any(), "the box"
    assert f"160x120, {CODECS[ending][1]}, 10 frames at 12.5 a second (0.8 s), 0." in said


def test_a_camera_takes_the_time_that_passed(tmp_path):
    path = tmp_path / "out.mp4"
    with a_video(path, rate=10, live=True) as video:
        for seconds in (0.0, 0.02, 0.1, 0.5, 1.0):
            video.add(a_colour_frame(seconds), SEEN)
    assert len(frames_of(path)[0]) == 11


def test_a_long_pause_of_a_camera_is_cut_out(tmp_path):
    path = tmp_path / "out.avi"
    with a_video(path, rate=2, live=True) as video:
        for seconds in (0.0, 100.0, 100.5):
            video.add(a_colour_frame(seconds), SEEN)
    assert len(frames_of(path)[0]) == 13, "five seconds of it are shown"


def test_pictures_of_another_size_are_fitted_in(tmp_path):
    path = tmp_path / "out.avi"
    with a_video(path) as video:
        video.add(a_colour_frame(), SEEN)
        video.add(a_colour_frame(width=60, height=240), SEEN)
        video.add(a_colour_frame(width=639, height=481), SEEN)
    frames, _ = frames_of(path)
    assert [frame.shape for frame in frames] == [(120, 160, 3)] * 3
    assert frames[1][:, :50].max() < 20, "black beside it"


def test_an_odd_size_is_written(tmp_path):
    path = tmp_path / "out.mp4"
    with a_video(path) as video:
        video.add(a_colour_frame(width=161, height=121), SEEN)
    assert len(frames_of(path)[0]) == 1


def test_without_a_frame_there_is_no_file(tmp_path):
    with a_video(tmp_path / "out.mp4") as video:
        pass
    assert "no frame came" in video.describe()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["out.mp4", "out.mjpg"])
def test_without_a_frame_an_earlier_recording_stays(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"yesterday")
    output = AnnotatedJpegs(path) if name == "out.mjpg" else a_video(path)
    output.close()
    assert path.read_bytes() == b"yesterday"


@pytest.mark.parametrize("ending", [".mp4", ".mjpg"])
def test_a_name_that_is_too_long_is_refused(tmp_path, ending):
    path = tmp_path / f"{'x' * 300}{ending}"
    with pytest.raises(OutputError, match="File name too long"):
        AnnotatedJpegs(path) if ending == ".mjpg" else a_video(path)


def test_motion_jpeg_takes_the_place_of_an_earlier_recording(tmp_path):
    path = tmp_path / "out.mjpg"
    path.write_bytes(b"\xff\xd8\xff" * 9)
    with AnnotatedJpegs(path) as jpegs:
        for _ in range(2):
            jpegs.add(a_colour_frame(), SEEN)
    assert path.read_bytes().count(b"\xff\xd8\xff") == 2


@pytest.mark.parametrize("rate", [119.881, 67.1234567, 239.8711])
def test_the_rate_of_a_slow_motion_clip_is_written(tmp_path, rate):
    with a_video(tmp_path / "out.mp4", rate=rate) as video:
        for _ in range(3):
            video.add(a_colour_frame(), SEEN)
    frames, written = frames_of(tmp_path / "out.mp4")
    assert len(frames) == 3
    assert written == pytest.approx(rate, abs=0.01)


@contextlib.contextmanager
def files_up_to(most_bytes):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_is_told(tmp_path):
    video = a_video(tmp_path / "out.mp4")
    with files_up_to(1000):
        for _ in range(20):
            video.add(a_colour_frame(), SEEN)
        with pytest.raises(OutputError, match="not whole; is the disk full"):
            video.close()
    jpegs = AnnotatedJpegs(tmp_path / "out.mjpg")
    with files_up_to(1000), pytest.raises(OutputError, match="File too large"):
        jpegs.add(a_colour_frame(), SEEN)
    jpegs.close()


def test_a_picture_for_which_there_is_no_room_is_not_left_in_half(tmp_path):
    pictures = AnnotatedFolder(tmp_path / "frames")
    with files_up_to(1000), pytest.raises(OutputError, match=r"File too large.*make room"):
        pictures.add(a_colour_frame(), SEEN)
    assert not list((tmp_path / "frames").iterdir())


@pytest.mark.parametrize("name", ["out.mp4", "out.mjpg", "frames"])
def test_a_place_that_cannot_be_written(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        make_annotated(tmp_path / "file" / name, seeing("0"), clip_rate=float)


def test_motion_jpeg_plays(tmp_path):
    path = tmp_path / "out.mjpg"
    with AnnotatedJpegs(path) as jpegs:
        for _ in range(3):
            jpegs.add(a_colour_frame(), SEEN)
        assert path.read_bytes().count(b"\xff\xd8\xff") == 3, "whole after each frame"
    assert len(frames_of(path)[0]) == 3
    assert "160x120, Motion JPEG" in jpegs.describe()


def test_a_folder_names_pictures_by_file_or_number(tmp_path):
    folder = tmp_path / "a" / "frames"
    with AnnotatedFolder(folder) as pictures:
        pictures.add(a_colour_frame(index=7), SEEN)
        for _ in range(2):
            pictures.add(a_colour_frame(name="face.png"), SEEN)
    assert sorted(path.name for path in folder.iterdir()) == [
        "face-annotated-2.jpg", "face-annotated.jpg", "frame-000007.jpg",
    ]  # fmt: skip
    assert pictures.describe().endswith("frames: 3 pictures")


@pytest.mark.parametrize(
    ("uri", "name", "kind"),
    [
        ("0", "out.mp4", AnnotatedVideo),
        ("clip.mp4", "out.AVI", AnnotatedVideo),
        ("clip.mp4", "out.mjpeg", AnnotatedJpegs),
        ("0", "frames", AnnotatedFolder),
        (".", "frames", AnnotatedFolder),
    ],
)
def test_the_name_says_what_is_made(tmp_path, uri, name, kind):
    made = make_annotated(tmp_path / name, seeing(uri), clip_rate=lambda: 25.0)
    assert type(made) is kind
    made.close()


@pytest.mark.parametrize(
    ("uri", "name", "said"),
    [
        ("0", "out.gif", "ends in .gif; expected one of .mp4"),
        (".", "out.mp4", "is a folder of pictures.*such as out-annotated/"),
        ("clip.mp4", "clip.mp4", "written over while it is read"),
    ],
)
def test_names_that_do_not_fit(tmp_path, monkeypatch, uri, name, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=said):
        make_annotated(Path(name), seeing(uri), clip_rate=float)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"output": OutputSettings(file="x.mjpg")}, "output.file"),
        ({"events": EventSettings(file="x.mjpg")}, "events.file"),
        ({"model": ModelSettings(path="x.mjpg")}, "model.path"),
    ],
)
def test_what_another_part_writes_or_reads_is_not_written_over(tmp_path, monkeypatch, changes, key):
    monkeypatch.chdir(tmp_path)
    Path("x.mjpg").write_text("mine")
    Path("link.mjpg").symlink_to("x.mjpg")
    for name in ("x.mjpg", "link.mjpg"):
        with pytest.raises(SettingsError, match=f"{key} and --annotate name the same file"):
            make_annotated(Path(name), seeing("0", **changes), clip_rate=float)
    assert Path("x.mjpg").read_text() == "mine"


def test_a_pipe_is_no_place_for_a_video(tmp_path):
    os.mkfifo(tmp_path / "out.mp4")
    with pytest.raises(SettingsError, match="is a pipe"):
        make_annotated(tmp_path / "out.mp4", seeing("0"), clip_rate=float)


def test_where_only_counts_may_leave_no_faces_are_drawn(tmp_path):
    counting = seeing("0", events=EventSettings(mode="aggregate"))
    with pytest.raises(SettingsError, match="shows faces"):
        make_annotated(tmp_path / "out.mp4", counting, clip_rate=float)
