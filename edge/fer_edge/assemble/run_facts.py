"""What the settings alone do not say of a run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the page is to tell beside the settings.

    Attributes:
        origins: Returns where each value of the settings in force came from, by `section.key`.
        keeps_pictures: Whether somebody has pictures stored, by --annotate.
    """

    origins: Callable[[], Mapping[str, str]] = dict
    keeps_pictures: bool = False
