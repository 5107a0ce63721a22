"""From settings to parts."""

import dataclasses
import sys
import threading
import time

import numpy as np
import pytest
from builders import PORTRAIT, a_face, a_frame, a_picture, a_reading, encoded, write_files
from techniques import needs_weights
from tiny_model import tiny_model

from fer_edge.assemble.parts import (
    make_classifier,
    make_detector,
    make_pipeline,
    make_sink,
    make_smoother,
    smoothing_for,
)
from fer_edge.assemble.sources import check_there, frames_of, make_source
from fer_edge.commands.classify import PictureReader, format_reading
from fer_edge.settings import (
    DetectorSettings,
    ModelSettings,
    OutputSettings,
    Settings,
    SmoothingSettings,
    SourceSettings,
    TrackerSettings,
)
from fer_edge.shared.data.pictures import read_grey
from fer_edge.shared.errors import (
    ModelError,
    OutputError,
    SettingsError,
    SourceUnavailableError,
    VideoError,
)
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import UNCERTAIN
from fer_edge.sources.folder import PictureFolder
from fer_edge.sources.picamera import PiCamera
from fer_edge.sources.stream import NetworkStream
from fer_edge.testing.fake_picamera2 import FakeSensor, PiRig
from fer_edge.testing.fakes import MjpegServer


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tiny_model())
    return ModelSettings(path=str(path))


def test_a_folder_is_a_source(tmp_path):
    write_files(tmp_path, {"1.png": encoded(a_picture())})
    with make_source(SourceSettings(uri=str(tmp_path))) as source:
        assert isinstance(source, PictureFolder)


def test_a_clip_is_looked_for_before_minutes_of_work(tmp_path):
    with pytest.raises(VideoError, match="does not exist"):
        check_there(SourceSettings(uri=str(tmp_path / "clip.mp4")))
    with pytest.raises(VideoError, match="holds no pictures"):
        check_there(SourceSettings(uri=str(tmp_path)))
    check_there(SourceSettings(uri="63"))  # a camera is opened when it is needed


def test_a_stream_is_a_source():
    with MjpegServer() as camera, make_source(SourceSettings(uri=camera.url)) as source:
        assert isinstance(source, NetworkStream)


@pytest.mark.parametrize(("uri", "number"), [("picamera", 0), ("picamera:1", 1)])
def test_a_pi_camera_is_a_source(monkeypatch, uri, number):
    rig = PiRig(sensors=(FakeSensor(), FakeSensor()))
    for name, module in rig.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    settings = SourceSettings(
        uri=uri, width=64, height=48, frames_per_second=50, rotation=90, mirror=True
    )
    with make_source(settings) as source:
        assert isinstance(source, PiCamera)
        assert rig.busy == {number}
        assert rig.opened[0].controls["FrameDurationLimits"] == (20000, 20000)
        assert source.read(5.0).grey.shape == (64, 48)


def test_every_source_can_be_turned(tmp_path):
    picture = a_picture(64, 48)
    write_files(tmp_path, {"1.png": encoded(picture)})
    settings = SourceSettings(uri=str(tmp_path), rotation=90, mirror=True)
    with make_source(settings) as source:
        assert np.array_equal(source.read(1.0).grey, np.fliplr(np.rot90(picture, -1)))


def a_clip_of_five(folder, *, rate):
    path = folder / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, (64, 48))
    for seed in range(5):
        writer.write(cv2.cvtColor(a_picture(64, 48, seed=seed), cv2.COLOR_GRAY2BGR))
    writer.release()
    return str(path)


def test_a_video_at_its_own_pace_takes_its_time(tmp_path):
    clip = a_clip_of_five(tmp_path, rate=10.0)
    began = time.monotonic()
    with make_source(SourceSettings(uri=clip, pace="own")) as source:
        while source.read(5.0) is not None:
            pass
    assert time.monotonic() - began > 0.35


def test_a_fast_video_never_lets_anybody_wait(tmp_path):
    clip = a_clip_of_five(tmp_path, rate=1.0)
    with make_source(SourceSettings(uri=clip, pace="fast")) as source:
        assert sum(1 for _ in iter(lambda: source.read(0.0), None)) == 5
    with make_source(SourceSettings(uri=clip, pace="own")) as source:
        source.read(0.0)
        with pytest.raises(SourceUnavailableError, match="due in"):
            source.read(0.0)


@pytest.mark.parametrize(
    ("uri", "error", "found"),
    [
        ("", SettingsError, "no source"),
        ("picamera:", SettingsError, "names no camera"),
        ("picamera:front", SettingsError, "names no camera"),
        ("no.mp4", VideoError, "does not exist"),
        ("x" * 300, VideoError, "File name too long"),
    ],
)
def test_what_is_no_source(uri, error, found):
    with pytest.raises(error, match=found):
        make_source(SourceSettings(uri=uri))


def test_settings_reach_the_detector():
    grey = read_grey(PORTRAIT)
    assert len(make_detector(DetectorSettings(kind="haar")).detect(grey)) == 1
    assert make_detector(DetectorSettings(kind="haar", min_face_px=300)).detect(grey) == []


@needs_weights
def test_settings_reach_yunet():
    grey = read_grey(PORTRAIT)
    assert len(make_detector(DetectorSettings(kind="yunet")).detect(grey)) == 1
    strict = DetectorSettings(kind="yunet", yunet_least_score=0.99)
    assert make_detector(strict).detect(grey) == []


def test_a_pipeline_from_settings(model):
    pipeline = make_pipeline(Settings(model=model))
    with make_source(SourceSettings(uri=str(PORTRAIT.parent))) as source:
        assert len(pipeline.process(source.read(1.0)).readings) == 1


