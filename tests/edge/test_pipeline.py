"""Frames to observations, and the loop that does it until it is told to stop."""

import json
import time

import numpy as np
import pytest
from builders import a_box, a_face, a_frame, a_model, a_picture

from fer_edge.pipeline.loop import read_frames, run
from fer_edge.pipeline.pipeline import Pipeline
from fer_edge.pipeline.protocols import Sink, Tracker
from fer_edge.shared.errors import EXIT_UNAVAILABLE, OutputError, SourceUnavailableError
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.sinks.jsonl.sink import JsonLinesSink
from fer_edge.stages.clocks import by_index
from fer_edge.stages.each_picture import EachPicture
from fer_edge.stages.smoothing import LabelSmoother
from fer_edge.testing.fakes import ScriptedSource, Stall

FACES = [a_face(), a_face(box=a_box(x=30), score=3.0)]


class FixedDetector:
    """Finds the same faces in every picture but black ones."""

    def __init__(self, faces=FACES, *, seconds=0.0):
        self.faces = faces
        self.seconds = seconds

    def detect(self, grey):
        time.sleep(self.seconds)
        return self.faces if grey.any() else []


class ListSink:
    """Keeps what it is given."""

    def __init__(self, *, fails_at=None):
        self.seen = []
        self.fails_at = fails_at

    def emit(self, observation):
        if observation.frame_index == self.fails_at:
            raise OutputError("full", expected="space", fix="make room")
        self.seen.append(observation)


@pytest.fixture(scope="module")
def classifier():
    return LitertClassifier(a_model())


@pytest.fixture
def pipeline(classifier):
    return Pipeline(EachPicture(FixedDetector()), classifier)


def pictures(count):
    return [a_picture(seed=number) for number in range(count)]


def loop(source, pipeline, sinks=(), **options):
    def see(frame):
        observation = pipeline.process(frame)
        for sink in sinks:
            sink.emit(observation)
        return observation

    return run(read_frames(source, timeout_seconds=0.2), see, **options)


def test_every_face_is_read(pipeline, classifier):
    frame = a_frame(index=7, name="seven.png")
    seen = pipeline.process(frame)
    assert (seen.frame_index, seen.captured_at, seen.name) == (7, frame.captured_at, "seven.png")
    assert [reading.face for reading in seen.readings] == FACES
    expected = classifier.classify(frame.grey, FACES)
    assert [reading.prediction for reading in seen.readings] == expected


def test_a_frame_without_faces(pipeline):
    assert pipeline.process(a_frame(grey=np.zeros((48, 64), np.uint8))).readings == ()


class FixedTracker:
    """Follows one face and leaves two out."""

    left_out = 2

    def __init__(self):
        self.closed = 0

    def update(self, frame):
        return [a_face(track_id=7)]

    def close(self):
        self.closed += 1


def test_readings_are_smoothed_and_faces_left_out_are_told(classifier):
    smoother = LabelSmoother(
        by_index, memory_seconds=0.4, least_probability=0.0, margin=0.1, settle_seconds=0.0
    )
    seen = Pipeline(FixedTracker(), classifier, smoother).process(a_frame())
    (reading,) = seen.readings
    assert reading.stable == reading.answer.label
    assert seen.left_out == seen.to_json()["left_out"] == 2


def test_without_a_smoother_nothing_is_stable(pipeline):
    seen = pipeline.process(a_frame())
    assert [reading.stable for reading in seen.readings] == [None, None]
    assert "left_out" not in seen.to_json()


def test_closing_it_closes_the_tracker(classifier):
    tracker = FixedTracker()
    assert isinstance(tracker, Tracker)
    with Pipeline(tracker, classifier) as pipeline:
        assert tracker.closed == 0
    assert tracker.closed == 1
    pipeline.close()


def test_every_stage_is_timed(classifier):
    slow = Pipeline(EachPicture(FixedDetector(seconds=0.05)), classifier)
    timings = slow.process(a_frame()).timings
    assert list(timings) == ["detect", "classify", "age"]
    assert timings["detect"] >= 50
    assert 0 < timings["classify"] < timings["age"]
    assert timings["age"] >= timings["detect"] + timings["classify"]


def test_age_counts_from_the_capture(pipeline):
    old = a_frame(monotonic_ns=time.monotonic_ns() - 3 * 10**9)
    assert pipeline.process(old).timings["age"] >= 3000


