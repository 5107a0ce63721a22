"""Pauses between attempts: the one piece that everything which retries shares."""

import random


class Backoff:
    """Pauses that double from the first to the longest, each drawn from its upper half.

    The draw keeps fifty devices, whose broker comes back, from knocking at the same moment.

    Args:
        first_seconds: The first pause at most.
        longest_seconds: The longest pause.
        draw: Gives numbers from 0 to 1.
    """

    def __init__(
        self,
        *,
        first_seconds: float,
        longest_seconds: float,
        draw: random.Random | None = None,
    ) -> None:
        self._first = first_seconds
        self._longest = longest_seconds
        self._random = draw or random.Random()  # noqa: S311 - spreads load, guards no secret
        self._next = first_seconds

    def pause(self) -> float:
        """Return how many seconds to wait before the next attempt."""
        bound, self._next = self._next, min(2 * self._next, self._longest)
        return bound * (0.5 + 0.5 * self._random.random())

    def reset(self) -> None:
        """Begin with the first pause again, after a success."""
        self._next = self._first
