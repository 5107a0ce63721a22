"""What is seen now, for all who look: made once for all of them, and only while somebody looks."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.errors import FerError
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Frame, Observation
from fer_edge.sinks.jsonl.line import json_line
from fer_edge.sinks.web.messages import Request, Response, plain
from fer_edge.sinks.web.outgoing import Outgoing
from fer_edge.sinks.web.router import Route

_log = logging.getLogger(__name__)

_QUALITY: Final = (cv2.IMWRITE_JPEG_QUALITY, 80)
_LONGEST_SIDE_PX: Final = 1280
_STILL_SECONDS: Final = 2.0
CHECK_SECONDS: Final = 1.0
"""How often it is asked whether those who look still may."""
_IDLE_CHECKS: Final = 10
"""After so many of them something is sent."""
_HEAD: Final = b"--frame\r\nContent-Type: image/jpeg\r\n%b\r\n"
"""What comes before each picture, and at once after the one before: Chromium shows a picture only
when it has read the next one's head, so boxes would otherwise be one picture ahead."""
_FEEDS_A_VIEWER: Final = 2
"""A page has one, and keeps it while it polls a still."""
_HELLO: Final = b"retry: 2000\n\n"
_HEARTBEAT: Final = b":\n\n"


class _Seen(NamedTuple):
    """One frame, as far as it is to be shown.

    Attributes:
        observation: What was seen in it.
        width: In pixels.
        height: In pixels.
        frame: Its picture; None where no picture may leave.
    """

    observation: Observation
    width: int
    height: int
    frame: Frame | None


