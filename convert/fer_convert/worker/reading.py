"""How a network is read: flat, on raw pixels. And what it says itself, to check that with."""

from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from fer_convert.source.job import Job, Probes, write_probes_file
from fer_convert.source.legacy import RAW
from fer_convert.worker.flattening import flatten, is_network
from fer_convert.worker.pixels import rescaling_for, rescaling_layer, scale

_PICTURES: Final = 16
_PATCHES: Final = 4


def read_network(loaded: Any, job: Job) -> Any:
    """Return a network that takes raw pixels of the contract's size, and nests no other.

    Raises:
        ModelError: It is not known which pixels it takes.
    """
    shape = job.contract.input.shape
    if job.model.is_dir():
        return _before_graph(loaded, job.pixels)
    if job.is_foreign or job.pixels is not None:
        kept = flatten(loaded, shape, keep_inert=True)
        return flatten(loaded, shape, before=rescaling_for(kept, job.pixels, job.model))
    if any(map(is_network, loaded.layers)) or tuple(loaded.inputs[0].shape[1:]) != shape:
        return flatten(loaded, shape)
    return loaded


def _before_graph(graph: Any, pixels: str | None) -> Any:
    """Return a SavedModel's network on raw pixels; what it does itself cannot be looked up."""
    if pixels in (None, RAW):
        return graph
    picture = keras.Input(graph.inputs[0].shape[1:], name="pixels")
    return keras.Model(picture, graph.layers[-1](rescaling_layer(pixels)(picture)))


def write_probes(loaded: Any, job: Job, folder: Path) -> None:
    """Let the network that lies in the file answer pictures, fed as its own program feeds them."""
    pictures = _random_pictures(job.contract.input.picture_shape)
    answers = np.asarray(loaded(scale(pictures, job.pixels), training=False))
    write_probes_file(Probes(pictures, answers), folder)


def _random_pictures(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return noise, coarse patches, black and white: uint8, shape (N, *shape)."""
    height, width, *colours = shape
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (_PICTURES, *shape), dtype=np.uint8)
    coarse = rng.integers(0, 256, (_PICTURES, _PATCHES, _PATCHES, *colours), dtype=np.uint8)
    rows, columns = (np.arange(size) * _PATCHES // size for size in (height, width))
    patches = coarse[:, rows[:, np.newaxis], columns]
    plain = np.stack([np.full(shape, value, np.uint8) for value in (0, 255)])
    return np.concatenate([noise, patches, plain])
