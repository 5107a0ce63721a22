"""The one line after which an environment has picamera2."""

import sys
from pathlib import Path

import pytest

from fer_edge.sources.picamera_setup import line_to_type

OURS = f"python{sys.version_info.major}.{sys.version_info.minor}"
CHECKOUT = Path(__file__).parents[3]


@pytest.fixture
def system(tmp_path):
    """Makes a system with a Python and, from apt, picamera2 and a numpy."""

    def system(*, python=OURS, picamera2=True, numpy="2.2.4"):
        root = tmp_path / "system"
        packages = root / "usr/lib/python3/dist-packages"
        (packages / f"numpy-{numpy}.dist-info").mkdir(parents=True)
        (root / "usr/bin").mkdir()
        (root / "usr/bin/python3").symlink_to(python)
        if picamera2:
            (packages / "picamera2").mkdir()
        return root

    return system


@pytest.fixture
def environment(tmp_path):
    """Makes a virtual environment."""

    def environment(*, sees_apt):
        folder = tmp_path / "my venv"
        folder.mkdir()
        sees = str(sees_apt).lower()
        (folder / "pyvenv.cfg").write_text(f"include-system-site-packages = {sees}\n")
        return folder

    return environment


def test_nothing_is_missing(system, environment):
    assert line_to_type(system(), environment=environment(sees_apt=True)) == ""


def test_without_an_environment_the_package_is_enough(system, tmp_path):
    line = line_to_type(system(picamera2=False), environment=tmp_path)
    assert line == "sudo apt install -y python3-picamera2"


def test_an_environment_that_does_not_see_it(system, environment):
    folder = environment(sees_apt=False)
    line = line_to_type(system(), environment=folder)
    assert line == f"/usr/bin/python3 -m venv --system-site-packages '{folder}'"


def test_on_bookworm_it_gets_what_goes_with_numpy_1(system, environment):
    folder = environment(sees_apt=False)
    line = line_to_type(system(numpy="1.24.2"), environment=folder)
    assert line.endswith(
        f" && '{folder}'/bin/pip install 'numpy<2' 'opencv-python-headless>=4.10,<4.12'"
    )


def test_both_are_missing(system, environment):
    line = line_to_type(system(picamera2=False), environment=environment(sees_apt=False))
    install, _, see = line.partition(" && ")
    assert install == "sudo apt install -y python3-picamera2"
    assert see.startswith("/usr/bin/python3 -m venv")


def test_another_python_than_the_systems_needs_an_environment_of_its_own(system, environment):
    line = line_to_type(system(python="python3.99"), environment=environment(sees_apt=True))
    made, _, installed = line.partition(" && ")
    assert made == "/usr/bin/python3 -m venv --system-site-packages ~/fer-edge-venv"
    assert installed.startswith("~/fer-edge-venv/bin/pip install ")


def test_that_of_make_demo_is_made_by_make_demo(system):
    line = line_to_type(system(python="python3.99"), environment=CHECKOUT / ".venv-edge")
    assert line == f"make -B -C {CHECKOUT} PYTHON=/usr/bin/python3 demo"


def test_that_of_the_daemon_is_made_by_its_script(system):
    line = line_to_type(system(python="python3.99"), environment=Path("/opt/fer-edge/venv"))
    assert line == "sudo deploy/install.sh --camera picamera2"
