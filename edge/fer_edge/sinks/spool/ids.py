"""Ids of events: unique everywhere, in the order of their giving."""

import itertools
import secrets
import time


class EventIds:
    """Ids that no other device or run ever gives, and that sort in the order of their giving.

    An id is the millisecond at which the run began, eight random digits, and a count.

    Args:
        after_ms: Where the run before this one began, so that a clock set back cannot bring a
            later run's ids before an earlier one's.
    """

    def __init__(self, *, after_ms: int = 0) -> None:
        self.began_ms = max(time.time_ns() // 1_000_000, after_ms + 1)
        self._stem = f"{self.began_ms:012x}{secrets.token_hex(4)}"
        self._numbers = itertools.count(1)

    def __next__(self) -> str:
        return f"{self._stem}-{next(self._numbers):010x}"
