"""`fer-edge calibrate`: what it writes, where, and what it refuses before anybody sits still."""

import dataclasses
import shlex
from pathlib import Path

import cv2
import pytest
from builders import PORTRAIT
from tiny_model import tiny_model

from fer_edge.commands.calibrate import Calibrated, calibrate_participant, format_calibrated
from fer_edge.settings import ModelSettings, Settings, SourceSettings
from fer_edge.shared.errors import OutputError, VideoError


@pytest.fixture
def at_the_portrait(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").write_bytes(PORTRAIT.read_bytes())
    (tmp_path / "tiny.tflite").write_bytes(tiny_model())
    return Settings(
        source=SourceSettings(uri=str(tmp_path / "photos")),
        model=ModelSettings(path=str(tmp_path / "tiny.tflite")),
    )


@pytest.mark.parametrize("content", [b"a photo", b"{}", b'{"schema": 1}'])
def test_a_file_that_is_no_baseline_is_kept(tmp_path, at_the_portrait, content):
    mine = tmp_path / "mine.json"
    mine.write_bytes(content)
    nowhere = dataclasses.replace(at_the_portrait, source=SourceSettings(uri="nowhere.mp4"))
    with pytest.raises(OutputError, match=r"mine\.json is there, and is no baseline"):
        calibrate_participant(nowhere, seconds=1, out=mine)
    assert mine.read_bytes() == content


def test_an_earlier_baseline_and_an_empty_file_are_replaced(tmp_path, at_the_portrait):
    me = tmp_path / "me.json"
    me.touch()
    for _ in range(2):
        calibrate_participant(at_the_portrait, seconds=1, out=me)
        assert me.stat().st_size


def test_the_place_is_looked_at_before_the_camera(tmp_path, at_the_portrait):
    nowhere = dataclasses.replace(at_the_portrait, source=SourceSettings(uri="nowhere.mp4"))
    with pytest.raises(OutputError, match="is a folder"):
        calibrate_participant(nowhere, seconds=1, out=tmp_path)
    with pytest.raises(VideoError):
        calibrate_participant(nowhere, seconds=1, out=tmp_path / "new" / "me.json")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("rate", [5, 30])
def test_the_seconds_of_a_clip_are_its_own(tmp_path, at_the_portrait, rate):
    clip = tmp_path / "clip.avi"
    portrait = cv2.imread(str(PORTRAIT))
    writer = cv2.VideoWriter(
        str(clip), cv2.VideoWriter.fourcc(*"MJPG"), rate, portrait.shape[1::-1]
    )
    for _ in range(4 * rate):
        writer.write(portrait)
    writer.release()
    seen = dataclasses.replace(at_the_portrait, source=SourceSettings(uri=str(clip)))
    baseline = calibrate_participant(seen, seconds=3, out=tmp_path / "me.json").baseline
    assert baseline.seconds == 3
    assert baseline.frames == 3 * rate


def test_the_command_that_uses_it_can_be_pasted(tmp_path, at_the_portrait):
    baseline = calibrate_participant(at_the_portrait, seconds=1, out=tmp_path / "a.json").baseline
    said = format_calibrated(Calibrated(Path("my face.json"), baseline)).splitlines()[-1]
    words = shlex.split(said.removeprefix("use it").strip())
    assert words == ["fer-edge", "run", "--set", "baseline.file=my face.json"]
