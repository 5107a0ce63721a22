"""A small `ulimit -v`: one sentence at the prompt, whatever would have crashed for it."""

import resource
import subprocess

import pytest
from builders import PORTRAIT, a_contract
from command_line import PROGRAM, clean_environment, error_line
from tiny_model import tiny_model

from fer_edge.shared.address_space import exhausted
from fer_edge.shared.errors import EXIT_CONFIG, EXIT_FAILED


def limited(megabytes: int, *arguments: object) -> "subprocess.CompletedProcess[str]":
    bound = megabytes << 20
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        capture_output=True, text=True, timeout=100, check=False, env=clean_environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (bound, bound)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("megabytes", "command"),
    [(60, "classify"), (250, "run --source"), (350, "run --source"), (440, "classify")],
)
def test_too_little_to_load_is_said_before_anything_crashes(megabytes, command):
    line = error_line(limited(megabytes, *command.split(), PORTRAIT), code=EXIT_CONFIG)
    assert f"this process may take {megabytes} MB of address space (ulimit -v)" in line
    assert "expected at least 640 MB" in line


def test_what_loads_nothing_needs_nothing():
    assert limited(60, "--help").returncode == 0


def test_enough_is_enough(tmp_path):
    model = tmp_path / "tiny.tflite"
    model.write_bytes(tiny_model(a_contract()))
    done = limited(1100, "classify", "--json", "--model", model, PORTRAIT)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def limit(monkeypatch):
    def set_it(megabytes):
        monkeypatch.setattr(resource, "getrlimit", lambda _: (megabytes << 20, megabytes << 20))

    return set_it


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("std::bad_alloc"), OSError(12, "Cannot allocate memory"),
     ImportError("libav.so: failed to map segment from shared object"),
     RuntimeError("can't start new thread"), ValueError("(-4) Failed to allocate 9 bytes")],
)  # fmt: skip
def test_what_the_limit_causes_is_said_to_be_its_fault(limit, error):
    limit(900)
    found = exhausted(error)
    assert found.exit_code == EXIT_FAILED
    assert "the 900 MB of address space" in str(found)


def test_other_errors_and_other_machines_are_left_alone(limit):
    assert exhausted(MemoryError()) is None, "no limit"
    limit(900)
    assert exhausted(ValueError("a label is missing")) is None
    assert exhausted(ImportError("no module named x")) is None
