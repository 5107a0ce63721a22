"""Several devices or machines, through Keras' own distribution on JAX.

Every process runs the same command with three variables in its environment (see
`fer_trainer.training.processes`), reads all the data, and feeds its own share of every batch; the
weights are the same on all of them after each step. Several devices of one process need no more
than the JAX backend.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from fer_edge.shared.errors import SettingsError
from fer_trainer.backend import keras
from fer_trainer.training.processes import Process, this_process


@dataclass(frozen=True, slots=True)
class Devices:
    """All devices that train together.

    Attributes:
        process: This one among those that drive the devices.
        devices: Of all processes together.
    """

    process: Process = field(default_factory=Process)
    devices: int = 1

    @property
    def alone(self) -> bool:
        """Whether there is one device only, and nothing to distribute."""
        return self.devices == 1

    @property
    def own_devices(self) -> int:
        """Number of devices that this process drives."""
        return max(1, self.devices // self.process.count)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Let what is built and fitted inside be spread over all devices."""
        if self.alone:
            yield
            return
        before = keras.distribution.distribution()
        # Each process feeds its own share, so Keras must not cut it once more.
        everywhere = keras.distribution.DataParallel(auto_shard_dataset=False)
        keras.distribution.set_distribution(everywhere)
        try:
            yield
        finally:
            keras.distribution.set_distribution(before)

    def check_batch(self, size: int) -> None:
        """Refuse a batch that cannot be shared out evenly.

        Raises:
            SettingsError: It cannot.
        """
        if size % self.devices:
            near = max(1, round(size / self.devices)) * self.devices
            raise SettingsError(
                f"batches of {size} pictures for {self.devices} devices",
                expected=f"a multiple of {self.devices}",
                fix=f"add --set training.batch_size={near}",
            )


def join_devices() -> Devices:
    """Join the other processes, if there are any; must come before any computation.

    Raises:
        SettingsError: The environment is incomplete, or the backend is not JAX.
    """
    process, backend = this_process(), str(keras.backend.backend())
    if process.count > 1 and backend != "jax":
        raise SettingsError(
            f"{process.count} processes on the {backend} backend",
            expected="JAX, on which alone Keras distributes over processes",
            fix="set KERAS_BACKEND=jax",
        )
    if backend != "jax":
        return Devices()
    with _stdout_kept():
        if process.count > 1:
            keras.distribution.initialize(process.addresses, process.count, process.index)
        return Devices(process, len(keras.distribution.list_devices()))


@contextlib.contextmanager
def _stdout_kept() -> Iterator[None]:
    """Keep stdout for data: the library that joins processes greets there."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
