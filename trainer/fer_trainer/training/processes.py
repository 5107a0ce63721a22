"""Which of several processes this one is, as Keras' own environment variables say.

Loads no Keras.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fer_edge.shared.errors import SettingsError

ADDRESSES: Final = "KERAS_DISTRIBUTION_JOB_ADDRESSES"
COUNT: Final = "KERAS_DISTRIBUTION_NUM_PROCESSES"
INDEX: Final = "KERAS_DISTRIBUTION_PROCESS_ID"


@dataclass(frozen=True, slots=True)
class Process:
    """One of the processes that train together.

    Attributes:
        addresses: Host and port of process 0; empty where there is one process.
        count: How many there are.
        index: This one's number, from 0; process 0 writes the run folder.
    """

    addresses: str = ""
    count: int = 1
    index: int = 0


def this_process(environment: Mapping[str, str] = os.environ) -> Process:
    """Return what the environment says.

    Raises:
        SettingsError: It is incomplete or contradicts itself.
    """
    given = {name: environment.get(name, "") for name in (ADDRESSES, COUNT, INDEX)}
    if not any(given.values()):
        return Process()
    index, count = _number(given, INDEX), _number(given, COUNT)
    if not given[ADDRESSES] or not 0 <= index < count:
        raise SettingsError(
            f"{ADDRESSES}={given[ADDRESSES]!r}, {COUNT}={count}, {INDEX}={index}",
            expected="an address and an index below the number of processes",
            fix="set all three on every process, or none",
        )
    return Process(given[ADDRESSES], count, index)


def _number(given: Mapping[str, str], name: str) -> int:
    try:
        return int(given[name])
    except ValueError:
        raise SettingsError(
            f"{name}={given[name]!r}",
            expected="a whole number",
            fix="set all three on every process, or none",
        ) from None
