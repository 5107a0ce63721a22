"""A bound on the time that something may take, in milliseconds per second."""


class Budget:
    """Fills at a constant rate up to a cap; work takes from it and may overdraw it once.

    Overdrawn, it allows nothing until it has filled up again, so the rate holds over any time
    longer than one piece of work.

    Args:
        ms_per_second: The rate.
        burst_ms: The cap; it starts full.
    """

    def __init__(self, ms_per_second: float, *, burst_ms: float) -> None:
        self._rate = ms_per_second
        self._cap = burst_ms
        self._left = burst_ms
        self._at: float | None = None

    def allows(self, now: float) -> bool:
        """Return whether anything is left at a time in seconds."""
        if self._at is not None:
            self._left = min(self._cap, self._left + max(0.0, now - self._at) * self._rate)
        self._at = now
        return self._left > 0

    def spend(self, milliseconds: float) -> None:
        """Take what was used."""
        self._left -= milliseconds
