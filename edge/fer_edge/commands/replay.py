"""Recorded observations, sent to the sinks once more: no camera, no model."""

import logging
import math
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from fer_edge.pipeline.loop import RunTally, run
from fer_edge.pipeline.protocols import Sink
from fer_edge.shared.errors import DataError
from fer_edge.shared.named_files import open_named
from fer_edge.shared.records import (
    NO_BASELINE,
    OBSERVATION_SCHEMA,
    WHYS,
    Box,
    Face,
    Observation,
    Prediction,
    Reading,
)
from fer_edge.shared.strict_json import parse_json

_log = logging.getLogger(__name__)

_LONGEST_PAUSE_SECONDS: Final = 5.0
"""A recording of several runs would otherwise pause for as long as nothing was running."""
_MOST_UNREAD: Final = 20
_EXPECTED: Final = "JSON lines as `fer-edge run` writes them"


def read_observations(path: Path) -> Iterator[Observation]:
    """Yield the observations of a file, one line at a time.

    A line that cannot be read is logged and left out; a run that is killed leaves half a line.
    Where none of the first lines can be, the file is no recording, and that is said once.

    Raises:
        DataError: The file cannot be read, or holds no observation.
    """
    read = 0
    unread: list[tuple[int, str]] = []
    try:
        with open_named(path) as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    observation = parse_observation(parse_json(line))
                except ValueError as error:  # DataError and every failure of the decoder
                    unread.append((number, _reason(error)))
                    if read:
                        _tell(path, unread)
                    elif len(unread) == _MOST_UNREAD:
                        break
                    continue
                _tell(path, unread)
                read += 1
                yield observation
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror})", expected=_EXPECTED, fix="check the path"
        ) from error
    if not read:
        number, reason = unread[0] if unread else (0, "")
        first = f" (line {number}: {reason})" if unread else ""
        raise DataError(
            f"{path} holds no observation{first}",
            expected=_EXPECTED,
            fix="record some with `fer-edge run --output FILE`",
        )


def _tell(path: Path, unread: list[tuple[int, str]]) -> None:
    """Log the lines that are left out, and forget them."""
    for number, reason in unread:
        _log.warning("%s, line %d is left out: %s", path, number, reason)
    unread.clear()


def parse_observation(line: Any) -> Observation:
    """Return the observation that a line of JSON tells of; keys it does not know are ignored.

    Raises:
        DataError: It is none, or of another schema.
    """
    try:
        schema = line["schema"]
        if schema != OBSERVATION_SCHEMA:
            raise _bad(f"schema {schema!r}")
        timings = {str(stage): _finite(ms) for stage, ms in line["timings_ms"].items()}
        return Observation(
            int(line["frame"]),
            _finite(line["captured_at"]),
            tuple(_parse_face(face) for face in line["faces"]),
            timings,
            str(line.get("name", "")),
            left_out=int(line.get("left_out", 0)),
            clip_seconds=None if (at := line.get("clip_seconds")) is None else _finite(at),
            baseline=str(line.get("baseline", NO_BASELINE)),
        )
    except KeyError as error:
        raise _bad(f"no {error.args[0]!r}") from error
    except (AttributeError, TypeError, IndexError, OverflowError) as error:
        raise _bad(str(error)) from error


def replay(
    observations: Iterable[Observation],
    sinks: Sequence[Sink],
    *,
    realtime: bool = False,
    stop: threading.Event | None = None,
) -> RunTally:
    """Send observations to every sink, as they were recorded.

    Args:
        observations: In the order of their recording.
        sinks: Each gets every observation.
        realtime: Keep the pauses between the captures (pauses of more than five seconds are
            cut down to these), instead of sending as fast as possible.
        stop: Set from elsewhere to end before the next observation.

    Raises:
        DataError: What the observations are read from is unfit.
        OutputError: A sink cannot write.
    """

    def send(observation: Observation) -> Observation:
        for sink in sinks:
            sink.emit(observation)
        return observation

    return run(_paced(observations, stop or threading.Event(), realtime=realtime), send)


def _paced(
    observations: Iterable[Observation], stop: threading.Event, *, realtime: bool
) -> Iterator[Observation]:
    due = time.monotonic()
    before: float | None = None
    for observation in observations:
        if realtime and before is not None:
            pause = observation.captured_at - before
            due += min(max(pause, 0.0), _LONGEST_PAUSE_SECONDS)
            stop.wait(max(0.0, due - time.monotonic()))
        if stop.is_set():
            return
        before = observation.captured_at
        yield observation


def _parse_face(face: dict[str, Any]) -> Reading:
    x, y, width, height = (int(value) for value in face["box"])
    track_id = face.get("track_id")
    where = Face(
        Box(x, y, width, height),
        _finite(face.get("score", 0.0)),
        None if track_id is None else int(track_id),
        roll=_finite(face["roll"]) if "roll" in face else None,
    )
    stable = face.get("stable")
    said = None if stable is None else str(stable)
    why = next((why for why in WHYS if why == face.get("why")), None)
    if "relative" not in face:
        return Reading(where, _parse_prediction(face["scores"], face["label"]), said, why=why)
    scores = _parse_scores(face["scores"])
    answer = _parse_prediction(face["relative"], face["label"])
    raw = Prediction(tuple(scores), tuple(scores.values()), answer.threshold)
    return Reading(where, raw, said, answer, why)


def _parse_scores(given: Any) -> dict[str, float]:
    return {str(label): _finite(p) for label, p in given.items()}


def _parse_prediction(given: Any, label: Any) -> Prediction:
    """Return the answer that gave a label."""
    scores = _parse_scores(given)
    if label not in scores:
        raise _bad(f"label {label!r} without a score")
    prediction = Prediction(tuple(scores), tuple(scores.values()))
    if prediction.label == label:
        return prediction
    if scores[label] == prediction.confidence:  # as high as another one, once both were rounded
        scores[label] = math.nextafter(scores[label], math.inf)
        return Prediction(tuple(scores), tuple(scores.values()))
    if len(scores) != 2:
        raise _bad(f"label {label!r}, which has not the highest score")
    # A binary model decides by a threshold, which is not recorded: any that says the same will do.
    second = prediction.probabilities[1]
    says_second = label == prediction.labels[1]
    threshold = second if says_second else math.nextafter(second, math.inf)
    return Prediction(prediction.labels, prediction.probabilities, threshold)


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise _bad(f"the number {number}")
    return number


def _bad(found: str) -> DataError:
    return DataError(found, expected=_EXPECTED, fix="leave it out")


def _reason(error: ValueError) -> str:
    return error.found if isinstance(error, DataError) else str(error)
