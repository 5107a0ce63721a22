"""What the doctor finds, on machines that are ill in known ways."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pi_machine import a_system

from fer_edge.commands.doctor.cameras import User, check_cameras
from fer_edge.commands.doctor.environment import (
    WriteSpeed,
    check_clock,
    check_governor,
    check_storage,
    check_temperature,
    check_throttling,
    check_userland,
    write_speed,
)
from fer_edge.commands.doctor.examination import examine, format_findings, is_serious, to_json
from fer_edge.commands.doctor.findings import Finding
from fer_edge.commands.doctor.libraries import (
    check_face_search,
    check_opencv,
    check_picamera2,
    check_runtime,
)
from fer_edge.state.machine import Answer, System

NUMPY_CLASH = """Traceback (most recent call last):
  File "/usr/lib/python3/dist-packages/simplejpeg/__init__.py", line 1, in <module>
    from ._jpeg import encode_jpeg, encode_jpeg_yuv_planes
  File "simplejpeg/_jpeg.pyx", line 1, in init simplejpeg._jpeg
ValueError: numpy.dtype size changed, may indicate binary incompatibility. \
Expected 96 from C header, got 88 from PyObject
"""


def answering(system: System, code: int, output: str) -> System:
    """Let every Python script that the doctor tries answer the same."""

    def run(arguments):
        return Answer(code, output) if arguments[0] == sys.executable else system.run(arguments)

    return System(system.root, run, system.architecture, system.pointer_bits)


def only(findings):
    (finding,) = findings
    return finding


def test_this_machine_has_a_working_opencv_and_runtime():
    system = System()
    assert only(check_opencv(system)).severity == "ok"
    runtime = only(check_runtime(system))
    assert runtime.severity == "ok"
    assert "XNNPACK" in runtime.found


@pytest.mark.parametrize(
    ("code", "output", "found", "fix"),
    [
        (0, '{"version": "5.0.0", "class": false, "cascades": false, "yunet": false, '
            '"from_apt": false}',
         "no Haar (class CascadeClassifier missing)", "opencv-python-headless>=4.10,<5"),
        (0, '{"version": "4.12.0", "class": true, "cascades": false, "yunet": false, '
            '"from_apt": false}',
         "no Haar (cascade files missing)", "opencv-python-headless>=4.10,<5"),
        (0, '{"version": "4.6.0", "class": true, "cascades": false, "yunet": false, '
            '"from_apt": true}',
         "no Haar (cascade files missing)", "apt install -y opencv-data"),
        (1, "ModuleNotFoundError: No module named 'cv2'", "not installed", "pip install"),
        (1, "A module that was compiled using NumPy 1.x cannot be run in\nNumPy 2.2.6 as it may",
         "built for another numpy", "numpy<2"),
        (1, "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
         "libGL", "headless"),
        (-4, "", "dies of signal 4", "pip install"),
    ],
)  # fmt: skip
def test_an_unfit_opencv(tmp_path, code, output, found, fix):
    finding = only(check_opencv(answering(a_system(tmp_path), code, output)))
    assert finding.severity == "serious"
    assert found in finding.found
    assert fix in finding.fix


def test_an_opencv_5_can_still_run_yunet(tmp_path):
    said = (
        '{"version": "5.0.0", "class": false, "cascades": false, "yunet": true, "from_apt": false}'
    )
    finding = only(check_opencv(answering(a_system(tmp_path), 0, said)))
    assert finding.severity == "warning"
    assert "only YuNet" in finding.found


@pytest.mark.parametrize(
    ("answer", "severity", "found", "fix"),
    [
        ({"kind": "yunet", "why": "weights as known"}, "ok", "by yunet", ""),
        ({"kind": "haar", "why": "no weights", "fix": "pip install 'fer-edge[yunet]'"}, "note",
         "by haar", "pip install"),
        ({"problem": "x.onnx is damaged", "fix": "pip install it again"}, "serious", "damaged",
         "again"),
    ],
)  # fmt: skip
def test_how_faces_are_found(tmp_path, answer, severity, found, fix):
    said = json.dumps({"kind": "", "why": "", "problem": "", "fix": "", **answer})
    finding = only(check_face_search(answering(a_system(tmp_path), 0, said)))
    assert finding.severity == severity
    assert found in finding.found
    assert fix in finding.fix


def with_apt_picamera2(root: Path) -> System:
    return a_system(root, files={"usr/lib/python3/dist-packages/picamera2/__init__.py": "#"})


@pytest.mark.parametrize(
    ("code", "output", "severity", "fix"),
    [
        (0, "", "ok", ""),
        (1, NUMPY_CLASH, "serious", "pip install 'numpy<2'"),
        (1, "ModuleNotFoundError: No module named 'picamera2'", "warning",
         "/usr/bin/python3 -m venv --system-site-packages"),
        (1, "ModuleNotFoundError: No module named 'libcamera'", "warning",
         "/usr/bin/python3 -m venv --system-site-packages"),
        (1, "OSError: something else", "warning", "apt install --reinstall"),
    ],
)  # fmt: skip
def test_picamera2_from_apt(tmp_path, monkeypatch, code, output, severity, fix):
    monkeypatch.setattr(sys, "prefix", "/home/pi/venv")
    finding = only(check_picamera2(answering(with_apt_picamera2(tmp_path), code, output)))
    assert finding.severity == severity
    assert fix in finding.fix


def test_a_pi_without_picamera2_is_told_how_to_get_it(tmp_path):
    finding = only(check_picamera2(a_system(tmp_path)))
    assert finding.severity == "note"
    assert finding.fix.startswith("sudo apt install -y python3-picamera2")


def test_a_pc_needs_no_picamera2(tmp_path):
    assert check_picamera2(a_system(tmp_path, files={"proc/device-tree/model": ""})) == []


LOG = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"


@pytest.mark.parametrize(
    ("files", "code", "output", "severity", "found", "fix"),
    [
        ({}, 0, LOG + '{"ms": 0.5}', "ok", "with XNNPACK, 0.50 ms", ""),
        ({}, 0, '{"ms": 45.0}', "serious", "XNNPACK is off", "ai-edge-litert"),
        ({"proc/cpuinfo": ""}, 0, '{"ms": 45.0}', "serious", "/proc/cpuinfo", "ProcSubset"),
        ({}, 1, "ImportError: no", "serious", "does not run (ImportError: no)", "make -B demo"),
        ({}, 1, "AttributeError: _ARRAY_API not found\n", "serious", "not run", "numpy<2"),
        ({}, -4, "", "serious", "dies of signal 4", "make -B demo"),
    ],
)
def test_the_runtime(tmp_path, files, code, output, severity, found, fix):
    finding = only(check_runtime(answering(a_system(tmp_path, files=files), code, output)))
    assert finding.severity == severity
    assert found in finding.found
    assert fix in finding.fix


PI = User("pi", 12_345, frozenset({12_345}))


def with_camera(root: Path, *, mode: int = 0o660, members: str = "", name: str = "HD Webcam"):
    """Lay a camera out as files, owned by whoever runs the tests."""
    gid = os.getgid()
    system = a_system(
        root,
        files={
            "dev/video0": "x",
            "sys/class/video4linux/video0/name": name,
            "etc/group": f"video:x:{gid}:{members}\n",
        },
    )
    (root / "dev/video0").chmod(mode)
    return system


def test_a_user_outside_the_group(tmp_path):
    finding = only(check_cameras(with_camera(tmp_path), PI))
    assert finding.severity == "serious"
    assert "pi may not open /dev/video0 (group video)" in finding.found
    assert finding.fix.startswith("sudo usermod -aG video pi")


def test_a_user_who_has_not_logged_in_again(tmp_path):
    finding = only(check_cameras(with_camera(tmp_path, members="anna,pi"), PI))
    assert finding.severity == "serious"
    assert finding.fix.startswith("log out and in again")


@pytest.mark.parametrize(
    ("mode", "user"),
    [
        (0o660, User("pi", 12_345, frozenset({os.getgid()}))),
        (0o660, User("owner", os.getuid(), frozenset())),
        (0o666, PI),
        (0o600, User("root", 0, frozenset())),
    ],
)
def test_users_who_may(tmp_path, mode, user):
    assert only(check_cameras(with_camera(tmp_path, mode=mode), user)).severity == "ok"


@pytest.mark.parametrize("name", ["bcm2835-codec-decode", "bcm2835-isp-capture0", "rpivid"])
def test_a_codec_is_no_camera(tmp_path, name):
    finding = only(check_cameras(with_camera(tmp_path, name=name), PI))
    assert finding.severity == "warning"
    assert "no camera" in finding.found
    assert "rpicam-hello --list-cameras" in finding.fix


@pytest.mark.parametrize(
    ("listed", "severity"),
    [
        ("No cameras available!", "warning"),
        ("Available cameras\n-----------------\n0 : imx708 [4608x2592 10-bit RGGB]", "ok"),
    ],
)
def test_libcamera_is_asked_too(tmp_path, listed, severity):
    answers = {("rpicam-hello", "--list-cameras"): Answer(0, listed)}
    assert only(check_cameras(a_system(tmp_path, answers=answers), PI)).severity == severity


@pytest.mark.parametrize(
    ("answer", "severities", "fix"),
    [
        ("throttled=0x0", ["ok"], ""),
        ("throttled=0x50000", ["warning", "warning"], "power supply"),
        ("throttled=0x50005", ["serious", "serious"], "power supply"),
        ("throttled=0x80008", ["serious"], "heat sink"),
        ("VCHI initialization failed", ["note"], ""),
    ],
)
def test_power(tmp_path, answer, severities, fix):
    answers = {("vcgencmd", "get_throttled"): Answer(0, answer)}
    findings = check_throttling(a_system(tmp_path, answers=answers))
    assert [finding.severity for finding in findings] == severities
    assert fix in findings[0].fix


@pytest.mark.parametrize(("temperature", "severity"), [("54000", "ok"), ("82000", "warning")])
def test_heat(tmp_path, temperature, severity):
    files = {"sys/class/thermal/thermal_zone0/temp": temperature}
    assert only(check_temperature(a_system(tmp_path, files=files))).severity == severity


@pytest.mark.parametrize(
    ("governor", "driver", "severity"),
    [
        ("ondemand", "cpufreq-dt", "ok"),
        ("powersave", "cpufreq-dt", "warning"),
        ("powersave", "intel_pstate", "ok"),
    ],
)
def test_governors(tmp_path, governor, driver, severity):
    folder = "sys/devices/system/cpu/cpu0/cpufreq"
    files = {f"{folder}/scaling_governor": governor, f"{folder}/scaling_driver": driver}
    assert only(check_governor(a_system(tmp_path, files=files))).severity == severity


TIMEDATECTL = ("timedatectl", "show", "--property=NTPSynchronized", "--value")


@pytest.mark.parametrize(("answer", "severity"), [("yes\n", "ok"), ("no\n", "warning")])
def test_a_clock_and_its_synchronisation(tmp_path, answer, severity):
    system = a_system(tmp_path, answers={TIMEDATECTL: Answer(0, answer)})
    assert only(check_clock(system)).severity == severity


def test_a_clock_that_stood_still(tmp_path):
    finding = only(check_clock(a_system(tmp_path), now=lambda: 86_400.0 * 365))
    assert finding.severity == "serious"
    assert "1971-01-01" in finding.found
    assert "set-ntp true" in finding.fix


@pytest.mark.parametrize(
    ("architecture", "bits", "severity", "found"),
    [
        ("aarch64", 64, "ok", "64-bit"),
        ("aarch64", 32, "warning", "under a 64-bit kernel"),
        ("armv7l", 32, "warning", "32-bit userland"),
    ],
)
def test_userland(tmp_path, architecture, bits, severity, found):
    system = a_system(tmp_path, architecture=architecture, pointer_bits=bits)
    finding = only(check_userland(system))
    assert finding.severity == severity
    assert found in finding.found


@pytest.mark.parametrize(
    ("speed", "severity", "found"),
    [
        (WriteSpeed(38.0, 4.0), "ok", "/dev/mmcblk0p2 writes 38 MB/s"),
        (WriteSpeed(3.1, 4.0), "warning", "slow SD card"),
        (WriteSpeed(38.0, 180.0), "warning", "slow SD card"),
    ],
)
def test_storage(tmp_path, speed, severity, found):
    system = a_system(tmp_path / "root")
    finding = only(check_storage(system, folder=tmp_path, measure=lambda _: speed))
    assert finding.severity == severity
    assert found in finding.found


def test_the_memory_is_no_disk(tmp_path):
    system = a_system(tmp_path / "root", files={"proc/mounts": f"tmpfs {tmp_path} tmpfs rw 0 0\n"})
    finding = only(check_storage(system, folder=tmp_path, measure=lambda _: WriteSpeed(9e9, 0)))
    assert finding.severity == "note"


def test_writing_leaves_nothing_behind(tmp_path):
    speed = write_speed(tmp_path)
    assert speed.mb_per_second > 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path):
    finding = only(check_storage(a_system(tmp_path), folder=tmp_path / "missing"))
    assert finding.severity == "warning"
    assert "cannot be written" in finding.found


def test_the_worst_comes_first(tmp_path):
    system = answering(a_system(tmp_path), 1, NUMPY_CLASH)
    findings = examine(system)
    assert findings[0].severity == "serious"
    assert is_serious(findings)
    assert findings[-1].severity == "ok"
    text = format_findings(findings)
    assert "/bin/pip install 'numpy<2'" in text
    told = to_json(findings)
    assert told["healthy"] is False
    assert set(told["findings"][0]) == {"check", "severity", "found", "fix"}


def test_nothing_serious():
    findings = [Finding("a", "warning", "odd", "look"), Finding("b", "ok", "fine")]
    assert not is_serious(findings)
    assert format_findings(findings).endswith("nothing serious")


def test_it_works_where_numpy_and_opencv_are_broken():
    script = """
import sys
sys.modules.update(numpy=None, cv2=None, ai_edge_litert=None)
from fer_edge.cli import cli
cli(["doctor", "--json"])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stderr == ""
    assert '"findings":' in done.stdout
