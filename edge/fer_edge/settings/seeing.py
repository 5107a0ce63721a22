"""Settings of what is looked at, and how it is read."""

from dataclasses import dataclass

from fer_edge import DEFAULT_MODEL
from fer_edge.settings.setting import setting


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """Where frames come from."""

    uri: str = setting(
        "0",
        "camera number or /dev/videoN, picamera or picamera:N, rtsp:// or http:// stream, "
        "video file, picture folder; secret is read from where secrets are",
    )
    uri_file: str = setting("", "file with a secret uri, such as a stream's with its password")
    width: int = setting(640, "frame width asked of a camera, pixels", low=16, high=8192)
    height: int = setting(480, "frame height asked of a camera, pixels", low=16, high=8192)
    frames_per_second: float = setting(30.0, "rate asked of a camera", low=0.1, high=1000)
    rotation: int = setting(0, "degrees to turn pictures clockwise", choices=(0, 90, 180, 270))
    mirror: bool = setting(False, "swap left and right, after the rotation")
    pace: str = setting(
        "fast", "of a video file: as fast as possible, or its own", choices=("fast", "own")
    )
    interval_seconds: float = setting(
        1.0,
        "between questions to a camera that gives single pictures",
        low=0.05,
        high=3600,
    )
    redirects: str = setting(
        "host", "where an http camera may send us: to its own host, or any", choices=("host", "any")
    )
    open_timeout_seconds: float = setting(8.0, "bound on opening", low=0.1, high=60)
    read_timeout_seconds: float = setting(2.0, "bound on waiting for a frame", low=0.1, high=60)
    give_up_seconds: float = setting(
        60.0, "a camera without a good frame is tried again; 0 gives up at once", low=0, high=86400
    )
    reopen_longest_seconds: float = setting(
        5.0, "longest pause between two attempts to open it", low=0.1, high=3600
    )
    frozen_seconds: float = setting(
        30.0, "the same picture for so long is a fault; 0 never is", low=0, high=86400
    )
    black_seconds: float = setting(
        30.0, "a black picture for so long is a fault; 0 never is", low=0, high=86400
    )


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """How faces are found."""

    cascade: str = setting("alt2", "Haar cascade", choices=("alt2", "alt", "default"))
    confirm: str = setting(
        "alt+default",
        "cascades of which one must find a weak face again, or none",
        choices=("alt+default", "alt", "alt2", "default", ""),
    )
    scale_factor: float = setting(1.1, "ratio between sizes searched", low=1.01, high=2)
    min_neighbours: int = setting(1, "overlapping hits needed", low=0, high=100)
    min_face_px: int = setting(40, "smallest face, pixels of the shrunk frame", low=20, high=4096)
    max_side_px: int = setting(640, "frames are shrunk to this longer side", low=64, high=8192)


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """How faces are followed from frame to frame."""

    mode: str = setting(
        "follow",
        "follow faces over time, or search every frame wholly",
        choices=("follow", "each"),
    )
    max_faces: int = setting(8, "followed at once; further ones are left out", low=1, high=1000)
    min_face_px: int = setting(
        20, "smallest face searched, pixels of a frame of 640", low=20, high=640
    )
    budget_ms_per_second: float = setting(
        60.0, "CPU time the search for new faces may take", low=1, high=10000
    )
    search_seconds: float = setting(
        0.13, "between searches while no face is known", low=0.01, high=60
    )
    known_search_seconds: float = setting(
        0.5, "between searches while one is known", low=0.01, high=60
    )
    check_frames: int = setting(10, "between checks of a known face", low=1, high=1000)
    coast_seconds: float = setting(0.5, "a hidden face is still reported", low=0, high=60)
    trust_seconds: float = setting(2.0, "until an unconfirmed face is dropped", low=0.1, high=60)
    remember_seconds: float = setting(2.0, "a face that returns keeps its number", low=0, high=60)


@dataclass(frozen=True, slots=True)
class SmoothingSettings:
    """How labels are steadied over time."""

    memory_seconds: float = setting(0.25, "time constant of the average", low=0.001, high=60)
    least_probability: float = setting(
        -1.0, "smoothed, from which a label is given; -1: as the model says", low=-1, high=1
    )
    margin: float = setting(0.15, "by which another label must lead", low=0, high=1)
    settle_seconds: float = setting(0.1, "until a new face may get a label", low=0, high=60)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which network reads the faces."""

    path: str = setting(
        DEFAULT_MODEL, "shipped model's name, .tflite file, or slot: `fer-edge model`"
    )
    threads: int = setting(1, "threads of the interpreter", low=1, high=64)
