"""Lines made by hand say what the encoder says, and each is whole in the file."""

import contextlib
import json
import math
import random
import resource

import pytest
from builders import SEVEN, a_face, a_prediction, a_reading, an_observation

from fer_edge.shared.errors import OutputError
from fer_edge.shared.records import Box, Landmarks, Point
from fer_edge.sinks.jsonl.line import json_line
from fer_edge.sinks.jsonl.sink import JsonLinesSink


def at_random(seed):
    rng = random.Random(seed)
    readings = []
    for _ in range(rng.randrange(4)):
        weights = [rng.random() ** 8 for _ in SEVEN]
        box = Box(*(rng.randrange(-50, 4000) for _ in range(4)))
        face = a_face(
            box=box,
            score=rng.gauss(0, 100),
            track_id=rng.choice([None, 0, 7, 12345]),
            landmarks=rng.choice([None, Landmarks(*[Point(1.0, 2.0)] * 5)]),
            roll=rng.choice([None, rng.uniform(-60, 60)]),
        )
        prediction = a_prediction(probabilities=tuple(w / sum(weights) for w in weights))
        stable = rng.choice([None, "uncertain", *SEVEN])
        readings.append(a_reading(face=face, prediction=prediction, stable=stable))
    timings = {
        name: rng.expovariate(1) for name in ("detect", "classify", "age")[: rng.randrange(4)]
    }
    return an_observation(
        frame_index=rng.randrange(10**9),
        captured_at=rng.uniform(0, 4e9),
        readings=tuple(readings),
        timings=timings,
        left_out=rng.choice([0, 3]),
        clip_seconds=rng.choice([None, 0.0, rng.uniform(0, 9999)]),
        name=rng.choice(["", 'a "quoted"\nname.png', "nan.jpg", "ünï.png", "100 % d.png"]),
    )


@pytest.mark.parametrize("seed", range(200))
def test_a_line_says_the_same_as_the_record(seed):
    observation = at_random(seed)
    line = json_line(observation)
    assert "\n" not in line
    assert json.loads(line) == observation.to_json()
    assert list(json.loads(line)) == list(observation.to_json())


def test_a_face_leans_only_where_the_technique_knows():
    known = an_observation(readings=(a_reading(face=a_face(roll=-14.26)),))
    assert json.loads(json_line(known))["faces"][0]["roll"] == -14.3
    assert "roll" not in json.loads(json_line(an_observation()))["faces"][0]


@pytest.mark.parametrize("labels", [("a%b", 'c"d'), ("sad", "100 %s")])
def test_labels_with_signs_of_templates(labels):
    prediction = a_prediction(labels=labels, probabilities=(0.25, 0.75))
    observation = an_observation(readings=(a_reading(prediction=prediction),))
    assert json.loads(json_line(observation)) == observation.to_json()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["timings", "score", "probabilities"])
def test_what_json_cannot_say_is_refused(bad, where):
    reading = a_reading()
    if where == "score":
        reading = a_reading(face=a_face(score=bad))
    if where == "probabilities":
        reading = a_reading(prediction=a_prediction(probabilities=(bad,) * 7))
    timings = {"age": bad} if where == "timings" else {}
    with pytest.raises(ValueError, match=r"range|JSON"):
        json_line(an_observation(readings=(reading,), timings=timings))


@contextlib.contextmanager
def no_file_longer_than(size):
    """Let writes beyond a size fail, as on a full disk: the last one is cut short."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 1, 40])
def test_a_line_that_a_full_disk_cuts_off_is_finished_before_the_next(tmp_path, room):
    path = tmp_path / "lines.jsonl"
    with JsonLinesSink.to_file(path) as sink:
        sink.emit(an_observation(frame_index=1))
        with no_file_longer_than(path.stat().st_size + room):
            for frame in (2, 3):
                with pytest.raises(OutputError, match="cannot be written"):
                    sink.emit(an_observation(frame_index=frame))
        sink.emit(an_observation(frame_index=4))
    frames = [json.loads(line)["frame"] for line in path.read_text().splitlines()]
    assert frames == ([1, 2, 4] if room else [1, 4])
