"""Settings of where what was seen goes."""

from dataclasses import dataclass

from fer_edge.settings.setting import setting


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """Where observations go."""

    file: str = setting("-", "JSON lines file to append to; - is stdout, empty is none")


@dataclass(frozen=True, slots=True)
class DaemonSettings:
    """How a run is told from others."""

    name: str = setting("", "tells several runs on one machine apart; needed only for a second one")


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Metrics and health over HTTP."""

    port: int = setting(0, "port of /metrics, /livez and /readyz; 0 is none", low=0, high=65535)
    address: str = setting("127.0.0.1", "where it listens; beyond this machine only with a token")
    token_file: str = setting("", "file with the token that is asked for, 16 characters or more")
    alive_seconds: float = setting(
        20.0, "without a beat of the loop until /livez says no", low=1, high=3600
    )
