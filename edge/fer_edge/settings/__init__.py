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
    BaselineSettings,
    DetectorSettings,
    ExpressionSettings,
    ModelSettings,
    PriorSettings,
    SmoothingSettings,
    SourceSettings,
    TrackerSettings,
)

__all__ = [
    "ENVIRONMENT_PREFIX",
    "BaselineSettings",
    "DaemonSettings",
    "DetectorSettings",
    "EventSettings",
    "ExpressionSettings",
    "ModelSettings",
    "MqttSettings",
    "OutputSettings",
    "PriorSettings",
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
