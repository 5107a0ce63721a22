"""A camera of Motion JPEG as a process: `python mjpeg_camera.py [PORT]`.

Prints its port, then serves until it is killed. Reads how to behave from its standard input, a
word a line: what `MjpegServer` knows, `slow` (a picture in three seconds) and `large`.
"""

import sys

from fer_edge.shared.opencv import cv2
from fer_edge.sources.portrait import PortraitClip
from fer_edge.testing.fakes import MjpegServer, encode_jpeg

RATE = 30.0
SIZE = (320, 240)
LARGE = (640, 480)


def pictures(size):
    """Return the built-in clip in a size."""
    made = []
    with PortraitClip(frames=60) as clip:
        while (frame := clip.read(1.0)) is not None:
            made.append(encode_jpeg(cv2.resize(frame.grey, size)))
    return made


server = MjpegServer(frames_per_second=RATE, port=int(sys.argv[1]) if len(sys.argv) > 1 else 0)
usual, large = pictures(SIZE), pictures(LARGE)
server.jpegs = usual
print(server.port, flush=True)
for line in sys.stdin:
    word = line.strip()
    server.period_seconds = 3.0 if word == "slow" else 1 / RATE
    server.jpegs = large if word == "large" else usual
    server.behaviour = "stream" if word in {"slow", "large"} else word
