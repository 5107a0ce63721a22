"""What waits for one viewer: of each kind the newest, and of what must not be missed all."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

_MOST_QUEUED: Final = 64


class Outgoing:
    """A stream in which a slow reader loses what is old, and keeps nobody else waiting.

    All of it happens in the listener's thread.

    Args:
        leave: Called once nobody reads any more.
        first: Sent before all else.
        idle: Sent now and then where nothing else is, so that a viewer who has vanished is found
            out; None is the part that was sent last.
    """

    def __init__(
        self, leave: Callable[["Outgoing"], None], *, first: bytes = b"", idle: bytes | None = None
    ) -> None:
        self._leave = leave
        self._idle = idle
        self._latest: dict[str, bytes] = {}
        self._queue: deque[bytes] = deque([first] if first else [], maxlen=_MOST_QUEUED)
        self._news = asyncio.Event()
        self._last = b""
        self._ended = False
        if first:
            self._news.set()

    def put(self, kind: str, part: bytes) -> None:
        """Have a part sent in the place of an older one of its kind that still waits."""
        self._latest[kind] = part
        self._news.set()

    def add(self, part: bytes) -> None:
        """Have a part sent; of many that wait the oldest are lost."""
        self._queue.append(part)
        self._news.set()

    def nudge(self) -> None:
        """Have something sent, if nothing waits."""
        part = self._last if self._idle is None else self._idle
        if part and not self._news.is_set():
            self.add(part)

    def end(self) -> None:
        """Send nothing any more: whoever reads is disconnected."""
        self._ended = True
        self._news.set()

    def __aiter__(self) -> "Outgoing":
        """Return the parts."""
        return self

    async def __anext__(self) -> bytes:
        """Return all that waits, once there is something."""
        await self._news.wait()
        if self._ended:
            raise StopAsyncIteration
        self._news.clear()
        parts = [*self._queue, *self._latest.values()]
        if self._latest:
            self._last = parts[-1]
        self._queue.clear()
        self._latest.clear()
        return b"".join(parts)

    async def aclose(self) -> None:
        """Leave; may be called twice."""
        self._leave(self)