def test_the_loop_ends_with_its_source_and_every_sink_gets_everything(pipeline):
    sinks = ListSink(), ListSink()
    black = np.zeros((48, 64), np.uint8)
    tally = loop(ScriptedSource([*pictures(3), black]), pipeline, sinks)
    assert [seen.frame_index for seen in sinks[0].seen] == [0, 1, 2, 3]
    assert sinks[0].seen == sinks[1].seen
    assert (tally.frames, tally.frames_with_face) == (4, 3)
    assert sum(tally.labels.values()) == 6
    assert tally.seconds > 0
    assert tally.frames_per_second == pytest.approx(4 / tally.seconds)
    assert {stage: summary.n for stage, summary in tally.stages().items()} == {
        "detect": 4, "classify": 4, "age": 4,
    }  # fmt: skip


def test_an_empty_source(pipeline):
    tally = loop(ScriptedSource([]), pipeline)
    assert (tally.frames, tally.frames_per_second, tally.stages()) == (0, 0.0, {})


def test_turns_without_a_frame_are_not_counted(pipeline):
    turns = [None, a_frame(index=4), None, None, a_frame(index=5)]
    tally = run(turns, pipeline.process, max_frames=2)
    assert tally.frames == 2


def test_it_ends_after_as_many_frames_as_asked_for(pipeline):
    source = ScriptedSource(pictures(9))
    assert loop(source, pipeline, max_frames=4).frames == 4
    assert source.read(0.1).index == 4, "no frame is read that is not used"


def test_watch_sees_frame_and_observation_together(pipeline):
    seen = []
    loop(ScriptedSource(pictures(2)), pipeline, watch=lambda *event: seen.append(event))
    assert [(frame.index, observation.frame_index) for frame, observation, _ in seen] == [
        (0, 0),
        (1, 1),
    ]


def test_a_source_that_stalls_ends_it_after_what_was_done_is_out(pipeline):
    sink = ListSink()
    source = ScriptedSource([*pictures(2), Stall(5.0), *pictures(1)], live=True)
    with pytest.raises(SourceUnavailableError) as caught:
        loop(source, pipeline, [sink])
    assert caught.value.exit_code == EXIT_UNAVAILABLE
    assert len(sink.seen) == 2


def test_a_sink_that_fails_ends_it(pipeline):
    sink = ListSink(fails_at=1)
    with pytest.raises(OutputError):
        loop(ScriptedSource(pictures(3)), pipeline, [sink])
    assert len(sink.seen) == 1


def test_json_lines_are_whole_after_each_observation(tmp_path, pipeline):
    path = tmp_path / "lines.jsonl"
    with JsonLinesSink.to_file(path) as sink:
        assert isinstance(sink, Sink)
        for count in (1, 2, 3):
            sink.emit(pipeline.process(a_frame(index=count)))
            lines = path.read_text().splitlines(keepends=True)
            assert len(lines) == count
            assert json.loads(lines[-1])["frame"] == count
            assert lines[-1].endswith("\n")
    sink.close()


def test_json_lines_append(tmp_path, pipeline):
    path = tmp_path / "lines.jsonl"
    path.write_text("{}\n")
    with JsonLinesSink.to_file(path) as sink:
        sink.emit(pipeline.process(a_frame()))
    assert len(path.read_text().splitlines()) == 2


def test_a_stream_that_is_not_its_own_stays_open(tmp_path, pipeline):
    with (tmp_path / "lines.jsonl").open("w") as stream:
        with JsonLinesSink(stream) as sink:
            sink.emit(pipeline.process(a_frame()))
        assert not stream.closed


def test_json_lines_on_a_full_disk(pipeline, tmp_path):
    (tmp_path / "full").symlink_to("/dev/full")
    sink = JsonLinesSink.to_file(tmp_path / "full")
    for _ in range(2):
        with pytest.raises(OutputError, match="No space left on device"):
            sink.emit(pipeline.process(a_frame()))
    sink.close()  # what could not be written has been told
    sink.close()


def test_a_file_that_cannot_be_opened(tmp_path):
    with pytest.raises(OutputError, match=r"lines\.jsonl cannot be written \(No such file"):
        JsonLinesSink.to_file(tmp_path / "no" / "lines.jsonl")
