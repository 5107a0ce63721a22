"""Train shipped recipes a little on the backend named: `python every_recipe.py BACKEND`.

Prints a line of JSON for each: its name, the epochs done, and whether a training that was cut
after its first epoch and went on ended with the same weights.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.update(
    KERAS_BACKEND=sys.argv[1],
    CUDA_VISIBLE_DEVICES="-1",
    JAX_PLATFORMS="cpu",
    TF_NUM_INTRAOP_THREADS="1",
    TF_NUM_INTEROP_THREADS="1",
    OMP_NUM_THREADS="1",
    XLA_FLAGS="--xla_backend_optimization_level=0",  # most of the time is JAX's, compiling
)

import numpy as np

from fer_edge.shared.data.samples import Samples
from fer_trainer.backend import keras
from fer_trainer.recipe.files import load_recipe, shipped_recipes
from fer_trainer.recipe.settings import Recipe
from fer_trainer.training.best_epoch import selection_callbacks
from fer_trainer.training.checkpoint import Checkpoint
from fer_trainer.training.loop import RunFiles, new_network, train

RESUMED = "edge-small"  # has every kind of state: schedule, decay, average, erasing
FEW = ("training.epochs=2", "training.batch_size=2", "training.precision=float32")


ALIKE = ("edge-nano", "edge-nano-taught", "edge-small-taught", "edge-tiny")
"""Of the same layers as others, in other numbers; JAX compiles each for half a minute."""


def recipes_for(backend: str) -> list[str]:
    """Return the recipes that are worth training on a backend."""
    return [name for name in shipped_recipes() if backend == "tensorflow" or name not in ALIKE]


def noise(count: int, recipe: Recipe) -> Samples:
    rng = np.random.default_rng(count)
    pictures = rng.integers(0, 256, (count, 48, 48)).astype(np.uint8)
    labels = np.arange(count) % len(recipe.label_names)
    soft = None
    if recipe.heads:  # the last head has no label for the last picture
        sizes = [len(recipe.of_head(head).label_names) for head in recipe.heads]
        soft = np.hstack([np.eye(size, dtype=np.float32)[labels] for size in sizes])
        soft[-1, -sizes[-1] :] = 0
    return Samples(pictures, labels, tuple(map(str, range(count))), soft)


def trained(recipe: Recipe, folder: Path, *, cut: bool = False) -> tuple[Any, int]:
    """Train; with `cut` end after the first epoch and go on from its checkpoint."""
    files = RunFiles(folder / "history.csv", folder / "last.npz")

    def run(begun: Checkpoint | None, tell: Any) -> tuple[Any, int]:
        network = new_network(recipe)
        callbacks = selection_callbacks(recipe, network, run=folder, checkpoints=folder)
        done = train(
            network, recipe, noise(4, recipe), noise(2, recipe),
            files=files, tell=tell, begun=begun, callbacks=callbacks,
        )  # fmt: skip
        return network, done.epochs

    def stop(line: str) -> None:
        if line.startswith("epoch 1/"):
            raise KeyboardInterrupt

    if not cut:
        return run(None, lambda line: None)
    try:
        run(None, stop)
    except KeyboardInterrupt:
        return run(Checkpoint.read(files.checkpoint), lambda line: None)
    raise AssertionError("not cut")


def main() -> None:
    assert keras.backend.backend() == sys.argv[1]
    for name in recipes_for(sys.argv[1]):
        recipe = load_recipe(name, overrides=FEW)
        with tempfile.TemporaryDirectory() as folder:
            network, epochs = trained(recipe, Path(folder))
        same = None
        if name == RESUMED:
            with tempfile.TemporaryDirectory() as folder:
                again, _ = trained(recipe, Path(folder), cut=True)
            pairs = zip(network.get_weights(), again.get_weights(), strict=True)
            same = all(np.array_equal(one, two) for one, two in pairs)
        finite = all(np.isfinite(weight).all() for weight in network.get_weights())
        line = {"name": name, "epochs": epochs, "finite": bool(finite), "resumed_same": same}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
