"""Which settings to try next: one after another, each at its best before the next."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fer_edge.commands.tune.candidate import Trial, median_of
from fer_edge.shared.faces.choice import Kind

Value = str | int | float

VALUES: Final[Mapping[str, Sequence[Value]]] = {
    "tracker.mode": ("follow", "each"),
    "tracker.check_frames": (5, 10, 20),
    "tracker.min_face_px": (20, 32, 48),
    "tracker.budget_ms_per_second": (20.0, 60.0, 120.0),
    "tracker.search_seconds": (0.13, 0.3, 1.0),
    "tracker.known_search_seconds": (0.25, 0.5, 1.0),
    "detector.yunet_side_px": (224, 320, 480),
    "detector.yunet_second_side_px": (0, 640),
    "detector.yunet_least_score": (0.5, 0.6, 0.7),
    "detector.max_side_px": (320, 480, 640),
    "detector.scale_factor": (1.1, 1.2, 1.3),
    "detector.min_face_px": (24, 40, 60),
    "detector.min_neighbours": (1, 2, 3, 5),
    "detector.cascade": ("alt2", "alt", "default"),
    "detector.confirm": ("alt+default", "alt", ""),
    "model.threads": tuple(n for n in (1, 2, 4) if n <= (os.cpu_count() or 1)),
}
"""What is tried."""

_MODE: Final = "tracker.mode"
_ONLY_IN: Final = {"tracker": "follow", "detector": "each"}
"""Sections that have a say in one mode alone."""
_YUNET: Final = "detector.yunet_"
"""How settings begin that have a say in that technique alone; the other detectors' are Haar's."""

_ROUNDS: Final = 2
_FINALISTS: Final = 3
_REPEATS: Final = 3


@dataclass(frozen=True, slots=True)
class Goal:
    """What settings must reach.

    Attributes:
        recall: Of the faces known; a floor.
        cpu_ms: CPU time per frame; a ceiling, 0 for none.
        latency_ms: 90th percentile of a frame's wall time; a ceiling, 0 for none.
    """

    recall: float
    cpu_ms: float = 0.0
    latency_ms: float = 0.0

    def is_met(self, trial: Trial) -> bool:
        """Whether a trial reaches all of it."""
        return trial.recall >= self.recall and self._excess(trial) <= 1

    def rank(self, trial: Trial, *, false_finds: float) -> tuple[Any, ...]:
        """Return what to sort by; the least is the best.

        First those that find enough faces, without more false ones than the settings begun with;
        of these those below the ceilings, the cheapest first, then those nearest to them. Of the
        others those that find most.
        """
        if trial.recall >= self.recall and trial.false_finds <= false_finds:
            return (0, max(1.0, self._excess(trial)), trial.cpu_ms)
        return (1, -round(trial.recall, 2), trial.false_finds, trial.cpu_ms)

    def _excess(self, trial: Trial) -> float:
        """Return the times of a trial as a multiple of their ceilings, the larger of both."""
        return max(
            trial.cpu_ms / self.cpu_ms if self.cpu_ms else 0.0,
            trial.latency_ms / self.latency_ms if self.latency_ms else 0.0,
        )


@dataclass(slots=True)
class Search:
    """The search, and all that it has tried.

    Attributes:
        try_settings: Runs one set of settings.
        goal: What is wanted.
        fixed: Settings that are not to be changed, because somebody has set them.
        progress: Told what is tried, and how many trials of how many are done before it.
        kind: Technique that finds the faces; the other one's settings have no say.
        trials: By their changes; the first is of the settings begun with.
    """

    try_settings: Callable[[Mapping[str, Value]], Trial]
    goal: Goal
    fixed: frozenset[str] = frozenset()
    progress: Callable[[str, int, int, str], None] = lambda _what, _done, _total, _detail: None
    trials: dict[tuple[tuple[str, Value], ...], Trial] = field(default_factory=dict)
    kind: Kind = "haar"

    def run(self, start: Mapping[str, Value], changes: Mapping[str, Value] | None = None) -> Trial:
        """Return the best settings found.

        Args:
            start: What the settings begun with say, by `section.key`.
            changes: What every trial changes of them.
        """
        first = self._try(changes or {})
        best = first
        for _ in range(_ROUNDS):
            before = best
            for key, value in self._steps():
                if not self._has_a_say(key, {**start, **best.changes}[_MODE]):
                    continue
                other = {**best.changes, key: value}
                if value == start[key]:
                    other.pop(key)
                trial = self._try(other)
                best = min(best, trial, key=lambda t: self.goal.rank(
                    t, false_finds=first.false_finds))  # fmt: skip
            if best is before:
                break
        return self._final(best, first)

    def _total(self, mode: Value) -> int:
        return _ROUNDS * sum(self._has_a_say(key, mode) for key, _ in self._steps())

    def _has_a_say(self, key: str, mode: Value) -> bool:
        section = key.partition(".")[0]
        if section == "detector" and key.startswith(_YUNET) != (self.kind == "yunet"):
            return False
        return key == _MODE or _ONLY_IN.get(section, mode) == mode

    def _steps(self) -> Iterator[tuple[str, Value]]:
        for key, values in VALUES.items():
            if key not in self.fixed:
                yield from ((key, value) for value in values)

    def _try(self, changes: Mapping[str, Value]) -> Trial:
        key = tuple(sorted(changes.items()))
        if key not in self.trials:
            total = self._total(changes.get(_MODE, "follow"))
            done = min(len(self.trials), total - 1)
            self.progress("trial", done, total, self._words(changes))
            self.trials[key] = self.try_settings(changes)
        return self.trials[key]

    def _words(self, changes: Mapping[str, Value]) -> str:
        """Return what a trial tries, in one setting: the one that the trial before had not."""
        before = dict(next(reversed(self.trials), ()))
        new = [f"{key} {value}" for key, value in changes.items() if before.get(key) != value]
        return new[-1] if new else "as before, less one change" if changes else "nothing changed"

    def _final(self, best: Trial, first: Trial) -> Trial:
        """Try the best few and the first again, in turn: one measurement proves little."""

        def rank(trial: Trial) -> tuple[Any, ...]:
            return self.goal.rank(trial, false_finds=first.false_finds)

        ranked = sorted({id(t): t for t in (best, *self.trials.values())}.values(), key=rank)
        finalists = list({id(t): t for t in (first, *ranked[:_FINALISTS])}.values())
        again = [[trial] for trial in finalists]
        total = (_REPEATS - 1) * len(finalists)
        for turn in range(_REPEATS - 1):
            for place, (trials, trial) in enumerate(zip(again, finalists, strict=True)):
                done = turn * len(finalists) + place
                self.progress("the best once more", done, total, "")
                trials.append(self.try_settings(trial.changes))
        settled = [median_of(trials) for trials in again]
        for trial in settled:
            self.trials[tuple(sorted(trial.changes.items()))] = trial
        return min(settled, key=rank)
