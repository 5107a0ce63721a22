"""One of several processes that train together: `device_member.py INDEX COUNT PORT RECIPE OUT`

trains on made-up noise and writes its weights to OUT/INDEX.npz.
"""

import os
import sys
from pathlib import Path

os.environ.update(
    KERAS_BACKEND="jax",
    JAX_PLATFORMS="cpu",
    XLA_FLAGS="--xla_backend_optimization_level=0",  # most of the time is JAX's, compiling
    KERAS_DISTRIBUTION_PROCESS_ID=sys.argv[1],
    KERAS_DISTRIBUTION_NUM_PROCESSES=sys.argv[2],
    KERAS_DISTRIBUTION_JOB_ADDRESSES=f"127.0.0.1:{sys.argv[3]}",
)

import numpy as np

from fer_edge.shared.data.samples import Samples
from fer_trainer.recipe.files import load_recipe
from fer_trainer.training.distribution import join_devices
from fer_trainer.training.loop import RunFiles, new_network, train


def noise(count: int) -> Samples:
    rng = np.random.default_rng(count)
    pictures = rng.integers(0, 256, (count, 48, 48)).astype(np.uint8)
    return Samples(pictures, np.arange(count) % 7, tuple(map(str, range(count))))


def main(recipe_path: str, out: Path) -> None:
    devices = join_devices()
    recipe = load_recipe(recipe_path, overrides=["training.epochs=2"])
    network = new_network(recipe)
    own = out / f"files-{devices.process.index}"
    own.mkdir()
    files = RunFiles(own / "history.csv", own / "last.npz")
    train(
        network, recipe, noise(33), noise(9), files=files, tell=lambda line: None, devices=devices
    )
    np.savez(out / f"{devices.process.index}.npz", *network.get_weights())


if __name__ == "__main__":
    main(sys.argv[4], Path(sys.argv[5]))
