"""Makes the real picamera2 work with the virtual camera of the real libcamera.

Each change stands in for something that a Pi has and a virtual camera has not; what reads the
camera is not touched. picamera2 itself imports this before all else, and calls `prepare` last.
"""

import sys
import time
from pathlib import Path
from unittest.mock import MagicMock

SIZE = (640, 480)
BEHAVIOUR = Path("/opt/fer-edge/behaviour")
"""While it holds "stall", no frame of any camera arrives."""

# They draw on a screen and write raw files; picamera2 imports them all the same.
for name in ("pykms", "pidng", "pidng.camdefs", "pidng.core"):
    sys.modules[name] = MagicMock()


def stalls():
    return BEHAVIOUR.exists() and BEHAVIOUR.read_text() == "stall"


def prepare():
    """Change picamera2 before a camera is opened."""
    import libcamera
    import picamera2
    from picamera2.allocators import dmaallocator
    from picamera2.picamera2 import CameraManager

    # There is no raw stream, which picamera2 lists on opening.
    picamera2.Picamera2._get_raw_modes = lambda _: [{"format": "NV12", "size": SIZE}]
    picamera2.Picamera2.sensor_modes = property(lambda _: [])

    # libcamera 0.4's virtual camera says that it turns pictures, and does not.
    picamera2.utils.orientation_to_transform = lambda _: libcamera.Transform()

    # A virtual frame takes no time: it would end before picamera2 has noted its start.
    handle_request = CameraManager.handle_request

    def handle_after_a_frame(self, *arguments):
        time.sleep(0.03)
        if arguments or not stalls():  # with an argument: it is being stopped
            handle_request(self, *arguments)

    CameraManager.handle_request = handle_after_a_frame

    # The virtual camera writes each plane of NV12 apart; picamera2 describes the whole as one.
    def buffer_of_two_planes(planes):
        (luminance,) = planes
        colour = libcamera.FrameBuffer.Plane()
        colour.fd = luminance.fd
        colour.length = luminance.length // 3
        luminance.length -= colour.length
        colour.offset = luminance.length
        return libcamera.FrameBuffer([luminance, colour])

    buffer_of_two_planes.Plane = libcamera.FrameBuffer.Plane

    class Libcamera:
        FrameBuffer = staticmethod(buffer_of_two_planes)

        def __getattr__(self, name):
            return getattr(libcamera, name)

    dmaallocator.libcamera = Libcamera()
