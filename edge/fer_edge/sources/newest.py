"""The one slot between a capture thread and whoever reads: only the newest frame is kept."""

import atexit
import contextlib
import logging
import threading
import weakref
from collections.abc import Callable, Generator
from typing import Final, TypeAlias

from fer_edge.shared.closing import Closing, note_native
from fer_edge.shared.errors import (
    EXIT_FAILED,
    FerError,
    SourceStuckError,
    SourceUnavailableError,
)
from fer_edge.shared.records import Frame
from fer_edge.sources.capture import Picture, to_frame

Pictures: TypeAlias = Callable[[], Generator[Picture, None, None]]
"""Opens a capture and yields what it delivers; releases it when closed."""

_EXIT_SECONDS: Final = 0.3  # whoever ends the program waits

_MOST_STUCK: Final = 3
_LONGEST_CAUSE: Final = 200

_log = logging.getLogger(__name__)
_stuck: Final[weakref.WeakSet[threading.Thread]] = weakref.WeakSet()
"""Threads that were left behind; those whose call returns after all end, and count no more."""


def as_camera_fault(error: Exception, name: str) -> FerError:
    """Return any exception out of a source as what it is to whoever reads it: a camera's fault.

    What a camera sends may break whatever takes it apart, in ways that nobody has thought of; that
    is no defect to end by, but a camera that is opened again. Wrong settings stay what they are.

    Args:
        error: Raised where a source was opened or read.
        name: Of the source, for messages.
    """
    if isinstance(error, FerError) and error.exit_code != EXIT_FAILED:
        return error
    cause = error.found if isinstance(error, FerError) else f"{type(error).__name__}: {error}"
    return SourceUnavailableError(
        f"{name}: {cause[:_LONGEST_CAUSE]}",
        expected="pictures",
        fix=error.fix if isinstance(error, FerError) else "check what it sends; restart it",
    )


def _without_frames(error: Exception) -> Exception:
    """Forget which calls an error came through: they hold its source, and the last picture."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _refuse_where_stuck(name: str) -> None:
    """Open nothing more where drivers keep as many threads as may be left to them.

    Raises:
        SourceStuckError: They do.
    """
    stuck = sum(thread.is_alive() for thread in _stuck)
    if stuck >= _MOST_STUCK:
        raise SourceStuckError(
            f"{name}: {stuck} captures are stuck in its driver",
            expected=f"at most {_MOST_STUCK - 1} that do not return",
            fix="restart fer-edge (systemd does); unplug the camera and plug it in again",
        )


class NewestFrameReader(Closing):
    """A live source: a thread captures, the reader gets the newest frame.

    All native calls, from opening to releasing, are made on the capture thread, because a
    capture must not be released while another thread reads from it. A call that never returns
    therefore blocks that thread alone: reads and `close` keep their bounds, and the thread is
    left behind and releases the capture if the call ever returns.

    Args:
        pictures: Called on the capture thread; what it raises is raised by the next `read`.
        name: Of the source, for messages; free of credentials.
        open_timeout_seconds: In which the first frame must come: only a frame proves a camera.
        close_timeout_seconds: How long `close` waits for the capture thread.
        fix: What to do when no frame comes.

    Attributes:
        name: Of the source.
        dropped: Number of frames that a newer one replaced before they were read.

    Raises:
        SourceUnavailableError: No frame came in time, or `pictures` raises what is no `FerError`.
        SourceStuckError: Earlier captures are stuck.
        FerError: Whatever else `pictures` raises.
    """

    def __init__(
        self,
        pictures: Pictures,
        *,
        name: str,
        open_timeout_seconds: float,
        close_timeout_seconds: float = 1.0,
        fix: str = "check that it is connected and that no other program uses it",
    ) -> None:
        _refuse_where_stuck(name)
        self.name = name
        self.dropped = 0
        self._fix = fix
        self._close_timeout_seconds = close_timeout_seconds
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._error: Exception | None = None
        self._ended = False
        self._closed = False
        self._thread = threading.Thread(
            target=self._capture, args=(pictures,), name=f"capture {name}", daemon=True
        )
        self._thread.start()
        note_native(self._thread)
        # A daemon thread that returns from native code into a finished interpreter aborts it.
        atexit.register(self._close_at_exit)
        try:
            self._wait_for_first(open_timeout_seconds)
        except BaseException:
            self.close()
            raise

    @property
    def live(self) -> bool:
        """Always true: what is not read in time is dropped."""
        return True

    def read(self, timeout_seconds: float) -> Frame | None:
        """Return the newest frame not yet returned; None once closed or ended.

        Raises:
            SourceUnavailableError: No new frame within the time, or the capture has failed.
        """
        with self._changed:
            self._changed.wait_for(self._has_news, timeout_seconds)
            frame, self._frame = self._frame, None
            if self._closed:
                return None
            if frame is None:
                self._raise_failure(timeout_seconds)
            return frame

    def close(self) -> None:
        """Stop capturing and release the device; may be called twice.

        Returns in bounded time even when the driver does not.
        """
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._frame = self._error = None  # an error that was raised holds who read
            self._changed.notify_all()
        atexit.unregister(self._close_at_exit)
        self.interrupt()
        self._thread.join(self._close_timeout_seconds)
        if self._thread.is_alive():
            _stuck.add(self._thread)
            _log.warning("%s: the capture is stuck and was left behind", self.name)

    def _close_at_exit(self) -> None:
        self._close_timeout_seconds = min(self._close_timeout_seconds, _EXIT_SECONDS)
        self.close()

    def interrupt(self) -> None:
        """End a wait of the capture thread, from another one, where the source can do that."""

    def _pause(self, seconds: float) -> bool:
        """Wait on the capture thread; return whether pictures are still wanted."""
        with self._changed:
            return not self._changed.wait_for(lambda: self._closed, seconds)

    def _has_news(self) -> bool:
        return self._frame is not None or self._ended or self._closed

    def _wait_for_first(self, timeout_seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(self._has_news, timeout_seconds)
            if self._frame is None:
                self._raise_failure(timeout_seconds)

    def _raise_failure(self, timeout_seconds: float) -> None:
        """Raise why there is no frame; return where the capture ended without a reason."""
        if self._error is not None:
            raise self._error.with_traceback(None)  # each raise would lengthen it
        if not self._ended:
            raise SourceUnavailableError(
                f"{self.name} delivered no frame within {timeout_seconds:g} s",
                expected="a frame in that time",
                fix=self._fix,
            )

    def _capture(self, pictures: Pictures) -> None:
        failure: Exception | None = None
        try:
            with contextlib.closing(pictures()) as stream:
                for index, picture in enumerate(stream):
                    self._offer(to_frame(picture, index=index))
                    if self._closed:
                        break
        except Exception as error:  # noqa: BLE001 - raised again by the reading thread
            failure = _without_frames(as_camera_fault(error, self.name))
        with self._changed:
            self._error = failure
            self._ended = True
            self._changed.notify_all()

    def _offer(self, frame: Frame) -> None:
        with self._changed:
            if self._closed:
                return
            self.dropped += self._frame is not None
            self._frame = frame
            self._changed.notify_all()