@pytest.mark.parametrize(
    ("uri", "frames"),
    [
        ("0", "live"),
        ("/dev/video2", "live"),
        ("rtsp://host/s", "live"),
        ("picamera", "live"),
        ("picamera:1", "live"),
        (str(PORTRAIT.parent), "pictures"),
        ("clip.mp4", "clip"),
        ("", "live"),
    ],
)
def test_a_source_tells_how_its_frames_follow_one_another(uri, frames):
    assert frames_of(SourceSettings(uri=uri)) == frames


@pytest.mark.parametrize("frames", ["live", "clip", "pictures"])
def test_only_live_frames_are_searched_in_a_thread(model, frames):
    before = threading.active_count()
    with make_pipeline(Settings(model=model), frames=frames):
        assert threading.active_count() == before + (frames == "live")
    assert threading.active_count() == before


@pytest.mark.parametrize(("rate", "frames_settling"), [(5, 1), (30, 3), (60, 6)])
def test_labels_of_a_clip_settle_by_its_own_seconds(rate, frames_settling):
    settings = SmoothingSettings(least_probability=0.0, settle_seconds=0.1 - 1e-9)
    smoother = make_smoother(settings, frames="clip")
    look = [a_reading(face=a_face(track_id=1))]
    labels = [
        smoother.update(a_frame(index=index, clip_seconds=index / rate), look)[0].stable
        for index in range(10)
    ]
    assert labels == [UNCERTAIN] * frames_settling + ["happy"] * (10 - frames_settling)


def test_settings_reach_the_tracker_and_the_smoother(model):
    certain = SmoothingSettings(least_probability=0.0, settle_seconds=0.0)
    settings = Settings(model=model, smoothing=certain, tracker=TrackerSettings(min_face_px=300))
    grey = read_grey(PORTRAIT)
    frame = a_frame(grey=grey)
    assert make_pipeline(settings).process(frame).readings == ()
    follow = dataclasses.replace(settings, tracker=TrackerSettings())
    (reading,) = make_pipeline(follow).process(frame).readings
    assert reading.stable == reading.answer.label
    each = dataclasses.replace(settings, tracker=TrackerSettings(mode="each"))
    (reading,) = make_pipeline(each).process(frame).readings
    assert reading.face.track_id is None
    assert [reading.face] == make_detector(DetectorSettings()).detect(grey)


def test_a_model_says_from_which_probability_it_is_certain_unless_the_settings_do(model):
    contract = dataclasses.replace(make_classifier(model).contract, least_probability=0.99)
    assert smoothing_for(SmoothingSettings(), contract).least_probability == 0.99
    for asked in (0.0, 0.3):
        said = smoothing_for(SmoothingSettings(least_probability=asked), contract)
        assert said.least_probability == asked


def test_a_model_that_is_not_there():
    with pytest.raises(ModelError, match="no model 'best'"):
        make_classifier(ModelSettings(path="best"))


def test_the_default_model_tells_the_eight_expressions_that_people_voted_on():
    labels = make_classifier(ModelSettings()).contract.labels
    assert labels == (
        "neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt",
    )  # fmt: skip


def test_sinks(tmp_path, capsys):
    with make_sink(OutputSettings(file=str(tmp_path / "lines.jsonl"))):
        assert (tmp_path / "lines.jsonl").exists()
    with make_sink(OutputSettings()):
        pass
    print("stdout is still open")
    assert capsys.readouterr().out == "stdout is still open\n"


def a_reader(model, **options):
    chosen = {"whole_pictures": False, "annotate_folder": None, **options}
    return PictureReader(Settings(model=model), **chosen)


def test_a_picture_is_read(model):
    seen = a_reader(model).read(str(PORTRAIT))
    assert (seen.path, seen.width, seen.height) == (str(PORTRAIT), 400, 400)
    (reading,) = seen
    said, box = reading.answer, reading.face.box.as_list()
    assert format_reading(seen) == f"{PORTRAIT}: {said.label} {said.confidence:.2f} at {box}"


def test_a_label_that_is_only_a_guess_is_said_to_be_one(model, tmp_path):
    strict = SmoothingSettings(least_probability=1.0)
    reader = PictureReader(
        Settings(model=model, smoothing=strict),
        whole_pictures=False,
        annotate_folder=tmp_path / "unsure",
    )
    seen = reader.read(str(PORTRAIT))
    said = seen[0].answer
    assert said.confidence < 1
    told = f"{PORTRAIT}: uncertain ({said.label} {said.confidence:.2f}) at "
    assert format_reading(seen).startswith(told)
    assert seen.to_dict()["faces"][0]["label"] == said.label
    (drawn,) = (tmp_path / "unsure").iterdir()
    a_reader(model, annotate_folder=tmp_path / "sure").read(str(PORTRAIT))
    (sure,) = (tmp_path / "sure").iterdir()
    assert drawn.read_bytes() != sure.read_bytes()


def test_a_picture_without_a_face(model, tmp_path):
    (tmp_path / "dark.png").write_bytes(encoded(a_picture() // 32))
    seen = a_reader(model).read(str(tmp_path / "dark.png"))
    assert len(seen) == 0
    assert format_reading(seen).endswith("dark.png: no face")


def test_annotated_copies(model, tmp_path):
    folder = tmp_path / "a" / "b"
    a_reader(model, annotate_folder=folder).read(str(PORTRAIT))
    (copy,) = folder.iterdir()
    drawn, original = read_grey(copy), read_grey(PORTRAIT)
    assert drawn.shape == original.shape
    assert (abs(drawn.astype(int) - original) > 40).sum() > 300, "a box is drawn in"


def test_a_folder_for_copies_that_cannot_be_made(model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        a_reader(model, annotate_folder=tmp_path / "file" / "copies")
