"""USB cameras: what is refused before and after they are opened."""

import errno
import sys
import time
from pathlib import Path

import pytest

from fer_edge.shared.errors import EXIT_UNAVAILABLE, SourceUnavailableError
from fer_edge.sources.v4l2 import V4l2Camera, explain_failure, list_cameras

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Video4Linux is of Linux")


@pytest.mark.parametrize("device", [63, "/dev/video63", "/dev/v4l/by-id/usb-gone-index0"])
def test_a_missing_camera_is_said_at_once(device):
    began = time.monotonic()
    with pytest.raises(SourceUnavailableError, match="does not exist") as caught:
        V4l2Camera(device)
    assert time.monotonic() - began < 4
    assert caught.value.exit_code == EXIT_UNAVAILABLE
    assert "/dev/video" in str(caught.value)


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero"])
def test_a_device_that_is_no_camera_is_refused(path):
    with pytest.raises(SourceUnavailableError, match=f"{path} opens but delivers no frame"):
        V4l2Camera(path)


def test_a_folder_is_no_camera(tmp_path):
    with pytest.raises(SourceUnavailableError):
        V4l2Camera(str(tmp_path))


def test_missing_permission_names_the_group():
    error = explain_failure(Path("/dev/video0"), PermissionError(errno.EACCES, "denied"))
    assert "usermod -aG video" in error.fix
    assert "permission" in error.found


def test_a_busy_camera_names_the_way_to_its_holder():
    error = explain_failure(Path("/dev/video0"), OSError(errno.EBUSY, "busy"))
    assert "in use" in error.found
    assert "fuser" in error.fix


def test_the_cameras_here_are_named_where_one_is_missing():
    error = explain_failure(Path("/dev/video63"), FileNotFoundError(errno.ENOENT, "none"))
    cameras = list_cameras()
    assert all(camera.startswith("/dev/video") for camera in cameras)
    assert (cameras[0] in error.expected) if cameras else ("no /dev/video" in error.fix)
