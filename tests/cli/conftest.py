"""What the tests of the command line share."""

from pathlib import Path

import pytest
from builders import PORTRAIT, a_contract, a_picture, encoded, write_files
from tiny_model import tiny_model


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A model file with seven labels that classifies at random, but always alike."""
    path = tmp_path_factory.mktemp("model") / "tiny.tflite"
    path.write_bytes(tiny_model(a_contract()))
    return path


@pytest.fixture(scope="session")
def portrait() -> Path:
    return PORTRAIT


@pytest.fixture
def data_set(tmp_path) -> Path:
    """Two made-up face crops for each of two expressions."""
    names = ("angry/0.png", "angry/1.png", "happiness/0.png", "happiness/1.png")
    pictures = {name: encoded(a_picture(48, 48, seed=i)) for i, name in enumerate(names)}
    return write_files(tmp_path / "data", pictures)
