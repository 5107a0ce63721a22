"""What a benchmark is to measure, and who is told how far it has got."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from fer_edge.settings import ModelSettings, Settings
from fer_edge.shared.terminal.progress import SILENT, ProgressLine
from fer_edge.state.machine import System


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """What is to be measured, and for how long.

    Attributes:
        settings: Of the runtime; its model is the one that the pipeline uses.
        models: Measured side by side; the first is the pipeline's.
        clip: Measured on it instead of the made scenes: any source; "" for none.
        sizes: Frame sizes (width, height) on which the detector is measured alone.
        seconds: Longest time for one measurement.
        minutes: Of sustained work; 0 for none.
        single_stream_seconds: Of the run by MLPerf's single-stream rules; 0 for none.
        frames_per_second: Pace at which frames are handed to the pipeline; 0 is one after another.
        data: Labelled face crops for the accuracy; None takes the contract's figures.
    """

    settings: Settings
    models: tuple[ModelSettings, ...]
    clip: str = ""
    sizes: tuple[tuple[int, int], ...] = ((640, 480),)
    seconds: float = 10.0
    minutes: float = 0.0
    single_stream_seconds: float = 0.0
    frames_per_second: float = 0.0
    data: Path | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """What the measurements share while they are made.

    Attributes:
        plan: What is to be measured.
        system: The machine.
        stop: Set from elsewhere to end; what was measured is kept.
        progress: Told now and then what is being measured.
    """

    plan: BenchPlan
    system: System = field(default_factory=System)
    stop: threading.Event = field(default_factory=threading.Event)
    progress: ProgressLine = SILENT
