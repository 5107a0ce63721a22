"""Photos that somebody hands to the page: each read by a process of its own, within bounds.

A fork would take the daemon's threads, and what they hold, by surprise; so a fresh process is
started for each photo. It gets the bytes in a file of memory: neither end writes them to a disk.
"""

import asyncio
import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fer_edge.sinks.web.child import Answered, TooMuchError, ask_child
from fer_edge.sinks.web.messages import Request, Response, answer_json, problem
from fer_edge.sinks.web.router import Route

_PROGRAM: Final = ("-m", "fer_edge.commands.photo_child")
_MOST_ANSWER_BYTES: Final = 16 * 2**20
_JPEG: Final = b"\xff\xd8\xff"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PhotoLimits:
    """What a photo may be, and how many may come; the listener bounds those that come at once.

    Attributes:
        bytes: Of a file.
        pixels: Of a picture, by its header.
        read_seconds: To read it, the start of the process included.
        memory_bytes: That reading it may take beside the model.
        burst: Photos that may follow one another at once.
        pause_seconds: After which there may be one more.
    """

    bytes: int = 16 * 2**20
    pixels: int = 25_000_000
    read_seconds: float = 30.0
    memory_bytes: int = 192 * 2**20
    burst: int = 6
    pause_seconds: float = 2.0


_USUAL: Final = PhotoLimits()


class Photos:
    """Reads photos, one at a time, in the thread of an asyncio loop.

    Args:
        settings: Of finding and reading faces, as text by `section.key`.
        limits: Others than the usual.
        program: Arguments of Python, others than those of what reads a photo.
        clock: Monotonic, in seconds.

    Attributes:
        settings: May be replaced, from any thread.
    """

    def __init__(
        self,
        settings: Mapping[str, str],
        limits: PhotoLimits = _USUAL,
        *,
        program: Sequence[str] = _PROGRAM,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self._limits = limits
        self._program = program
        self._clock = clock
        self._left = float(limits.burst)
        self._counted_at = clock()
        self._turn = asyncio.Lock()

    def routes(self) -> tuple[Route, ...]:
        """Return where photos are taken."""
        return tuple(
            Route("POST", path, handle, self._limits.bytes, in_json=True)
            for path, handle in (("/photo", self._describe), ("/photo/annotated", self._draw))
        )

    async def _describe(self, request: Request) -> Response:
        return await self._read(request, annotated=False)

    async def _draw(self, request: Request) -> Response:
        return await self._read(request, annotated=True)

    async def _read(self, request: Request, *, annotated: bool) -> Response:
        try:
            if not request.body:
                raise _empty(request)
            self._count()
            async with self._turn:
                answer, code = await self._ask_child(request.body, annotated=annotated)
            if annotated and answer.startswith(_JPEG):
                return Response(200, answer, "image/jpeg")
            told = _told(answer, code)
            if annotated or "photo" not in told:
                raise _refusal(told, code)
            return answer_json(told["photo"])
        except _RefusedError as error:
            return error.answer

    def _count(self) -> None:
        now, limits = self._clock(), self._limits
        regained = (now - self._counted_at) / limits.pause_seconds
        self._left, self._counted_at = min(self._left + regained, float(limits.burst)), now
        if self._left < 1:
            raise _RefusedError(
                429,
                "too many photos came in a short time",
                expected=f"{limits.burst} at once, then one each {limits.pause_seconds:g} s",
                fix="try again in some seconds",
                Retry_After=str(math.ceil((1 - self._left) * limits.pause_seconds)),
            )
        self._left -= 1

    async def _ask_child(self, picture: bytes, *, annotated: bool) -> Answered:
        limits = self._limits
        wish = {
            "settings": dict(self.settings),
            "annotated": annotated,
            "most_pixels": limits.pixels,
            "memory": limits.memory_bytes,
            "seconds": max(1, round(limits.read_seconds)),
        }
        try:
            return await ask_child(
                self._program,
                given=(json.dumps(wish).encode() + b"\n", picture),
                most_bytes=_MOST_ANSWER_BYTES,
                seconds=limits.read_seconds,
                environment={"OPENCV_IO_MAX_IMAGE_PIXELS": str(limits.pixels)},
            )
        except TimeoutError:
            raise _unreadable(f"the photo takes longer than {limits.read_seconds:g} s") from None
        except TooMuchError:
            raise _unreadable("the photo makes an answer without an end") from None
        except OSError as error:
            raise _RefusedError(
                503,
                f"no process to read the photo can be started ({error.strerror})",
                expected="memory and processes to spare",
                fix="try again later",
            ) from error


def _told(answer: bytes, code: int) -> dict[str, Any]:
    try:
        told = json.loads(answer)
    except ValueError:
        told = None
    if isinstance(told, dict):
        return told
    if code < 0:
        raise _unreadable(f"the photo crashed the decoder (signal {-code})")
    raise _unreadable(f"the photo ended the process that read it (exit code {code})")


def _refusal(told: Mapping[str, Any], code: int) -> "_RefusedError":
    error = told.get("error")
    if not isinstance(error, dict):
        _log.error("reading a photo failed inside (%s, exit code %d); this is a defect",
                   str(told.get("defect", "it said nothing"))[:500], code)  # fmt: skip
        return _RefusedError(
            500,
            "reading the photo failed inside; this is a defect",
            expected="an answer",
            fix="see the daemon's log",
        )
    status = error.get("status")
    texts = {name: str(error.get(name, ""))[:500] for name in ("message", "expected", "fix")}
    return _RefusedError(
        status if status in {413, 503} else 422,
        texts["message"],
        expected=texts["expected"],
        fix=texts["fix"],
    )


def _empty(request: Request) -> "_RefusedError":
    if "content-length" in request.headers:
        return _unreadable("the photo is empty")
    return _RefusedError(
        411,
        "the length of the photo is not said",
        expected="a header Content-Length with the number of its bytes",
        fix="send the file as it is, in one piece",
    )


def _unreadable(found: str) -> "_RefusedError":
    return _RefusedError(
        422,
        found,
        expected="a picture (JPEG, PNG, BMP, WebP, AVIF, JPEG 2000, TIFF, GIF or PNM)",
        fix="check the file, or convert it to JPEG",
    )


class _RefusedError(Exception):
    """A photo is not read; the answer says why."""

    def __init__(
        self, status: int, message: str, *, expected: str, fix: str, **headers: str
    ) -> None:
        self.answer = problem(status, message, expected=expected, fix=fix, **headers)
        super().__init__(message)
