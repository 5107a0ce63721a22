"""All sections together."""

from dataclasses import dataclass, field

from fer_edge.settings.reporting import DaemonSettings, OutputSettings, WebSettings
from fer_edge.settings.seeing import (
    DetectorSettings,
    ModelSettings,
    SmoothingSettings,
    SourceSettings,
    TrackerSettings,
)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, by section."""

    source: SourceSettings = field(default_factory=SourceSettings)
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    smoothing: SmoothingSettings = field(default_factory=SmoothingSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    daemon: DaemonSettings = field(default_factory=DaemonSettings)
    web: WebSettings = field(default_factory=WebSettings)
