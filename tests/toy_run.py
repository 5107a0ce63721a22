"""A training run in miniature, made of made-up pictures, and networks for it."""

import dataclasses
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.samples import Samples
from fer_edge.shared.labels import label_set
from fer_edge.shared.model.contract import ModelContract, OutputSpec
from fer_edge.shared.opencv import cv2

TOY_AGREEMENT = 0.97
"""The least share of held-out toy pictures that int8 and float must label alike."""

SEVEN = label_set("fer2013").labels


def a_contract(**changes: Any) -> ModelContract:
    """Return the contract of a toy network with seven labels."""
    return dataclasses.replace(
        ModelContract(name="toy", labels=SEVEN, provenance={"recipe": "toy"}), **changes
    )


def a_binary_contract() -> ModelContract:
    """Return the contract of a toy network with two labels and one sigmoid."""
    labels = label_set("happy-sad").labels
    return a_contract(labels=labels, task="binary", output=OutputSpec(kind="sigmoid"))


def toy_samples(count: int) -> Samples:
    """Return made-up pictures of seven labels."""
    made = toy_pictures(count, seed=0)
    return Samples(made["pictures"], made["labels"], tuple(made["names"].tolist()), source="a test")


def toy_pictures(
    count: int, *, classes: int = 7, seed: int, side: int = 48
) -> dict[str, NDArray[Any]]:
    """Return made-up pictures: waves whose direction is the class, under noise.

    Returns:
        `pictures` uint8 (N, side, side), `labels` int64 (N,) and `names` (N,).
    """
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % classes)
    angles = labels * np.pi / classes + rng.normal(0, 0.05, count)
    rows, columns = np.mgrid[:side, :side]
    waves = np.sin(
        np.cos(angles)[:, None, None] * columns
        + np.sin(angles)[:, None, None] * rows
        + rng.uniform(0, 2 * np.pi, (count, 1, 1))
    )
    grey = 128 + rng.uniform(20, 60, (count, 1, 1)) * waves + rng.normal(0, 12, (count, side, side))
    return {
        "pictures": np.clip(grey, 0, 255).astype(np.uint8),
        "labels": labels.astype(np.int64),
        "names": np.array([f"train/{label}/{i:05d}.png" for i, label in enumerate(labels)]),
    }


def write_networks(folder: Path) -> None:
    """Write every network of `toy_networks` into a folder, in a process of its own."""
    np.savez(folder / "toy.npz", **toy_pictures(700, seed=1))
    script = Path(__file__).with_name("toy_networks.py")
    done = subprocess.run(
        [sys.executable, str(script), str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def write_run(
    folder: Path,
    network: Path,
    contract: ModelContract,
    *,
    representative: int = 420,
    side: int = 48,
) -> Path:
    """Write a run folder as fer-train leaves it, as far as a converter reads it."""
    (folder / "samples").mkdir(parents=True)
    shutil.copyfile(network, folder / "model.keras")
    (folder / "contract.json").write_text(contract.to_json(), encoding="utf-8")
    classes = len(contract.labels)
    for name, count, seed in (("representative", representative, 2), ("heldout", 210, 3)):
        samples = toy_pictures(count, classes=classes, seed=seed, side=side)
        np.savez(folder / "samples" / f"{name}.npz", **samples)
    return folder


def write_data_set(folder: Path, labels: Sequence[str], *, count: int) -> Path:
    """Write toy pictures as class folders of PNG files."""
    samples = toy_pictures(count, classes=len(labels), seed=4)
    for index, (pixels, label) in enumerate(
        zip(samples["pictures"], samples["labels"], strict=True)
    ):
        path = folder / labels[label] / f"{index:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), pixels)
    return folder
