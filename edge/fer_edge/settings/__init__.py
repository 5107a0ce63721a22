"""Every setting of the runtime, its default, and where its value came from."""

from fer_edge.settings.reporting import (
    DaemonSettings,
    EventSettings,
    MqttSettings,
    OutputSettings,
    WebSettings,
)
from fer_edge.settings.resolving import (
    ENVIRONMENT_PREFIX,
    ResolvedSettings,
    Setting,
    Settings,
    read_settings_file,
    resolve,
)
from fer_edge.settings.seeing import (
    DetectorSettings,
    ModelSettings,
    SmoothingSettings,
    SourceSettings,
    TrackerSettings,
)

__all__ = [
    "ENVIRONMENT_PREFIX",
    "DaemonSettings",
    "DetectorSettings",
    "EventSettings",
    "ModelSettings",
    "MqttSettings",
    "OutputSettings",
    "ResolvedSettings",
    "Setting",
    "Settings",
    "SmoothingSettings",
    "SourceSettings",
    "TrackerSettings",
    "WebSettings",
    "read_settings_file",
    "resolve",
]
