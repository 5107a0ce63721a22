"""How the machine was doing while it was measured, and whether that spoils the figures."""

import itertools
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any, Final, TypeVar

from fer_edge.shared.closing import Closing
from fer_edge.state.machine import (
    System,
    flag_names,
    frequency_mhz,
    pmic_watts,
    temperature_c,
    throttle_bits,
    throttle_count,
)

_T = TypeVar("_T")

FELL_BELOW: Final = 0.9
"""Of the usual clock of the run: below that the frequency has fallen."""
_IN_A_ROW: Final = 3
_USUAL_PERCENTILE: Final = 0.75


@dataclass(frozen=True, slots=True)
class Vitals:
    """The machine at one moment; None for what it does not tell.

    Attributes:
        seconds: Monotonic clock.
        busy: Whether something was being measured that keeps a core busy throughout.
        throttle_bits: The firmware's flags, see `machine.throttle_bits`.
        throttle_count: Of a PC's cores, since its start.
        frequency_mhz: Of the fastest core.
        temperature_c: Of the hottest zone.
        watts: Of the rails that the Pi 5's power chip measures.
    """

    seconds: float
    busy: bool
    throttle_bits: int | None
    throttle_count: int | None
    frequency_mhz: float | None
    temperature_c: float | None
    watts: float | None


class VitalsWatch(Closing):
    """A thread that looks at the machine at once, then every so often, and where it is closed.

    Args:
        system: The machine.
        period_seconds: Between two looks; each costs some file reads, or two short commands.
    """

    def __init__(self, system: System, *, period_seconds: float = 1.0) -> None:
        self.seen: list[Vitals] = []
        self._system = system
        self._period_seconds = period_seconds
        self._busy = False
        # Asked once: a command that does not exist costs a fork each time.
        self._has_flags = throttle_bits(system) is not None
        self._has_pmic = pmic_watts(system) is not None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="vitals", daemon=True)
        self.look()
        self._thread.start()

    def close(self) -> None:
        """Take the last look; may be called twice."""
        if not self._over.is_set():
            self._over.set()
            self._thread.join()
            self.look()

    @contextmanager
    def busy(self, *, throughout: bool = True) -> Iterator[None]:
        """Mark a block that keeps a core busy, so that its clock must not fall.

        Args:
            throughout: False where it waits between frames; a governor rightly saves power then.
        """
        self._busy = throughout
        try:
            yield
        finally:
            self._busy = False

    def look(self) -> Vitals:
        """Note how the machine is doing now."""
        vitals = Vitals(
            seconds=time.monotonic(),
            busy=self._busy,
            throttle_bits=throttle_bits(self._system) if self._has_flags else None,
            throttle_count=throttle_count(self._system),
            frequency_mhz=frequency_mhz(self._system),
            temperature_c=temperature_c(self._system),
            watts=pmic_watts(self._system) if self._has_pmic else None,
        )
        self.seen.append(vitals)
        return vitals

    def _watch(self) -> None:
        while not self._over.wait(self._period_seconds):
            self.look()


def reasons_against(seen: Sequence[Vitals]) -> list[str]:
    """Return why a run does not count; empty where nothing speaks against it.

    Throttling and under-voltage count when they are seen, or when the firmware's flag for "since
    the start of the machine" was set during the run. The clock has fallen when, while a core
    was kept busy, it was below nine tenths of its usual value three times in a row.
    """
    reasons = []
    if bits := _told(vitals.throttle_bits for vitals in seen):
        during = reduce(or_, (value & 0xF for value in bits), (bits[-1] & ~bits[0]) >> 16)
        reasons += [f"{name} during the run" for name in flag_names(during)[0]]
    counts = _told(vitals.throttle_count for vitals in seen)
    if counts and counts[-1] > counts[0]:
        reasons.append(f"the processor throttled {counts[-1] - counts[0]} times during the run")
    clocks = _told(vitals.frequency_mhz for vitals in seen if vitals.busy)
    if (fall := _fall(clocks)) is not None:
        usual, low = fall
        reasons.append(f"the clock fell from {usual:.0f} to {low:.0f} MHz")
    return reasons


def _told(values: Iterable[_T | None]) -> list[_T]:
    return [value for value in values if value is not None]


def _fall(clocks: Sequence[float]) -> tuple[float, float] | None:
    if len(clocks) < _IN_A_ROW + 1:
        return None
    usual = sorted(clocks)[int(_USUAL_PERCENTILE * (len(clocks) - 1))]
    windows = (clocks[i : i + _IN_A_ROW] for i in range(len(clocks) - _IN_A_ROW + 1))
    fallen = [max(window) for window in windows if max(window) < FELL_BELOW * usual]
    return (usual, min(fallen)) if fallen else None


def describe_vitals(seen: Sequence[Vitals]) -> dict[str, Any]:
    """Return the extremes of a run; None for what the machine does not tell."""
    hot = _told(vitals.temperature_c for vitals in seen)
    clocks = _told(vitals.frequency_mhz for vitals in seen)
    bits = _told(vitals.throttle_bits for vitals in seen)
    counts = _told(vitals.throttle_count for vitals in seen)
    told = {"throttling": bits or counts, "frequency": clocks, "temperature": hot}
    return {
        "looks": len(seen),
        "temperature_c": [min(hot), max(hot)] if hot else None,
        "frequency_mhz": [min(clocks), max(clocks)] if clocks else None,
        "throttle_bits_before": bits[0] if bits else None,
        "throttle_bits_after": bits[-1] if bits else None,
        "not_told": [name for name, values in told.items() if not values],
    }


def energy(seen: Sequence[Vitals], *, frames: int) -> dict[str, Any] | None:
    """Integrate the power over a run by trapezoids; None where the board cannot tell.

    Args:
        seen: Of the span in which the frames were processed.
        frames: Processed in it.
    """
    known = [(v.seconds, v.watts) for v in seen if v.watts is not None]
    if len(known) < 2:
        return None
    joules = sum(
        (later - earlier) * (a + b) / 2 for (earlier, a), (later, b) in itertools.pairwise(known)
    )
    seconds = known[-1][0] - known[0][0]
    return {
        "source": "vcgencmd pmic_read_adc, sum over the rails; without the power chip's own losses "
        "and what USB devices draw",
        "seconds": round(seconds, 2),
        "joules": round(joules, 3),
        "mean_watts": round(joules / seconds, 3) if seconds else None,
        "joules_per_frame": round(joules / frames, 5) if frames else None,
    }
