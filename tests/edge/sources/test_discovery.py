"""Which cameras are found, and what is said of those that cannot be used."""

import json
import sys
from pathlib import Path

import pytest

from fer_edge.sources.discovery import find_cameras
from fer_edge.testing.fake_picamera2 import FakeSensor


@pytest.fixture
def folders(tmp_path):
    devices, names = tmp_path / "dev", tmp_path / "sys"
    devices.mkdir()
    names.mkdir()
    return {"devices": devices, "names": names}


@pytest.fixture
def no_picamera2(monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", None)


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def plug_in(folders, name, *, called, device=""):
    (folders["names"] / name).mkdir()
    (folders["names"] / name / "name").write_text(f"{called}\n")
    if device:
        (folders["devices"] / name).symlink_to(device)


def test_nothing_is_nothing(folders, no_picamera2):
    assert find_cameras(**folders).cameras == ()


def test_says_what_was_not_looked_for(folders, no_picamera2):
    (note,) = find_cameras(**folders).notes
    assert "no picamera2 here" in note
    assert "sudo apt install -y python3-picamera2" in note


def test_cameras_of_libcamera_are_named_with_what_to_type(folders, pi):
    pi.sensors = (FakeSensor(), FakeSensor(model="imx219"))
    found = find_cameras(**folders)
    assert [(camera.source, camera.name) for camera in found.cameras] == [
        ("picamera:0", "imx708"),
        ("picamera:1", "imx219"),
    ]
    assert all(camera.usable for camera in found.cameras)
    assert found.notes == ()


def test_devices_come_in_the_order_of_their_numbers(folders, no_picamera2):
    for number in (10, 2, 0):
        plug_in(folders, f"video{number}", called=f"Camera {number}", device="/dev/null")
    names = [camera.name for camera in find_cameras(**folders).cameras]
    assert names == ["Camera 0", "Camera 2", "Camera 10"]


def test_what_is_no_video_device_says_so_and_is_closed(folders, no_picamera2):
    plug_in(folders, "video0", called="No camera", device="/dev/null")
    before = open_descriptors()
    (camera,) = find_cameras(**folders).cameras
    assert not camera.usable
    assert "no answer" in camera.problem
    assert open_descriptors() == before


def test_a_device_without_its_node_is_told_all_the_same(folders, no_picamera2):
    plug_in(folders, "video0", called="Hidden")
    (camera,) = find_cameras(**folders).cameras
    assert (camera.name, camera.usable) == ("Hidden", False)
    assert camera.problem == "No such file or directory"


def test_json_has_every_field(folders, pi):
    (camera,) = find_cameras(**folders).cameras
    line = camera.to_json()
    assert json.loads(json.dumps(line)) == line
    assert line == {
        "source": "picamera:0", "name": "imx708", "kind": "picamera", "usable": True,
        "driver": "libcamera", "formats": [], "problem": "",
    }  # fmt: skip
