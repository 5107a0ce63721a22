"""Settings of where what was seen goes."""

from dataclasses import dataclass

from fer_edge.settings.setting import setting


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """Where observations go."""

    file: str = setting("-", "JSON lines file to append to; - is stdout, empty is none")
