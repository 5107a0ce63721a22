"""All sections together."""

from dataclasses import dataclass, field

from fer_edge.settings.reporting import (
    DaemonSettings,
    EventSettings,
    MqttSettings,
    OutputSettings,
    WebSettings,
)
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
    events: EventSettings = field(default_factory=EventSettings)
    mqtt: MqttSettings = field(default_factory=MqttSettings)
    daemon: DaemonSettings = field(default_factory=DaemonSettings)
    web: WebSettings = field(default_factory=WebSettings)
