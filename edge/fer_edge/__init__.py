"""Facial expression recognition for low-power devices.

    for face in fer_edge.read("photo.jpg"):
        print(face.label, face.confidence, face.box)

    with fer_edge.watch(0) as camera:
        for view in camera:
            ...

What stands in `__all__` is public: `read`, `read_all`, `watch` and `Reader` with the records that
they return, and the errors. It is loaded when it is first used, so importing this costs nothing.
"""

TYPE_CHECKING = False  # as type checkers know it, without importing `typing`: half of all the time
if TYPE_CHECKING:
    from typing import Any, Final

    from fer_edge.api import Baseline, Picture, Reader, View, Watch, read, read_all, watch
    from fer_edge.shared.errors import (
        CalibrationError,
        DependencyError,
        FerError,
        ModelError,
        PictureError,
        SettingsError,
        SourceUnavailableError,
        VideoError,
    )
    from fer_edge.shared.records import Box, Reading

__all__ = [
    "DEFAULT_MODEL",
    "Baseline",
    "Box",
    "CalibrationError",
    "DependencyError",
    "FerError",
    "ModelError",
    "Picture",
    "PictureError",
    "Reader",
    "Reading",
    "SettingsError",
    "SourceUnavailableError",
    "VideoError",
    "View",
    "Watch",
    "__version__",
    "read",
    "read_all",
    "watch",
]

__version__ = "0.1.0"

DEFAULT_MODEL: "Final" = "edge-small-ferplus"
"""The shipped model that is right most often about natural pictures: docs/log/models.md."""

_HOMES: "Final" = {
    "Box": "fer_edge.shared.records",
    "Reading": "fer_edge.shared.records",
    **dict.fromkeys(
        (
            "CalibrationError",
            "DependencyError",
            "FerError",
            "ModelError",
            "PictureError",
            "SettingsError",
            "SourceUnavailableError",
            "VideoError",
        ),
        "fer_edge.shared.errors",
    ),
    **dict.fromkeys(
        ("Baseline", "Picture", "Reader", "View", "Watch", "read", "read_all", "watch"),
        "fer_edge.api",
    ),
}


def __getattr__(name: str) -> "Any":
    """Load a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - not for --help

    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
