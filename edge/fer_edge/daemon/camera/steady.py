"""A camera that fails and comes back: read without a wait beyond bounds, opened again by itself."""

import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Final

from fer_edge.daemon.camera.frame_numbers import FrameNumbers
from fer_edge.daemon.camera.grading import CameraRecord, grade
from fer_edge.daemon.camera.opener import Opener, Opening
from fer_edge.daemon.camera.picture_watch import PictureWatch
from fer_edge.pipeline.backoff import Backoff
from fer_edge.pipeline.protocols import Source
from fer_edge.settings import SourceSettings
from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import FerError, SourceStuckError, SourceUnavailableError
from fer_edge.shared.records import Frame
from fer_edge.sources.newest import as_camera_fault
from fer_edge.state.records import CameraHealth, CameraPhase, Grade

_FIRST_PAUSE_SECONDS: Final = 0.5
_STEADY_SECONDS: Final = 10.0  # of frames after which the pauses begin with the first again
_OWN_SECONDS: Final = 0.5  # for which a source may say itself that it has stalled
_SLEPT_SECONDS: Final = 1.0  # by which a turn takes too long where the process did not run
_PATIENCE: Final = (
    "give_up_seconds", "reopen_longest_seconds", "frozen_seconds", "black_seconds",
)  # fmt: skip

_log = logging.getLogger(__name__)


