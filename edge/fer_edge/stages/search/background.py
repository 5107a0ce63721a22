"""Running the scout: at once and the same each time, or in a thread beside the frames."""

import atexit
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

from fer_edge.stages.search.scout import Report, SearchRequest


class AtOnce:
    """Searches when sent and counts the nominal cost: the same frames give the same faces.

    Args:
        search: The scout's.
        cost_factor: How many times as dear a search is taken to be.
    """

    def __init__(
        self, search: Callable[[SearchRequest], Report], *, cost_factor: float = 1.0
    ) -> None:
        self._search = search
        self._cost_factor = cost_factor
        self._done: Report | None = None

    @property
    def busy(self) -> bool:
        """Whether a report waits."""
        return self._done is not None

    def send(self, request: SearchRequest) -> None:
        """Search."""
        self._done = self._search(request)

    def fetch(self) -> tuple[Report, float] | None:
        """Return a finished search and what it cost in milliseconds; None while there is none."""
        done, self._done = self._done, None
        return None if done is None else (done, done.nominal_ms * self._cost_factor)

    def close(self) -> None:
        """Nothing to end."""


class Background:
    """Searches in a thread of its own and counts that thread's CPU time."""

    def __init__(self, search: Callable[[SearchRequest], Report]) -> None:
        self._search = search
        self._waiting = threading.Condition()
        self._request: SearchRequest | None = None
        self._done: tuple[Report, float] | None = None
        self._failed: BaseException | None = None
        self._busy = self._closed = False
        self._thread = threading.Thread(target=self._work, name="scout", daemon=True)
        self._thread.start()
        # An interpreter that ends while OpenCV searches would end the process with a signal.
        atexit.register(self.close)

    @property
    def busy(self) -> bool:
        """Whether a search is under way or its report not fetched."""
        return self._busy

    def send(self, request: SearchRequest) -> None:
        """Hand a search to the thread."""
        with self._waiting:
            self._busy = True
            self._request = request
            self._waiting.notify()

    def fetch(self) -> tuple[Report, float] | None:
        """Return a finished search and what it cost in milliseconds; None while there is none.

        Raises:
            Exception: The search failed; what it raised is raised here.
        """
        with self._waiting:
            if self._failed is not None:
                raise self._failed
            if self._done is None:
                return None
            done, self._done = self._done, None
            self._busy = False
            return done

    def close(self) -> None:
        """End the thread, after the search under way; may be called twice."""
        with self._waiting:
            self._closed = True
            self._waiting.notify()
        self._thread.join()
        atexit.unregister(self.close)

    def _work(self) -> None:
        while True:
            with self._waiting:
                self._waiting.wait_for(lambda: self._request is not None or self._closed)
                request, self._request = self._request, None
                if self._closed or request is None:
                    return
            started = time.thread_time()
            try:
                report = self._search(request)
            except Exception as error:  # noqa: BLE001 - raised again where frames are processed
                with self._waiting:
                    self._failed = error
                return
            spent_ms = (time.thread_time() - started) * 1000
            with self._waiting:
                self._done = (report, spent_ms)


Runner: TypeAlias = AtOnce | Background
"""Runs searches, one at a time: `send` only while not `busy`."""
