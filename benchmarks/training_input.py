"""Pictures a second into training: ours against Keras' ImageDataGenerator, on two cores.

The same made-up pictures (48x48, PNG) and the same transforms both ways. The documented way reads
class folders with `flow_from_directory`; it is measured with the pictures in memory (`flow`) too.
Ours is the shuffled batch and the compiled augmentation, ending with the pictures on the device.
End to end, both train the network of happy-sad-simple with happy-sad-deep's transforms, which ask
for most that ImageDataGenerator can do; the documented way as documented: float pictures from the
generator into a float32 `fit`; ours in the precision that it chooses by itself. Last, seven-gap's
network without any transforms, against a plain float32 `fit` on arrays in memory. Beside wall time
stands the process's CPU time, which a machine that others use distorts less; the documented
generators use one core, ours two.
"""

# ruff: noqa: E402 - the cores are chosen before any library counts its threads

import os
import sys

CORES = sorted(os.sched_getaffinity(0))[:2]
os.sched_setaffinity(0, CORES)  # before any library counts its threads
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import dataclasses
import itertools
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from real_data import parse_arguments, report

from fer_edge.shared.opencv import cv2
from fer_trainer.backend import keras
from fer_trainer.recipe.files import load_recipe
from fer_trainer.recipe.settings import AugmentationSettings, Recipe
from fer_trainer.training.augmentation import Augment, augmented
from fer_trainer.training.batches import ShuffledBatches
from fer_trainer.training.fusing import adam
from fer_trainer.training.loop import new_network, steps_at_once
from fer_trainer.training.precision import choose_precision, network_in, scaled

PICTURES = 4096
GAP_PICTURES = 1280
ROUNDS = 3
DRAW_SECONDS = 3.0


def pictures_and_labels() -> tuple[np.ndarray, np.ndarray]:
    """Made-up pictures, as smooth as faces: uint8 (N, 48, 48), int64 (N,)."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (PICTURES, 12, 12)).astype(np.uint8)
    resized = [cv2.resize(c, (48, 48), interpolation=cv2.INTER_CUBIC) for c in coarse]
    return np.stack(resized), np.arange(PICTURES) % 2


def write_folders(folder: Path, pictures: np.ndarray, labels: np.ndarray) -> None:
    for index, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        path = folder / str(label) / f"{index:05d}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), picture)


def legacy_generator(settings: AugmentationSettings) -> Any:
    """Return ImageDataGenerator with a recipe's transforms."""
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    off = AugmentationSettings()
    known = {"flip", "rotation_degrees", "shift", "shear_degrees", "zoom"}
    others = [f.name for f in dataclasses.fields(settings)
              if f.name not in known
              and getattr(settings, f.name) != getattr(off, f.name)]  # fmt: skip
    assert not others, f"ImageDataGenerator has no {others}"
    return ImageDataGenerator(
        rescale=1 / 255,
        rotation_range=settings.rotation_degrees,
        width_shift_range=settings.shift,
        height_shift_range=settings.shift,
        shear_range=settings.shear_degrees,
        zoom_range=settings.zoom,
        horizontal_flip=settings.flip,
    )