class SteadyCamera(Closing):
    """Reads a source, opens it again when it fails, and knows how it does.

    The source is opened and closed on a thread of its own. Only a frame proves a camera: what
    opens and delivers none has failed, and so has one whose picture is frozen or black. Frames
    count on over reopenings, and their clock never goes back. Any failure of a file is final,
    and so is one of a camera before its first frame, unless somebody is patient.

    Whatever else a source raises is a failure of the camera, too: what one sends may break what
    takes it apart. Time in which the process did not run is not time in which it was waited for.

    Args:
        opening: Opens the source; called again after a failure.
        settings: How long it is waited for, and the rate asked of it.
        patient: Whether its first frame is waited for like any other.
        wanted: Whether it is opened at once, and not by the first `read`.

    Attributes:
        ended: The source has come to its end; `read` gives None from then on.
        turned_back: Called with the settings of the former source, where a new one cannot be.
    """

    def __init__(
        self,
        opening: Opening,
        settings: SourceSettings,
        *,
        patient: bool = False,
        wanted: bool = True,
    ) -> None:
        self.ended = False
        self.turned_back: Callable[[SourceSettings], None] = lambda _settings: None
        self._patient = patient
        self._opener = Opener()
        self._source: Source | None = None
        self._former: tuple[Opening, SourceSettings] | None = None
        self._wanted = self._proven = False
        self._dropped = self._failures = self._reopenings = 0
        self._numbers = FrameNumbers()
        self._good_at = self._arrived_at = self._opened_at = time.monotonic()
        self._looked_at = self._awake_at = self._good_at
        self._grade: Grade = "dead"
        self._fault: FerError | None = None
        self._record = CameraRecord(asked_per_second=settings.frames_per_second)
        self._turn_to(opening, settings)
        if wanted:
            self._want()

    @property
    def dropped(self) -> int:
        """Frames replaced by newer ones before they were read."""
        return self._dropped + int(getattr(self._source, "dropped", 0))

    @property
    def clip_rate(self) -> float:
        """Frames a second that a clip states; 0 for a camera."""
        return self._of_clip("frames_per_second")

    @property
    def clip_seconds(self) -> float:
        """Length that a clip states; 0 where it does not, and for a camera."""
        return self._of_clip("duration_seconds")

    def read(self, timeout_seconds: float) -> Frame | None:
        """Return the newest good frame; None where none has come in this time, or it has ended.

        Raises:
            SourceUnavailableError: It was given up.
            FerError: It cannot be opened at all.
        """
        deadline = time.monotonic() + timeout_seconds
        self._want()
        while not self.ended:
            self._notice_sleep(timeout_seconds)
            self._give_up_in_time()
            left, frame = max(0.0, deadline - time.monotonic()), None
            try:
                if self._source is None:
                    self._take_opened(left)
                else:
                    frame = self._read_next(self._source, left)
            except FerError as error:
                self._failed(error)
            except Exception as error:  # noqa: BLE001 - the seam for what cameras send
                _log.debug("out of a source", exc_info=True)
                self._failed(as_camera_fault(error, "the camera"))
            if frame is not None or time.monotonic() >= deadline:
                return frame
        return None

    def change(self, opening: Opening, settings: SourceSettings, *, anew: bool = False) -> None:
        """Turn to another source, or to the same one in another way; counts go on.

        Where only the patience is another, the device is not let go. One that does not answer
        is waited for. One that cannot be at all, because its settings are wrong, is left for
        the former one.

        Args:
            opening: Opens it.
            settings: Section `source`.
            anew: The same device is opened anew, too: its frames are to be others.
        """
        if not anew and _is_same_device(settings, self._settings):
            self._opening = opening
            self._take_patience(settings)
            return
        former = (self._opening, self._settings) if self._proven else None
        self._turn_to(opening, settings)
        self._former = former

    def pause(self) -> None:
        """Release the device until the next `read`."""
        if self._wanted:
            self._wanted = False
            self._release()
            self._record.rest()
            self._fault = None

    def health(self) -> CameraHealth:
        """Return how it does."""
        now = time.monotonic()
        phase = self._phase()
        delivering = phase == "delivering"
        figures = self._record.figures(now, dark=self._watch.dark and delivering)
        if phase not in {"off", "ended"}:
            self._grade = grade(figures, delivering=delivering)
        problem = self._fault.found if self._fault else ""
        return CameraHealth(
            phase=phase,
            grade=self._grade,
            frames_per_second=figures.frames_per_second if delivering else 0.0,
            age_ms=figures.age_ms if delivering else 0.0,
            seconds_since_frame=now - self._good_at,
            failures=self._failures,
            reopenings=self._reopenings,
            problem=problem or ("the picture is dark" if figures.dark else ""),
        )

    def close(self) -> None:
        """Release the device; may be called twice."""
        self.ended = True
        self._release()
        self._opener.end()

    def _of_clip(self, name: str) -> float:
        source = self._source
        return 0.0 if source is None or source.live else float(getattr(source, name, 0.0))

    def _phase(self) -> CameraPhase:
        if self.ended:
            return "ended"
        if not self._wanted:
            return "off"
        if self._source is not None and self._fault is None:
            return "delivering" if self._proven else "opening"
        return "opening" if self._opener.attempting or not self._proven else "waiting"

    def _turn_to(self, opening: Opening, settings: SourceSettings) -> None:
        self._release()
        self._opening = opening
        self._former = None
        self._wanted = False
        self._fault = None
        self._record = CameraRecord(asked_per_second=settings.frames_per_second)
        self._take_patience(settings)

    def _take_patience(self, settings: SourceSettings) -> None:
        self._settings = settings
        self._watch = PictureWatch(
            frozen_seconds=settings.frozen_seconds, black_seconds=settings.black_seconds
        )
        self._backoff = Backoff(
            first_seconds=min(_FIRST_PAUSE_SECONDS, settings.reopen_longest_seconds),
            longest_seconds=settings.reopen_longest_seconds,
        )

    def _want(self) -> None:
        if not self._wanted and not self.ended:
            self._wanted = True
            self._good_at = time.monotonic()
            self._opener.open(self._opening)

    def _release(self) -> None:
        self._dropped = self.dropped
        source, self._source = self._source, None
        self._opener.close(source)

    def _take_opened(self, timeout_seconds: float) -> None:
        self._source = self._opener.take(timeout_seconds)
        if self._source is not None:
            self._opened_at = self._arrived_at = time.monotonic()
            self._numbers.begin_source()
            self._watch.start_anew()

    def _read_next(self, source: Source, timeout_seconds: float) -> Frame | None:
        live, began = source.live, time.monotonic()
        try:
            frame = source.read(timeout_seconds)
        except SourceUnavailableError:
            now = time.monotonic()
            # What takes all its time is no failure: it may only be slow.
            slow = now - began >= timeout_seconds
            pause_seconds = self._settings.read_timeout_seconds + _period(source)
            if slow and (not live or now - self._arrived_at < pause_seconds + _OWN_SECONDS):
                return None
            if slow:
                raise _no_frame(pause_seconds) from None
            raise
        self._arrived_at = time.monotonic()
        if frame is None:
            if live:
                raise SourceUnavailableError(
                    "the camera has ended", expected="frame after frame", fix="open it again"
                )
            self.ended = True
        elif not live or self._is_good(frame):
            return self._accept(frame)
        return None

    def _is_good(self, frame: Frame) -> bool:
        verdict = self._watch.look(frame.grey, self._arrived_at)
        if verdict == "failed":
            raise SourceUnavailableError(
                self._watch.problem,
                expected="pictures with the noise of a sensor",
                fix="check the camera; source.frozen_seconds and source.black_seconds say how "
                "long this may last",
            )
        return verdict == "good"

    def _accept(self, frame: Frame) -> Frame:
        now = self._arrived_at
        if self._fault is not None:
            _log.info("the camera delivers again, after %.1f s", now - self._good_at)
            self._fault = None
            self._reopenings += 1
        if now - self._opened_at >= _STEADY_SECONDS:
            self._backoff.reset()
        self._good_at = now
        self._proven, self._former = True, None
        numbered = self._numbers.number(frame)
        age_ms = (now * 1e9 - numbered.monotonic_ns) / 1e6
        self._record.add_frame(now, index=numbered.index, age_ms=age_ms)
        return numbered

    def _failed(self, error: FerError) -> None:
        """Go to the next rung of the ladder, or raise where that was the last one."""
        final = not isinstance(error, SourceUnavailableError) or isinstance(error, SourceStuckError)
        if self._former is not None and final:
            _log.error("the new source is not used: %s", error)
            _, settings = self._former
            self._turn_to(*self._former)
            self.turned_back(settings)
            self._want()
            return
        if final or (self._source is not None and not self._source.live):
            raise error
        if not (self._proven or self._patient):
            raise error
        self._notice_sleep(self._settings.read_timeout_seconds)
        said, self._fault = self._fault, error
        self._failures += 1
        self._record.add_fault(time.monotonic())
        self._release()
        self._give_up_in_time()
        pause_seconds = self._backoff.pause()
        if said is None or said.found != error.found:
            _log.warning("%s; the camera is opened again in %.1f s", error.found, pause_seconds)
        self._opener.open(self._opening, after_seconds=pause_seconds)

    def _notice_sleep(self, turn_seconds: float) -> None:
        """Wait for a camera anew after a time in which nobody could: the machine or we stood."""
        now = time.monotonic()
        if now - self._looked_at > turn_seconds + _SLEPT_SECONDS:
            self._awake_at = now
        self._looked_at = now

    def _give_up_in_time(self) -> None:
        fault, limit = self._fault, self._settings.give_up_seconds
        waited_from = max(self._good_at, self._awake_at)
        if fault is None or time.monotonic() - waited_from < limit:
            return
        if not limit:
            raise fault
        raise SourceUnavailableError(
            f"{fault.found}, and for {limit:g} s opening it again did not help",
            expected=fault.expected,
            fix=fault.fix,
        )


def _period(source: Source) -> float:
    """Return the seconds from one picture to the next, where a source is that slow."""
    return float(getattr(source, "period_seconds", 0.0))


def _no_frame(seconds: float) -> SourceUnavailableError:
    return SourceUnavailableError(
        f"the camera delivered no frame within {seconds:g} s",
        expected="a frame in that time (source.read_timeout_seconds)",
        fix="check the camera and its cable or network",
    )


def _is_same_device(one: SourceSettings, other: SourceSettings) -> bool:
    """Return whether two settings differ at most in how long a camera is waited for."""
    patience = {name: getattr(one, name) for name in _PATIENCE}
    return dataclasses.replace(other, **patience) == one
