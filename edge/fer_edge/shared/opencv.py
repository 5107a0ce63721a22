"""OpenCV, imported once, with its limits set before it reads them.

Import `cv2` from here and nowhere else: the limits and log levels come from environment
variables that OpenCV reads while it loads.
"""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from fer_edge.shared.address_space import EDGE_MB, require_address_space

MAX_PICTURE_PIXELS: Final = 64_000_000
"""Above almost every camera sold, and decoded to grey within what the unit's MemoryMax leaves."""

os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PICTURE_PIXELS))
# Our own messages say what happened; OpenCV's and FFmpeg's would stand beside them on stderr.
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

require_address_space(EDGE_MB, of="OpenCV and the TFLite runtime")

import cv2  # noqa: E402 - after the variables it reads

# Debian's python3-opencv, the OpenCV at hand on 32-bit ARM, lacks two modules that pip's has. The
# cascades are in the package opencv-data: /usr/share beside /usr/lib/python3/dist-packages.
if not hasattr(cv2, "typing"):
    cv2.typing = SimpleNamespace(MatLike=Any)  # type: ignore[assignment]
if not hasattr(cv2, "data"):
    _prefix = Path(cv2.__file__).parent.joinpath("../../..").resolve()
    _cascades = f"{_prefix}/share/opencv4/haarcascades/"
    cv2.data = SimpleNamespace(haarcascades=_cascades)  # type: ignore[attr-defined]

__all__ = ["MAX_PICTURE_PIXELS", "cv2"]
