"""The lean edge alone: its wheel, installed into an environment that has nothing else."""

import json
import os
import re
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from fer_edge import DEFAULT_MODEL

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
MOST_MEGABYTES = 320
FOREIGN = [
    "tensorflow",
    "keras",
    "torch",
    "jax",
    "matplotlib",
    "fer_convert",
    "fer_trainer",
    "PIL",
    "scipy",
    "pip",
]

pytestmark = pytest.mark.xdist_group("bare-environment")


@dataclass(frozen=True)
class Bare:
    """A virtual environment with the edge's wheel and what it depends on."""

    folder: Path

    def run(self, program, *arguments):
        """Run one of its programs, knowing nothing of the environment around."""
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
        return subprocess.run(
            [self.folder / "bin" / program, *arguments],
            capture_output=True, text=True, timeout=300, check=False, cwd=self.folder, env=kept,
        )  # fmt: skip

    @property
    def package(self) -> Path:
        (found,) = self.folder.glob("lib/python3*/site-packages/fer_edge")
        return found


def pip(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "pip", *map(str, arguments)],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bare")
    probe = pip("download", "--no-deps", "--no-cache-dir", "--dest", folder / "probe", "click")
    if probe.returncode:
        pytest.skip(f"no package index can be reached ({probe.stderr.strip().splitlines()[-1]})")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder]
    subprocess.run([*build, ROOT / "edge"], check=True, capture_output=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", symlinks=True)
    target = folder / "venv" / "bin" / "python"
    installed = pip("--python", target, "install", "--constraint", CONSTRAINTS, wheel)
    assert installed.returncode == 0, installed.stderr
    return Bare(folder / "venv")


def test_help(bare):
    shown = bare.run("fer-edge", "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("Usage: fer-edge")


def test_selftest_of_the_shipped_model(bare):
    done = bare.run("fer-edge", "selftest", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["passed"] is True


def test_classify_the_portrait(bare):
    portrait = bare.package / "assets" / "portrait.jpg"
    done = bare.run("fer-edge", "classify", "--json", portrait)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["faces"]) == 1


def test_demo(bare):
    done = bare.run("fer-edge", "demo", "--out", "demo")
    assert (done.returncode, done.stderr) == (0, "")
    assert (bare.folder / "demo" / "overview.jpg").stat().st_size > 10_000


def test_nothing_foreign_can_be_imported(bare):
    script = (
        "from importlib.util import find_spec as find; import sys; print([*map(find, sys.argv)])"
    )
    assert bare.run("python", "-c", script, "click").stdout.startswith("[None, ModuleSpec(")
    found = bare.run("python", "-c", script, *FOREIGN).stdout
    assert found == f"{[None] * (1 + len(FOREIGN))}\n"


def test_every_dependency_is_there_and_fits(bare):
    checked = pip("--python", bare.folder / "bin" / "python", "check")
    assert checked.returncode == 0, checked.stdout


def test_it_is_small(bare):
    files = [path for path in bare.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) < MOST_MEGABYTES * 10**6


def test_the_licence_of_the_portrait_and_the_types_travel_along(bare):
    names = {path.relative_to(bare.package).as_posix() for path in bare.package.rglob("*")}
    assert {"py.typed", "assets/README.md", "models/figures.json"} <= names
    assert f"models/{DEFAULT_MODEL}.int8.tflite" in names


def test_the_first_example_of_the_readme_prints_a_label_and_nothing_else(bare):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (example, *_) = re.findall(r"^```python\n(.*?)^```", readme, flags=re.M | re.S)
    shown_there = "edge/fer_edge/assets/portrait.jpg"
    assert shown_there in example
    here = str(bare.package / "assets" / "portrait.jpg")
    done = bare.run("python", "-c", example.replace(shown_there, here))
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(
        r"happy [01]\.\d+ Box\(x=\d+, y=\d+, width=\d+, height=\d+\)\n", done.stdout
    )


def test_a_users_script_is_typed(bare):
    script = bare.folder / "script.py"
    script.write_text(
        "import fer_edge\n"
        "total: float = sum(face.confidence for face in fer_edge.read('a.jpg'))\n"
        "with fer_edge.watch(0, settings={'tracker.max_faces': 2}) as camera:\n"
        "    for view in camera:\n"
        "        label: str = view[0].stable or view.faces[0].label\n"
        "        left: int = view[0].box.x\n"
        "        drawn = view.plot().shape\n"
        "reveal_type(fer_edge.read('a.jpg'))\n"
    )
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", bare.folder / "mypy",
         "--python-executable", bare.folder / "bin" / "python", script],
        capture_output=True, text=True, check=False, cwd=bare.folder, env=kept,
    )  # fmt: skip
    assert 'Revealed type is "fer_edge.api.seen.Picture"' in done.stdout
    assert done.returncode == 0, done.stdout
