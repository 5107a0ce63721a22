"""Things that are closed: one context manager for all of them."""

from types import TracebackType
from typing import Self


class Closing:
    """A context manager that closes itself; `close` may be called twice."""

    def close(self) -> None:
        """Release what is held; may be called twice."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Return the object itself; it is open since its construction."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()
