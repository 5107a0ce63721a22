"""An observation as a JSON line, made in less than half the time of dictionaries and `json.dumps`.

It is made for every frame for months: next to a pipeline of a millisecond a general encoder is
dear (benchmarks/daemon.py measures it).
"""

import json
from functools import lru_cache
from typing import Final

from fer_edge.shared.records import OBSERVATION_SCHEMA, Observation, Prediction, Reading

_FACE: Final = (
    '{"box":[%d,%d,%d,%d],"label":%s,"confidence":%.4f,"scores":{%s}%s,"score":%.3f,'
    '"track_id":%s,"stable":%s}'
)
_FRAME: Final = (
    f'{{"schema":{OBSERVATION_SCHEMA},"frame":%d,"captured_at":%.6f,"faces":[%s],'
    '"timings_ms":{%s},"baseline":%s%s}'
)


def json_line(observation: Observation) -> str:
    """Return what `Observation.to_json` gives, as text without spaces and line end.

    Raises:
        ValueError: A number is not finite, which JSON cannot say.
    """
    timings = observation.timings
    line = _FRAME % (
        observation.frame_index,
        observation.captured_at,
        ",".join([_face(reading) for reading in observation.readings]),
        _named(tuple(timings), "%.3f") % tuple(timings.values()),
        _quoted(observation.baseline),
        _rest(observation),
    )
    # Also a file may be named so; the encoder tells.
    if "nan" in line or "inf" in line:
        return json.dumps(observation.to_json(), separators=(",", ":"), allow_nan=False)
    return line


def _face(reading: Reading) -> str:
    prediction, answer, face = reading.prediction, reading.answer, reading.face
    box, said = face.box, answer.index
    line = _FACE % (
        box.x, box.y, box.width, box.height,
        _quoted(answer.labels[said]), answer.probabilities[said],
        _named(prediction.labels, "%.4f") % prediction.probabilities,
        "" if reading.relative is None else _relative(reading.relative),
        face.score, _number(face.track_id), _quoted(reading.stable),
    )  # fmt: skip
    if face.roll is not None:
        line = f'{line[:-1]},"roll":{face.roll:.1f}}}'
    return line if reading.why is None else f'{line[:-1]},"why":{_quoted(reading.why)}}}'


def _relative(prediction: Prediction) -> str:
    scores = _named(prediction.labels, "%.4f") % prediction.probabilities
    return f',"relative":{{{scores}}}'


def _rest(observation: Observation) -> str:
    rest = f',"name":{json.dumps(observation.name)}' if observation.name else ""
    if observation.left_out:
        rest += f',"left_out":{observation.left_out}'
    if observation.clip_seconds is not None:
        rest += f',"clip_seconds":{observation.clip_seconds:.3f}'
    return rest


@lru_cache(maxsize=64)
def _named(names: tuple[str, ...], form: str) -> str:
    """Return the inside of a JSON object, with a place for each value."""
    return ",".join(f"{json.dumps(name).replace('%', '%%')}:{form}" for name in names)


def _number(value: int | None) -> str:
    return "null" if value is None else str(value)


@lru_cache(maxsize=64)
def _quoted(label: str | None) -> str:
    return json.dumps(label)
