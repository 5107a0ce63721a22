"""Counted instructions: really counted where FER_EMULATOR names an emulator."""

import os

import pytest

from fer_convert.cost.emulation import VARIABLE, Emulator, emulate, find_emulator
from fer_convert.targets import Target
from fer_edge.shared.errors import DependencyError


@pytest.fixture
def model(converted):
    return next(a.model for a in converted.artefacts if a.target is Target.INT8)


def test_without_an_emulator_the_report_says_that_nothing_was_measured(model):
    assert find_emulator({}) is None
    assert emulate(model, None).to_json() == {"not_measured": "FER_EMULATOR names no emulator"}


def test_half_an_emulator_is_an_error(tmp_path):
    (tmp_path / "qemu-aarch64").touch()
    with pytest.raises(DependencyError, match=r"libinsn\.so") as raised:
        find_emulator({VARIABLE: str(tmp_path)})
    assert "benchmarks/emulator.sh" in str(raised.value)


def test_an_emulator_that_fails_is_an_error(model, tmp_path):
    emulator = Emulator(tmp_path)
    for part in emulator.parts():
        part.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
    (tmp_path / "qemu-aarch64").write_text("#!/bin/sh\necho it broke >&2\nexit 1\n")
    (tmp_path / "qemu-aarch64").chmod(0o755)
    with pytest.raises(DependencyError, match="it broke"):
        emulate(model, find_emulator({VARIABLE: str(tmp_path)}))


@pytest.mark.skipif(
    not os.environ.get(VARIABLE),
    reason=f"{VARIABLE} names no emulator; benchmarks/emulator.sh prepares one",
)
def test_counts_and_answers_as_here(model):
    emulation = emulate(model, find_emulator())
    a72, a76 = emulation.counts
    assert (a72.cpu, a76.cpu) == ("cortex-a72", "cortex-a76")
    assert a72.equal_answers
    assert a76.equal_answers
    # The A76 has instructions for dot products of int8.
    assert 0 < a76.instructions < a72.instructions
