"""What tests/conftest.py promises: Ctrl-C works in every test, and no test leaves a process."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import clean_environment

TESTS = Path(__file__).parents[1]
HEAD = "import signal, subprocess, sys, pytest\nSLEEP = ['sleep', '60']\n"
LEFT = {
    "by a test": """
def test_careless():
    subprocess.Popen(SLEEP)
""",
    "by a child that has ended": """
def test_careless():
    subprocess.run(["sh", "-c", "sleep 60 & exit"])
""",
    "by what several tests share": """
@pytest.fixture(scope="module")
def child():
    return subprocess.Popen(SLEEP)

def test_careless(child):
    pass

def test_innocent(child):
    pass
""",
}
SHARED = """
@pytest.fixture(scope="module")
def child():
    with subprocess.Popen(SLEEP) as child:
        yield child
        child.kill()
"""
TIDY = """
def test_first(child):
    subprocess.run(["true"])

def test_second(child):
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == -signal.SIGINT
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
"""

ONCE_MORE = """
tries = []

def test_that_falls_over(child):
    tries.append(child.poll())
    assert tries == [None, None]
"""


@pytest.fixture
def run(tmp_path):
    """Runs made-up tests under the conftest of these; returns exit code and what was said."""

    def run(body, *under, options=()):
        file = tmp_path / "test_made_up.py"
        file.write_text(HEAD + body)
        own = ("-p", "conftest", "-p", "no:cacheprovider", "--rootdir", tmp_path, "-c", os.devnull)
        done = subprocess.run(
            [*under, sys.executable, "-m", "pytest", *own, *options, file],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=120, check=False,
            env=clean_environment({"PYTHONPATH": str(TESTS), "PYTEST_ADDOPTS": ""}),
        )  # fmt: skip
        return done.returncode, done.stdout

    return run


def has_ended(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc")
@pytest.mark.parametrize("body", LEFT.values(), ids=LEFT)
def test_a_process_that_is_left_is_a_failure_that_names_its_test_and_is_ended(run, body):
    code, said = run(body)
    assert code == 1, said
    told = next(line for line in said.splitlines() if "left behind: process " in line)
    pid, _, rest = told.partition("left behind: process ")[2].partition(" ")
    assert "test_made_up.py::test_careless (" in rest
    give_up = time.monotonic() + 20
    while not has_ended(pid):
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_what_is_ended_in_time_is_no_fault_and_ctrl_c_works_where_it_was_ignored(run):
    code, said = run(SHARED + TIDY, "sh", "-c", 'trap "" INT; exec "$@"', "sh")
    assert code == 0, said


def test_what_is_run_once_more_finds_what_its_module_has_set_up(run):
    code, said = run(SHARED + ONCE_MORE, options=("--reruns", "1"))
    assert code == 0, said
    assert "1 passed, 1 rerun" in said
