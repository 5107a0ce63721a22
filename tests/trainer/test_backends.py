"""Recipes train, and resume, on every backend of Keras that is installed."""

import importlib.util
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from fer_trainer.backend import suitable_backend
from fer_trainer.recipe.files import shipped_recipes

ONE_OF_EACH_KIND = [
    "edge-small", "edge-wide",
    "happy-sad-deep", "happy-sad-simple", "seven-classic", "seven-gap", "seven-wide",
]  # fmt: skip
INSTALL = "pip install 'fer-trainer[{}]'"


@pytest.mark.parametrize("backend", ["tensorflow", "torch", "jax"])
def test_recipes_train_on(backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: {INSTALL.format(backend)}")
    script = Path(__file__).with_name("every_recipe.py")
    done = subprocess.run(
        [sys.executable, str(script), backend],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    wanted = [*shipped_recipes()] if backend == "tensorflow" else ONE_OF_EACH_KIND
    assert [line["name"] for line in found] == wanted
    for line in found:
        assert line["epochs"] == 2, line
        assert line["finite"], line
        assert line["resumed_same"] in ({True} if line["name"] == "edge-small" else {None}), line


@pytest.mark.parametrize(
    ("gpu", "packages", "chosen"),
    [
        (False, {"jax", "tensorflow", "torch"}, "tensorflow"),
        (False, {"jax"}, "jax"),
        (True, {"jax", "jax_cuda12_plugin", "tensorflow", "torch"}, "jax"),
        (True, {"jax", "tensorflow", "torch"}, "torch"),  # this JAX sees no GPU
        (False, set(), None),
    ],
)
def test_the_backend_suits_the_machine(gpu: bool, packages: set[str], chosen: str | None) -> None:
    assert suitable_backend(gpu=gpu, installed=packages.__contains__) == chosen


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_a_backend_that_is_named_is_taken(name: str) -> None:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed: {INSTALL.format(name)}")
    script = "from fer_trainer.backend import keras; print(keras.backend.backend())"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "KERAS_BACKEND": name},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [name]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="TensorFlow decides so on x86-64 alone")
@pytest.mark.parametrize(("named", "taken"), [(None, "True"), ("0", "False")])
def test_onednn_computes_on_every_processor_unless_it_is_turned_off(
    named: str | None, taken: str
) -> None:
    pytest.importorskip("tensorflow", reason=INSTALL.format("tensorflow"))
    script = (
        "import fer_trainer.backend\n"
        "from tensorflow.python.util import _pywrap_util_port\n"
        "print(_pywrap_util_port.IsMklEnabled())"
    )
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    environment.pop("TF_ENABLE_ONEDNN_OPTS", None)
    if named is not None:
        environment["TF_ENABLE_ONEDNN_OPTS"] = named
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [taken]