class Live:
    """Turns the newest frame into a picture and a line of JSON, at a cap, while somebody looks.

    The pipeline's thread hands over a reference, and only where one is waited for; all else
    happens in the listener's thread. Nothing is kept while nobody looks.

    Args:
        soon: Has something done in the listener's thread.
        pictures: Whether pictures may leave, or numbers alone.
        most_viewers: Of the moving picture; others get a still.
        frames_per_second: At most shown.
        told: Returns the daemon's state as JSON; nothing before there is one.
        lets: Returns whether somebody who came with a request may go on looking.

    Attributes:
        encoded: Pictures made so far.
    """

    def __init__(
        self,
        soon: Callable[..., None],
        *,
        pictures: bool,
        most_viewers: int,
        frames_per_second: float,
        told: Callable[[], bytes],
        lets: Callable[[Request], bool],
    ) -> None:
        self.encoded = 0
        self._soon = soon
        self._shows_pictures = pictures
        self._most_viewers = most_viewers
        self._period_seconds = 1 / frames_per_second
        self._told = told
        self._lets = lets
        self._came_with: dict[Outgoing, Request] = {}
        self._viewers: set[Outgoing] = set()
        self._stills: set[Outgoing] = set()
        self._feeds: set[Outgoing] = set()
        self._wanted = False  # whether the next frame is taken; both threads set it
        self._newest: _Seen | None = None
        self._came = asyncio.Event()
        self._due = 0.0
        self._tasks: Sequence[asyncio.Task[None]] = ()

    @property
    def viewers(self) -> int:
        """Who look at the moving picture."""
        return len(self._viewers)

    @property
    def feeds(self) -> int:
        """Pages that are open somewhere."""
        return len(self._feeds)

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        feed = Route("GET", "/events", self._feed)
        if not self._shows_pictures:
            return (feed,)
        return (
            feed,
            Route("GET", "/live.mjpeg", self._picture),
            Route("GET", "/still.jpg", self._still),
        )

    def show(self, frame: Frame, observation: Observation) -> None:
        """Take the newest frame if one is waited for; in the pipeline's thread, at once."""
        if not self._wanted:
            return
        self._wanted = False
        height, width = frame.grey.shape
        kept = frame if self._shows_pictures else None
        self._soon(self._take, _Seen(observation, width, height, kept))

    def tell_state(self) -> None:
        """Tell all pages the daemon's state."""
        if self._feeds:
            self._soon(self._put_state)

    def tell_event(self, line: str) -> None:
        """Tell all pages an event, which is one line of JSON."""
        if self._feeds:
            self._soon(self._add, _message("event", line.encode()))

    async def _picture(self, request: Request) -> Response:
        if len(self._viewers) >= self._most_viewers:
            return plain(503, Retry_After="5")
        outgoing = Outgoing(self._leave, first=_HEAD % b"")
        self._join(self._viewers, outgoing, request)
        kind = "multipart/x-mixed-replace; boundary=frame"
        return Response(200, content_type=kind, headers=_UNBUFFERED, stream=outgoing)

    async def _still(self, request: Request) -> Response:
        outgoing = Outgoing(self._leave)
        self._join(self._stills, outgoing, request)
        try:
            async with asyncio.timeout(_STILL_SECONDS):
                picture = await anext(outgoing)
        except TimeoutError:  # the camera is gone, or switched off
            return plain(503, Retry_After="2")
        finally:
            await outgoing.aclose()
        return Response(200, picture, "image/jpeg")

    async def _feed(self, request: Request) -> Response:
        if len(self._feeds) >= _FEEDS_A_VIEWER * self._most_viewers:
            return plain(503, Retry_After="5")
        outgoing = Outgoing(self._leave, first=_HELLO, idle=_HEARTBEAT)
        self._join(self._feeds, outgoing, request)
        if state := self._told():
            outgoing.put("state", _message("state", state))
        return Response(200, content_type="text/event-stream", headers=_UNBUFFERED, stream=outgoing)

    def _join(self, group: set[Outgoing], outgoing: Outgoing, request: Request) -> None:
        group.add(outgoing)
        self._came_with[outgoing] = request
        if not self._tasks:
            loop = asyncio.get_running_loop()
            self._tasks = (loop.create_task(self._run()), loop.create_task(self._keep_alive()))
            self._tasks[0].add_done_callback(self._ended)

    def _leave(self, outgoing: Outgoing) -> None:
        for group in (self._viewers, self._stills, self._feeds):
            group.discard(outgoing)
        self._came_with.pop(outgoing, None)
        if not (self._viewers or self._stills or self._feeds):
            for task in self._tasks:
                task.cancel()
            self._tasks = ()
            self._wanted = False
            self._newest = None

    def _take(self, seen: _Seen) -> None:
        if self._tasks:  # who asked for it may have left
            self._newest = seen
            self._came.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("nothing more is shown: this is a defect", exc_info=error)

    async def _run(self) -> None:
        """Show frame after frame, until everybody has left."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._due - loop.time())
            self._came.clear()
            self._wanted = True
            await self._came.wait()
            seen, self._newest = self._newest, None
            period = self._period_seconds  # kept on average, where frames come at another pace
            self._due = max(self._due + period, loop.time() + period / 2)
            if seen is not None:
                self._publish(seen)

    async def _keep_alive(self) -> None:
        for check in itertools.count(1):
            await asyncio.sleep(CHECK_SECONDS)
            for outgoing in (*self._viewers, *self._feeds):
                if not self._lets(self._came_with[outgoing]):
                    outgoing.end()
                elif check % _IDLE_CHECKS == 0:
                    outgoing.nudge()

    def _publish(self, seen: _Seen) -> None:
        if self._feeds:
            line = json_line(seen.observation)
            sized = f'{line[:-1]},"width":{seen.width},"height":{seen.height}}}'
            message = _message("frame", sized.encode())
            for outgoing in self._feeds:
                outgoing.put("frame", message)
        if seen.frame is None or not (self._viewers or self._stills):
            return
        jpeg = encode(seen.frame)
        self.encoded += 1
        for outgoing in self._stills:
            outgoing.put("picture", jpeg)
        if self._viewers:
            part = _part(jpeg, seen.observation.frame_index)
            for outgoing in self._viewers:
                outgoing.put("picture", part)

    def _put_state(self) -> None:
        message = _message("state", self._told())
        for outgoing in self._feeds:
            outgoing.put("state", message)

    def _add(self, message: bytes) -> None:
        for outgoing in self._feeds:
            outgoing.add(message)


def encode(frame: Frame) -> bytes:
    """Return a frame as a JPEG, in colour where that was kept, of at most 1280 pixels a side."""
    picture: NDArray[np.uint8] = frame.grey
    with contextlib.suppress(FerError, cv2.error):  # of a colour picture that is damaged after all
        picture = frame.image
    factor = _LONGEST_SIDE_PX / max(picture.shape[:2])
    if factor < 1:
        height, width = picture.shape[:2]
        size = max(1, round(width * factor)), max(1, round(height * factor))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(
            np.uint8, copy=False
        )
    return cv2.imencode(".jpg", picture, _QUALITY)[1].tobytes()


_UNBUFFERED: Final = {"X-Accel-Buffering": "no"}
"""What nginx wants to be told, or it would collect a stream's parts."""


def _part(jpeg: bytes, number: int) -> bytes:
    """Return a picture for the stream with the head after it, which tells its frame's number."""
    return b"".join((jpeg, b"\r\n", _HEAD % b"X-After: %d\r\n" % number))


def _message(event: str, data: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (event.encode(), data)
