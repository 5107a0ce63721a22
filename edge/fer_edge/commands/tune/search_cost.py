"""What the search for faces costs on this device."""

import time
from collections.abc import Sequence
from typing import Final

from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Frame
from fer_edge.stages.search.scout import Scout, SearchRequest

_SEARCHES: Final = 10


def measure_cost_factor(scout: Scout, frames: Sequence[Frame]) -> float:
    """Return the CPU time of searches as a multiple of their nominal cost.

    The nominal cost is a desktop core's. `fer-edge run` takes the CPU time from the budget.

    Args:
        scout: Searches whole frames, in all its ranges of size.
        frames: Of the footage; some of them, spread over it, are searched.
    """
    cv2.setNumThreads(1)  # as in a pipeline; and other threads' time would not be counted
    spent = nominal = 0.0
    step = max(1, len(frames) // _SEARCHES)
    # One more than are measured: the first search sets things up.
    for number, frame in enumerate((frames[0], *frames[::step][:_SEARCHES])):
        request = SearchRequest(frame.grey, [(one, None) for one in scout.ranges], (), number, 0.0)
        started = time.thread_time()
        report = scout.search(request)
        if number:
            spent += 1000 * (time.thread_time() - started)
            nominal += report.nominal_ms
    return spent / nominal if nominal else 1.0
