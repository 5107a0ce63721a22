"""Video files: every frame, in order, and what is damaged."""

import logging
import os
import struct
import time

import pytest

from fer_edge.shared.errors import SourceUnavailableError, VideoError
from fer_edge.shared.opencv import cv2
from fer_edge.sources.video import VideoFile
from fer_edge.testing.fakes import number_of


def count_frames(source):
    frames = 0
    while source.read(5.0) is not None:
        frames += 1
    return frames


def cut(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    return path


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi"])
def test_delivers_every_frame_in_order(make_video, name, caplog):
    source = VideoFile(make_video(name, frames=20))
    for number in range(20):
        assert abs(number_of(source.read(1.0).grey) - number) <= 1  # MPEG-4 rounds
    assert source.read(1.0) is None
    assert caplog.messages == []


def test_knows_its_rate(make_video):
    assert VideoFile(make_video(rate=12.0)).frames_per_second == pytest.approx(12, abs=0.1)


def test_as_fast_as_possible_is_faster_than_its_own_pace(make_video):
    path = make_video(frames=11, rate=10.0)
    source = VideoFile(path, realtime=True)
    began = time.monotonic()
    assert count_frames(source) == 11
    own_pace = time.monotonic() - began
    assert own_pace > 0.95  # ten periods of 0.1 s; sleeping never takes less
    source = VideoFile(path)
    began = time.monotonic()
    assert count_frames(source) == 11
    assert time.monotonic() - began < own_pace


def test_a_frame_not_yet_due_is_not_waited_for_beyond_the_time(make_video):
    source = VideoFile(make_video(frames=3, rate=1.0), realtime=True)
    assert source.read(0.0) is not None
    with pytest.raises(SourceUnavailableError, match="due in"):
        source.read(0.05)
    assert source.read(5.0).index == 1


def test_respects_the_rotation_of_a_phone(make_video):
    path = make_video()
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40  # of version 0: ISO/IEC 14496-12, 8.3.2
    turned = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 120 << 16, 0, 1 << 30)
    data[matrix : matrix + len(turned)] = turned
    path.write_bytes(data)
    assert VideoFile(path).read(1.0).grey.shape == (160, 120)


def test_a_truncated_file_ends_early_and_says_so(make_video, caplog):
    path = cut(make_video("clip.avi", frames=40), 0.5)
    frames = count_frames(VideoFile(path))
    assert 5 < frames < 35
    assert caplog.messages == [f"{path} ends early: {frames} of 40 frames"]


def test_the_early_end_is_said_once(make_video, caplog):
    source = VideoFile(cut(make_video("clip.avi", frames=40), 0.5))
    count_frames(source)
    source.read(1.0)
    source.close()
    assert len(caplog.messages) == 1


def test_a_damaged_frame_does_not_end_the_film(make_video, caplog):
    path = make_video("clip.avi", frames=40)
    data = bytearray(path.read_bytes())
    starts = [at for at in range(len(data)) if data.startswith(b"\xff\xd8\xff", at)]
    data[starts[10] : starts[11] - 64] = bytes(starts[11] - 64 - starts[10])
    path.write_bytes(data)
    assert count_frames(VideoFile(path)) >= 38
    assert caplog.messages == []


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_refuses_an_mp4_cut_off_before_its_index(make_video, share):
    path = cut(make_video("clip.mp4", frames=40), share)  # the index comes last
    with pytest.raises(VideoError, match="not one frame can be decoded"):
        VideoFile(path)


def test_refuses_noise(tmp_path):
    path = tmp_path / "noise.mp4"
    path.write_bytes(bytes(range(256)) * 400)
    with pytest.raises(VideoError, match="not one frame"):
        VideoFile(path)


@pytest.mark.parametrize(
    "text",
    [
        "no film at all\n" * 500,
        "#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:1/segment.ts\n",
        "ffconcat version 1.0\nfile other.mp4\n",
        "v=0\nm=video 5004 RTP/AVP 96\n",
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".txt", ".m3u8"])
def test_refuses_text_and_playlists(tmp_path, text, suffix):
    path = tmp_path / f"text{suffix}"
    path.write_text(text)
    with pytest.raises(VideoError, match="holds text"):
        VideoFile(path)


def test_a_recording_is_known_as_one(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"schema":1,"frame":0}\n')
    with pytest.raises(VideoError, match=r"recorded observations.*fer-edge replay"):
        VideoFile(path)


def test_refuses_what_is_no_file(tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.mp4")
    for name, reason in {
        "missing.mp4": "does not exist",
        "empty.mp4": "is empty",
        "pipe.mp4": "is no regular file",
        ".": "is a folder",
    }.items():
        with pytest.raises(VideoError, match=reason):
            VideoFile(tmp_path / name)


def test_a_name_is_never_a_protocol(tmp_path, make_video, monkeypatch):
    make_video("clip.mp4").rename(tmp_path / "concat:clip.mp4")
    monkeypatch.chdir(tmp_path)
    from pathlib import Path

    assert count_frames(VideoFile(Path("concat:clip.mp4"))) == 12


def test_frames_were_captured_when_they_were_read(make_video):
    source = VideoFile(make_video())
    time.sleep(0.3)
    began = time.monotonic_ns()
    assert source.read(1.0).monotonic_ns >= began


def test_real_clips_are_read_to_their_end(shared_data, caplog):
    caplog.set_level(logging.WARNING)
    for path in sorted((shared_data / "video").glob("intel_asl_*"))[:4]:
        stated = cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT)
        with VideoFile(path) as source:
            assert count_frames(source) >= stated - 2
    assert caplog.messages == []


def test_a_real_corrupt_clip_loses_only_what_is_corrupt(shared_data):
    with VideoFile(shared_data / "hostile/derived_broken/mp4_corrupt_mdat.mp4") as source:
        assert count_frames(source) > 100  # of 115; reading on after the first failure matters
