"""Every benchmark starts and says what it takes: what it imports is there."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import clean_environment

FOLDER = Path(__file__).parents[2] / "benchmarks"
PARTS = {"bare_loop.py"}  # what daemon.py starts, which takes settings and no options
HEAVY = {"training_input.py"}  # trains, and so loads Keras before it reads its options
SCRIPTS = sorted(
    path.name for path in FOLDER.glob("*.py") if '"__main__"' in path.read_text("utf-8")
)
ALL = """
import contextlib, io, json, runpy, sys, traceback
told, folder, names = {}, sys.argv[1], sys.argv[2:]
sys.path.insert(0, folder)
places = tuple(sys.path)
ours = (folder, folder.removesuffix("benchmarks") + "tests")
for name in names:
    sys.argv = [name, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        try:
            runpy.run_path(f"{folder}/{name}", run_name="__main__")
        except SystemExit as end:
            if end.code:
                print(end.code, file=said)
        except BaseException:
            traceback.print_exc(file=said)
    told[name] = said.getvalue()
    # The next one has to find by itself what lies beside it or among the tests.
    sys.path[:] = places
    for module, loaded in tuple(sys.modules.items()):
        if str(getattr(loaded, "__file__", "")).startswith(ours):
            del sys.modules[module]
print(json.dumps([told, "tensorflow" in sys.modules]))
"""
"""In one process, for each of its own would load OpenCV and numpy anew."""


def helps(names):
    """Return what each script says to --help, and whether TensorFlow was loaded for that."""
    done = subprocess.run(
        [sys.executable, "-c", ALL, str(FOLDER), *names],
        capture_output=True, text=True, timeout=300, check=False, env=clean_environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_script_says_what_it_takes():
    told, heavy = helps([name for name in SCRIPTS if name not in PARTS | HEAVY])
    assert len(told) > 20
    for name, said in told.items():
        assert said.startswith(f"usage: {name} [-h]"), said
    assert not heavy


@pytest.mark.parametrize("name", sorted(HEAVY))
def test_what_trains_says_what_it_takes(name):
    told, _ = helps([name])
    assert told[name].startswith(f"usage: {name} [-h]"), told[name]


def test_the_page_names_every_script():
    page = (FOLDER / "README.md").read_text("utf-8")
    named = set(re.findall(r"^\| `(\w+\.py)", page, flags=re.M))
    assert named == set(SCRIPTS) - PARTS
