"""Networks in HDF5, under the plain `.h5` names that the documented systems use.

Keras 3 writes weights only to `.weights.h5`, in a layout of its own that `load_weights` does not
read under another name. The layout of Keras 1 and 2, written here, is read by `load_weights` and
`load_model` of Keras 2 and 3 whatever the name.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py

from fer_trainer.run.folder import replace_file


def write_model(network: Any, path: Path) -> None:
    """Write a whole network, for `keras.models.load_model`.

    Args:
        network: Any Keras model.
        path: Ends in `.h5`.

    Raises:
        OutputError: It cannot be written.
    """
    replace_file(path, lambda temporary: _save(network, temporary))


def write_weights(network: Any, path: Path, weights: Sequence[Any] | None = None) -> None:
    """Write weights alone, for `load_weights` of a network of the same layers.

    Args:
        network: Any Keras model.
        path: Ends in `.h5`.
        weights: Other weights than the network's own, as its `get_weights()` returns them.

    Raises:
        OutputError: It cannot be written.
    """
    own = network.get_weights() if weights is not None else None
    try:
        if weights is not None:
            network.set_weights(weights)
        replace_file(path, lambda temporary: _save_weights(network, temporary))
    finally:
        if own is not None:
            network.set_weights(own)


def _save(network: Any, path: str) -> None:
    # Keras advises against the format each time; here it is asked for by name.
    advice = logging.getLogger("absl")
    level = advice.level
    advice.setLevel(logging.ERROR)
    try:
        network.save(path, include_optimizer=False)
    finally:
        advice.setLevel(level)


def _save_weights(network: Any, path: str) -> None:
    whole = Path(f"{path}.whole.h5")
    try:
        _save(network, str(whole))
        with h5py.File(whole, "r") as source, h5py.File(path, "w") as target:
            group = source["model_weights"]
            for name in group:
                source.copy(group[name], target)
            for name, value in group.attrs.items():
                target.attrs[name] = value
    finally:
        whole.unlink(missing_ok=True)