def flows(recipe: Recipe, folder: Path, pictures: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return the documented ways by name, each an endless iterator over batches."""
    generator = legacy_generator(recipe.augmentation)
    size = recipe.training.batch_size
    return {
        "flow_from_directory": generator.flow_from_directory(
            str(folder), target_size=(48, 48), color_mode="grayscale", class_mode="binary",
            batch_size=size, seed=1,
        ),
        "flow": generator.flow(pictures[..., None], labels, batch_size=size, seed=1),
    }  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Speed:
    """Pictures per second of wall time and of CPU time."""

    wall: float
    cpu: float


def drawn(draw: Callable[[], Any], *, size: int) -> Speed:
    """Draw batches of a size for a few seconds."""
    for _ in range(3):
        draw()
    count, wall, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < DRAW_SECONDS:
        draw()
        count += size
    return Speed(count / (time.perf_counter() - wall), count / (time.process_time() - cpu))


def compiled(layer: Any) -> Callable[[np.ndarray], Any]:
    """Return the layer's training call as a training step has it on this backend."""
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            return tf.function(lambda x: layer(x, training=True))
        case "jax":
            import jax

            step = jax.jit(lambda seeds, x: layer.stateless_call([], seeds, x, training=True))
            seeds = [variable.value for variable in layer.non_trainable_variables]

            def call(x: np.ndarray) -> Any:
                nonlocal seeds
                answer, seeds = step(seeds, x)
                return answer.block_until_ready()

            return call
        case _:
            return lambda x: layer(x, training=True)


def our_draw(
    pictures: np.ndarray, labels: np.ndarray, settings: AugmentationSettings, *, size: int
) -> Callable[[], Any]:
    batches = ShuffledBatches(pictures, labels, batch_size=size, seed=1)
    call = compiled(Augment(settings, seed=1))
    places = itertools.cycle(range(len(batches)))
    return lambda: call(batches[next(places)][0])


class Clock(keras.callbacks.Callback):
    """Remembers the speed of each epoch from the end of its first call on.

    In the first step of an epoch TensorFlow now and then waits a second for its iterator, which
    counts for much in epochs as short as these.
    """

    def __init__(self) -> None:
        super().__init__()
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Forget where the last epoch began."""
        self._begun: tuple[int, float, float] | None = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Start at the first call's end; count on."""
        self._batch = batch
        if self._begun is None:
            self._begun = batch, time.perf_counter(), time.process_time()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Note steps a second."""
        assert self._begun is not None
        batch, wall, cpu = self._begun
        self.wall.append((self._batch - batch) / (time.perf_counter() - wall))
        self.cpu.append((self._batch - batch) / (time.process_time() - cpu))


def fitted(model: Any, batches: Any, *, epochs: int) -> Speed:
    """Fit and return the speed of all epochs but the first, which compiles."""
    clock, size = Clock(), len(batches[0][0])
    data, callbacks = batches.for_fit() if isinstance(batches, ShuffledBatches) else (batches, [])
    model.fit(data, epochs=epochs + 1, verbose=0, shuffle=False, callbacks=[*callbacks, clock])
    return Speed(size * statistics.median(clock.wall[1:]), size * statistics.median(clock.cpu[1:]))


def our_model(recipe: Recipe, settings: AugmentationSettings, loss: str) -> Any:
    """Return what `fer-train fit` trains, in the precision that it chooses."""
    network = new_network(recipe)
    precision, reason = choose_precision(recipe, network, pictures=28_709)
    print(f"{recipe.name}: {precision}, {reason}", file=sys.stderr)
    model = augmented(network_in(precision, recipe), settings, seed=1)
    model.compile(scaled(adam(learning_rate=1e-3), precision), loss, metrics=["accuracy"],
                  steps_per_execution=steps_at_once(network),
                  jit_compile="auto" if keras.backend.backend() == "jax" else False)  # fmt: skip
    return model


def documented_model(recipe: Recipe) -> Any:
    """Return the recipe's network, which takes what the generator has rescaled."""
    pixels = keras.Input((48, 48, 1))
    network = new_network(recipe)
    model = keras.Model(pixels, network(keras.layers.Rescaling(255.0)(pixels)))
    model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy", metrics=["accuracy"])
    return model


def interleaved(ways: dict[str, Callable[[], Speed]]) -> dict[str, Any]:
    """Measure every way in turn, several times, so that a loaded machine hits all alike."""
    found: dict[str, list[Speed]] = {name: [] for name in ways}
    for _, (name, measure) in itertools.product(range(ROUNDS), ways.items()):
        found[name].append(measure())
    wall = {name: statistics.median(s.wall for s in speeds) for name, speeds in found.items()}
    cpu = {name: statistics.median(s.cpu for s in speeds) for name, speeds in found.items()}
    return {
        name: {
            "pictures_per_second": round(wall[name]),
            "range": [round(min(s.wall for s in speeds)), round(max(s.wall for s in speeds))],
            "pictures_per_cpu_second": round(cpu[name]),
            "ours_is_times_as_fast": round(wall["ours"] / wall[name], 2),
            "ours_is_times_as_fast_by_cpu_time": round(cpu["ours"] / cpu[name], 2),
        }
        for name, speeds in found.items()
    }


def input_alone(name: str, folder: Path, pictures: np.ndarray, labels: np.ndarray) -> Any:
    recipe = load_recipe(name)
    size = recipe.training.batch_size
    ways = flows(recipe, folder, pictures, labels)
    draw = our_draw(pictures, labels, recipe.augmentation, size=size)
    return interleaved({
        "ours": lambda: drawn(draw, size=size),
        **{way: lambda flow=flow: drawn(lambda: next(flow), size=size)
           for way, flow in ways.items()},
    })  # fmt: skip


def end_to_end(folder: Path, pictures: np.ndarray, labels: np.ndarray) -> Any:
    recipe = load_recipe("happy-sad-simple")
    transforms = load_recipe("happy-sad-deep")
    ways = flows(
        dataclasses.replace(recipe, augmentation=transforms.augmentation), folder, pictures, labels
    )
    batches = ShuffledBatches(pictures, labels.astype(np.float32)[:, None],
                              batch_size=recipe.training.batch_size, seed=1)  # fmt: skip
    ours = our_model(recipe, transforms.augmentation, "binary_crossentropy")
    theirs = {way: documented_model(recipe) for way in ways}
    return interleaved({
        "ours": lambda: fitted(ours, batches, epochs=3),
        **{way: lambda way=way, flow=flow: fitted(theirs[way], flow, epochs=1)
           for way, flow in ways.items()},
    })  # fmt: skip


def on_cpu(pictures: np.ndarray) -> Any:
    """Fit seven-gap's network with and without the choices that ours makes by itself."""
    recipe = load_recipe("seven-gap")
    few, size = pictures[:GAP_PICTURES], recipe.training.batch_size
    targets = np.eye(7, dtype=np.float32)[np.arange(GAP_PICTURES) % 7]
    ours = our_model(recipe, AugmentationSettings(), "categorical_crossentropy")
    plain = new_network(recipe)
    plain.compile(keras.optimizers.Adam(1e-3), "categorical_crossentropy", metrics=["accuracy"])
    floats = [(few[start : start + size, ..., None].astype(np.float32),
               targets[start : start + size]) for start in range(0, len(few), size)]  # fmt: skip
    batches = ShuffledBatches(few, targets, batch_size=size, seed=1)
    return interleaved(
        {
            "ours": lambda: fitted(ours, batches, epochs=1),
            "plain float32 fit": lambda: fitted(plain, Batches(floats), epochs=1),
        }
    )


class Batches(keras.utils.PyDataset):
    """Batches that lie ready."""

    def __init__(self, ready: list[tuple[np.ndarray, np.ndarray]]) -> None:
        super().__init__()
        self._ready = ready

    def __len__(self) -> int:
        return len(self._ready)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self._ready[index]


def lines(result: dict[str, Any]) -> Iterator[str]:
    for title, measured in result["measured"].items():
        yield title
        for way, figures in measured.items():
            low, high = figures["range"]
            times = figures["ours_is_times_as_fast"]
            by_cpu = figures["ours_is_times_as_fast_by_cpu_time"]
            note = "" if way == "ours" else f"   ours is {times} times as fast, CPU time {by_cpu}"
            yield (
                f"  {way:<20} {figures['pictures_per_second']:>8,} pictures/s ({low:,} to "
                f"{high:,}){note}"
            )


def main() -> None:
    """Measure and report."""
    arguments = parse_arguments(__doc__.splitlines()[0])
    if len(CORES) < 2:
        sys.exit("skipped: two cores are needed")
    pictures, labels = pictures_and_labels()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_folders(folder, pictures, labels)
        measured = {
            "input and augmentation, happy-sad-deep's": input_alone(
                "happy-sad-deep", folder, pictures, labels
            ),
            "input and augmentation, seven-wide's": input_alone(
                "seven-wide", folder, pictures, labels
            ),
            "end to end, happy-sad-simple's network": end_to_end(folder, pictures, labels),
            "training on the CPU, seven-gap's network": on_cpu(pictures),
        }
    result = {
        "machine": f"{platform.machine()}, {len(CORES)} cores, Python {platform.python_version()}",
        "load_average": os.getloadavg(),
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "measured": measured,
    }
    report(arguments, result, "\n".join(lines(result)))


if __name__ == "__main__":
    main()
