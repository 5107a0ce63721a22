"""OpenCV, imported once, with its limits set before it reads them.

Import `cv2` from here and nowhere else: the limits and log levels come from environment
variables that OpenCV reads while it loads.
"""

import os
from typing import Final

MAX_PICTURE_PIXELS: Final = 2**27
"""134 megapixels: above every camera sold, and 128 MiB decoded to grey."""

os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PICTURE_PIXELS))
# Our own messages say what happened; OpenCV's and FFmpeg's would stand beside them on stderr.
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2  # noqa: E402 - after the variables it reads

__all__ = ["MAX_PICTURE_PIXELS", "cv2"]
