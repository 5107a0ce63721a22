"""What becomes of a worker process that fails, with a stand-in for Keras that fails on command."""

import numpy as np
import pytest
from toy_run import a_contract

from fer_convert.source.job import Job
from fer_convert.targets import Target
from fer_convert.translation import translate
from fer_edge.shared.errors import EXIT_CONFIG, DependencyError, ModelError


@pytest.fixture
def failing(tmp_path, monkeypatch):
    """Return a function that translates while `import keras` does what it is told."""

    def attempt(statement: str):
        (tmp_path / "keras.py").write_text(statement)
        (tmp_path / "tensorflow.py").write_text("")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        pictures = np.zeros((1, 48, 48), np.uint8)
        return translate(Job(tmp_path / "model.keras", a_contract(), (Target.INT8,), pictures))

    return attempt


def test_tensorflow_that_cannot_be_loaded(failing):
    with pytest.raises(DependencyError, match=r"be loaded \(no such library") as it:
        failing("raise ImportError('no such library')")
    assert it.value.exit_code == EXIT_CONFIG


def test_a_crash_before_the_network_is_known(failing):
    with pytest.raises(ModelError, match=r"crashed before it had loaded .*\(SIGSEGV\)"):
        failing("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")


def test_killed_for_want_of_memory(failing):
    with pytest.raises(ModelError, match="SIGKILL: most likely too little memory"):
        failing("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")


def test_a_defect_of_our_own_keeps_its_reason(failing):
    with pytest.raises(RuntimeError, match="the worker ended with 1: ZeroDivisionError"):
        failing("1 / 0")


def test_what_the_worker_prints_goes_to_the_debug_log(failing, caplog):
    caplog.set_level("DEBUG")
    with pytest.raises(DependencyError):
        failing("print('said in passing'); raise ImportError")
    assert "said in passing" in caplog.text
