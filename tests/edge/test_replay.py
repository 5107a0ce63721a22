"""Recorded observations are sent again as they were."""

import dataclasses
import json
import threading
import time

import pytest
from builders import a_face, a_prediction, a_reading, an_observation

from fer_edge.commands.replay import parse_observation, read_observations, replay
from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import DataError
from fer_edge.shared.records import Prediction


class Collector(Closing):
    def __init__(self):
        self.observations = []

    def emit(self, observation):
        self.observations.append(observation)

    def close(self):
        pass


def write(path, *lines):
    text = [line if isinstance(line, str) else json.dumps(line.to_json()) for line in lines]
    path.write_text("\n".join(text) + "\n")
    return path


def a_binary_reading(*, happy, threshold):
    return a_reading(prediction=Prediction(("sad", "happy"), (1 - happy, happy), threshold))


CLOSE = Prediction(("neutral", "happy", "sad"), (0.44998, 0.45001, 0.10001))
"""Two of its probabilities are equal once they are rounded, and the later one decides."""
A_CLOSE_ONE = a_reading(prediction=CLOSE)


def a_recording(*seconds):
    return [an_observation(frame_index=i, captured_at=1.7e9 + s) for i, s in enumerate(seconds)]


@pytest.mark.parametrize(
    "observation",
    [
        an_observation(timings={"detect": 1.235, "age": 7.0}, name="a.png"),
        an_observation(readings=()),
        an_observation(readings=(a_reading(face=a_face(track_id=7), stable="happy"),) * 3),
        an_observation(left_out=3),
        an_observation(readings=(A_CLOSE_ONE, dataclasses.replace(A_CLOSE_ONE, relative=CLOSE))),
        an_observation(readings=(a_binary_reading(happy=0.50001, threshold=None),)),
        an_observation(readings=(a_binary_reading(happy=0.4, threshold=0.3),)),
        an_observation(readings=(a_binary_reading(happy=0.6, threshold=0.7),)),
    ],
    ids=[
        "plain", "no face", "three tracked", "left out", "close", "close of two", "low threshold",
        "high threshold",
    ],
)  # fmt: skip
def test_an_observation_comes_back_as_it_was(observation):
    line = observation.to_json()
    assert parse_observation(json.loads(json.dumps(line))).to_json() == line


def test_keys_of_later_versions_are_ignored():
    line = {**an_observation().to_json(), "colour": "blue"}
    assert parse_observation(line) == parse_observation(an_observation().to_json())


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"schema": 2}, "schema 2"),
        ({"captured_at": float("nan")}, "the number nan"),
        ({"faces": [{}]}, "no 'box'"),
        ({"faces": [{"box": [1, 2, 3, 4], "label": "happy", "scores": {"sad": 1}}]}, "without"),
        ({"faces": [{"box": [1, 2], "label": "happy", "scores": {"happy": 1}}]}, "unpack"),
        ({"faces": 3}, "not iterable"),
        ({"timings_ms": []}, "items"),
        ({"timings_ms": {"detect": float("inf")}}, "the number inf"),
        ({"frame": float("inf")}, "infinity"),
    ],
)
def test_what_is_no_observation_is_refused(change, found):
    with pytest.raises(ValueError, match=found):
        parse_observation({**an_observation().to_json(), **change})


def test_a_file_is_read_line_by_line(tmp_path, caplog):
    path = write(tmp_path / "a.jsonl", *a_recording(0, 1, 2))
    assert [seen.frame_index for seen in read_observations(path)] == [0, 1, 2]
    assert caplog.messages == []


def test_a_broken_line_is_said_and_left_out(tmp_path, caplog):
    first, second = a_recording(0, 1)
    path = write(tmp_path / "a.jsonl", first, "no json", "[1]", "", second, '{"schema":1,"fra')
    assert [seen.frame_index for seen in read_observations(path)] == [0, 1]
    assert [message.partition(" is left out")[0] for message in caplog.messages] == [
        f"{path}, line {number}" for number in (2, 3, 6)
    ]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\x00\xff\xfe\n" * 3, b"[]\n", b"{}\n"])
def test_a_file_without_observations_is_refused(tmp_path, content):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match="holds no observation"):
        list(read_observations(path))


def test_what_is_no_recording_is_said_once(tmp_path, caplog):
    path = write(tmp_path / "a.py", *["import this"] * 100)
    with pytest.raises(DataError, match=r"holds no observation \(line 1: "):
        list(read_observations(path))
    assert not caplog.messages


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        list(read_observations(tmp_path / "a.jsonl"))


def test_every_sink_gets_every_observation_at_once():
    recording, sinks = a_recording(0, 100, 200), [Collector(), Collector()]
    began = time.monotonic()
    tally = replay(recording, sinks)
    assert time.monotonic() - began < 5
    assert all(sink.observations == recording for sink in sinks)
    assert (tally.frames, tally.frames_with_face, tally.labels["happy"]) == (3, 3, 3)


def test_its_own_pace_keeps_the_pauses():
    sink = Collector()
    began = time.monotonic()
    replay(a_recording(0, 0.1, 0.05, 0.3), [sink], realtime=True)
    assert 0.34 < time.monotonic() - began < 5
    assert len(sink.observations) == 4


def test_a_long_pause_is_ended_by_stopping():
    stop, sink = threading.Event(), Collector()
    threading.Timer(0.2, stop.set).start()
    began = time.monotonic()
    replay(a_recording(0, 1000), [sink], realtime=True, stop=stop)
    assert time.monotonic() - began < 4
    assert len(sink.observations) == 1


def test_a_reading_keeps_its_probabilities():
    (reading,) = parse_observation(an_observation().to_json()).readings
    assert reading.prediction == a_prediction()


@pytest.mark.parametrize(("written", "read"), [("covered", "covered"), ("a later reason", None)])
def test_the_reason_why_nothing_can_be_read_comes_back(written, read):
    line = an_observation(readings=(a_reading(why="covered"),)).to_json()
    line["faces"][0]["why"] = written
    (reading,) = parse_observation(line).readings
    assert reading.why == read
