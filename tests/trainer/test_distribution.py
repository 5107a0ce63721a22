"""Several processes or devices train as one does; on JAX, on the CPU, over loopback."""

import csv
import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from fer_edge.shared.errors import SettingsError
from fer_trainer.backend import keras
from fer_trainer.training.batches import ShuffledBatches
from fer_trainer.training.distribution import Devices
from fer_trainer.training.processes import ADDRESSES, COUNT, INDEX, Process, this_process

TOLERANCE = 1e-5
"""Sums over two halves of a batch round otherwise than over the whole; measured: 2e-6."""

QUICK = "--xla_backend_optimization_level=0"
"""Most of the time is XLA's, compiling; this halves it."""

SAME_SUMS = "--xla_cpu_max_isa=AVX2"
"""With AVX-512, XLA sums halves of small batches otherwise: weights then differ by 6e-4."""

MAIN = "from fer_trainer.cli import main; main()"
pytestmark = pytest.mark.xdist_group("several-processes")
needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None,
    reason="JAX is not installed: pip install 'fer-trainer[jax]'",
)


def start(
    recipe: Path, data: Path, run: Path, environment: Mapping[str, str]
) -> "subprocess.Popen[str]":
    own = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1",
           "XLA_FLAGS": f"{QUICK} {SAME_SUMS}"}  # fmt: skip
    # Adam divides small gradients by their own size, which makes much of how they were rounded.
    sgd = ["--set", "optimiser.name=sgd", "--set", "optimiser.learning_rate=0.05"]
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, "fit", str(recipe), str(data), "--out", str(run), "--json",
         "--set", "training.epochs=2", *sgd],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **own, **environment},
    )  # fmt: skip


def ended(process: "subprocess.Popen[str]") -> str:
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return output


def assert_alike(run: Path, other: Path) -> None:
    first, second = (
        keras.models.load_model(r / "model.keras", compile=False) for r in (run, other)
    )
    for one, two in zip(first.get_weights(), second.get_weights(), strict=True):
        assert one == pytest.approx(two, abs=TOLERANCE)
    rows = [
        list(csv.DictReader((r / "history.csv").read_text().splitlines())) for r in (run, other)
    ]
    for one, two in zip(*rows, strict=True):
        for column in ("loss", "val_loss", "learning_rate"):
            assert float(one[column]) == pytest.approx(float(two[column]), abs=TOLERANCE)


@pytest.fixture(scope="module")
def one_device(small_recipe: Path, faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("one") / "run"
    ended(start(small_recipe, faces, run, {}))
    return run


@needs_jax
def test_two_processes_train_as_one(
    one_device: Path, small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    devices = [
        start(small_recipe, faces, tmp_path / "run",
              {ADDRESSES: address, COUNT: "2", INDEX: str(index)})
        for index in range(2)
    ]  # fmt: skip
    metrics, silence = (ended(process) for process in devices)
    assert silence == ""
    assert json.loads(metrics)["devices"] == 2
    assert_alike(tmp_path / "run", one_device)


@needs_jax
def test_two_devices_of_one_process_train_as_one(
    one_device: Path, small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    two = {"XLA_FLAGS": f"{QUICK} {SAME_SUMS} --xla_force_host_platform_device_count=2"}
    metrics = ended(start(small_recipe, faces, tmp_path / "run", two))
    assert json.loads(metrics)["devices"] == 2
    assert_alike(tmp_path / "run", one_device)


@needs_jax
def test_two_processes_hold_the_same_weights(tmp_path: Path, small_recipe: Path) -> None:
    script = Path(__file__).with_name("device_member.py")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    devices = [
        subprocess.Popen(
            [sys.executable, str(script), str(index), "2", port, str(small_recipe), str(tmp_path)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for index in range(2)
    ]  # fmt: skip
    for process in devices:
        ended(process)
    with np.load(tmp_path / "0.npz") as first, np.load(tmp_path / "1.npz") as second:
        assert first.files
        assert all(np.array_equal(first[name], second[name]) for name in first.files)


def test_processes_share_each_batch_without_overlap() -> None:
    pictures = np.arange(12, dtype=np.uint8)[:, None, None]
    targets = np.arange(12, dtype=np.float32)[:, None]

    def batches(share: tuple[int, int]) -> ShuffledBatches:
        return ShuffledBatches(pictures, targets, batch_size=4, seed=1, share=share)

    whole, parts = batches((0, 1)), [batches((index, 2)) for index in range(2)]
    for index in range(len(whole)):
        found = np.concatenate([part[index][1] for part in parts])
        assert np.array_equal(found, whole[index][1])
        assert np.array_equal(parts[1].whole()[index][1], whole[index][1])


def test_a_batch_that_cannot_be_shared_evenly_is_refused() -> None:
    Devices(devices=4).check_batch(8)
    with pytest.raises(SettingsError, match=r"batches of 66.*training\.batch_size=64"):
        Devices(devices=4).check_batch(66)


def test_the_environment_says_which_process_this_is() -> None:
    assert this_process({}) == Process("", 1, 0)
    assert this_process({ADDRESSES: "a:1", COUNT: "3", INDEX: "2"}) == Process("a:1", 3, 2)


@pytest.mark.parametrize(
    "given",
    [
        {COUNT: "2", INDEX: "0"},
        {ADDRESSES: "a:1", COUNT: "2", INDEX: "2"},
        {ADDRESSES: "a:1", COUNT: "two", INDEX: "0"},
        {ADDRESSES: "a:1"},
    ],
)
def test_half_an_environment_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="on every process"):
        this_process(given)


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
)
def test_processes_on_another_backend_are_refused(
    small_recipe: Path, faces: Path, tmp_path: Path
) -> None:
    process = start(
        small_recipe, faces, tmp_path / "run",
        {"KERAS_BACKEND": "tensorflow", ADDRESSES: "127.0.0.1:1", COUNT: "2", INDEX: "0"},
    )  # fmt: skip
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 78
    assert output == ""
    assert "set KERAS_BACKEND=jax" in errors
    assert not (tmp_path / "run").exists()
