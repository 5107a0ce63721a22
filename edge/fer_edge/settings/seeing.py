"""Settings of what is looked at, and how it is read."""

from dataclasses import dataclass, field, fields

from fer_edge import DEFAULT_MODEL
from fer_edge.shared.typed_tables import setting


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """Where frames come from."""

    uri: str = setting(
        "0",
        "camera number or /dev/videoN, picamera or picamera:N, rtsp:// or http:// stream, "
        "video file or picture folder; demo is a built-in clip without end; the word secret reads "
        "the address from where secrets are",
    )
    uri_file: str = setting("", "file that holds the address, where that has a password in it")
    width: int = setting(640, "frame width asked of a camera, pixels", low=16, high=8192)
    height: int = setting(480, "frame height asked of a camera, pixels", low=16, high=8192)
    frames_per_second: float = setting(30.0, "rate asked of a camera", low=0.1, high=1000)
    rotation: int = setting(0, "degrees to turn pictures clockwise", choices=(0, 90, 180, 270))
    mirror: bool = setting(False, "swap left and right, after the rotation")
    pace: str = setting(
        "fast",
        "whether a video file is read as fast as possible, or at its own pace",
        choices=("fast", "own"),
    )
    open_timeout_seconds: float = setting(
        8.0, "longest wait for a camera's first frame", low=0.1, high=60
    )
    read_timeout_seconds: float = setting(
        2.0, "longest wait for every further frame; a longer pause is a fault", low=0.1, high=60
    )
    interval_seconds: float = setting(
        1.0,
        "pause between two questions to a camera that gives single pictures",
        low=0.05,
        high=3600,
    )
    redirects: str = setting(
        "host",
        "where an http camera may send us on to: its own host, or any",
        choices=("host", "any"),
    )
    give_up_seconds: float = setting(
        60.0,
        "so long without a good frame ends the run with 69; 0 gives up at the first fault",
        low=0,
        high=86400,
    )
    reopen_longest_seconds: float = setting(
        5.0, "longest pause between two attempts to open a camera again", low=0.1, high=3600
    )
    frozen_seconds: float = setting(
        30.0, "the very same picture for so long is a fault; 0 switches this off", low=0, high=86400
    )
    black_seconds: float = setting(
        30.0, "a black picture for so long is a fault; 0 switches this off", low=0, high=86400
    )


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """How faces are found; all but `kind` and `file` concern single pictures."""

    kind: str = setting(
        "auto",
        "technique: auto is yunet where its weights and a fit OpenCV are at hand, else haar",
        choices=("auto", "haar", "yunet"),
    )
    file: str = setting(
        "", "YuNet's weights, an ONNX file; empty takes those of the extra fer-edge[yunet]"
    )
    yunet_side_px: int = setting(
        320, "YuNet: frames are shrunk to this longer side", low=64, high=4096
    )
    yunet_second_side_px: int = setting(
        640, "YuNet: the same for a second look, where the first finds nobody; 0 for none",
        low=0, high=4096,
    )  # fmt: skip
    yunet_least_score: float = setting(
        0.6, "YuNet: score from which a find is a face", low=0.1, high=0.99
    )
    cascade: str = setting("alt2", "Haar cascade that searches", choices=("alt2", "alt", "default"))
    confirm: str = setting(
        "alt+default",
        "Haar: cascades of which one must find a weak face again; empty asks none",
        choices=("alt+default", "alt", "alt2", "default", ""),
    )
    scale_factor: float = setting(
        1.1, "Haar: ratio between one size searched and the next", low=1.01, high=2
    )
    min_neighbours: int = setting(1, "Haar: overlapping hits that make a face", low=0, high=100)
    min_face_px: int = setting(
        40, "Haar: smallest face searched, in pixels of the shrunk frame", low=20, high=4096
    )
    max_side_px: int = setting(
        640, "Haar: frames are shrunk to this longer side", low=64, high=8192
    )


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """How faces are followed from frame to frame."""

    mode: str = setting(
        "follow",
        "follow faces over time, or search each frame wholly",
        choices=("follow", "each"),
    )
    max_faces: int = setting(
        8, "most faces followed at once; further ones are left out and counted", low=1, high=1000
    )
    min_face_px: int = setting(
        20, "smallest face searched, in pixels of a frame 640 wide", low=20, high=640
    )
    budget_ms_per_second: float = setting(
        60.0, "CPU time that the search for new faces may take", low=1, high=10000
    )
    search_seconds: float = setting(
        0.13, "pause between searches while no face is known", low=0.01, high=60
    )
    known_search_seconds: float = setting(
        0.5, "pause between searches while a face is known", low=0.01, high=60
    )
    check_frames: int = setting(10, "frames between two checks of a known face", low=1, high=1000)
    coast_seconds: float = setting(
        0.5, "a face that is lost from sight is still reported for so long", low=0, high=60
    )
    trust_seconds: float = setting(
        2.0, "a face that no check confirms is dropped after so long", low=0.1, high=60
    )
    remember_seconds: float = setting(
        2.0, "a face that returns within this time keeps its number", low=0, high=60
    )


@dataclass(frozen=True, slots=True)
class SmoothingSettings:
    """How labels are steadied over time."""

    memory_seconds: float = setting(
        0.25, "time constant of the average over frames", low=0.001, high=60
    )
    least_probability: float = setting(
        -1.0,
        "averaged probability from which a label is given; -1 takes the model's own",
        low=-1,
        high=1,
    )
    margin: float = setting(
        0.15, "lead in averaged probability with which another label takes over", low=0, high=1
    )
    settle_seconds: float = setting(0.1, "a new face gets no label before so long", low=0, high=60)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which network reads the faces."""

    path: str = setting(
        DEFAULT_MODEL, "shipped model's name, .tflite file, or slot: `fer-edge model`"
    )
    trust: str = setting(
        "",
        "the only file that may be used, as sha256:HASH, which `fer-edge inspect` shows; "
        "empty is any",
    )
    threads: int = setting(1, "threads of the interpreter", low=1, high=64)


@dataclass(frozen=True, slots=True)
class PriorSettings:
    """How common expressions are where the camera looks; -1 where that is not known."""

    angry: float = setting(-1.0, "share of angry faces here", low=-1, high=1)
    contempt: float = setting(-1.0, "share of contempt here", low=-1, high=1)
    disgust: float = setting(-1.0, "share of disgust here", low=-1, high=1)
    fear: float = setting(-1.0, "share of fear here", low=-1, high=1)
    happy: float = setting(-1.0, "share of happy faces here", low=-1, high=1)
    neutral: float = setting(-1.0, "share of neutral faces here", low=-1, high=1)
    sad: float = setting(-1.0, "share of sad faces here", low=-1, high=1)
    surprise: float = setting(-1.0, "share of surprise here", low=-1, high=1)

    def known(self) -> dict[str, float]:
        """Return the shares that are known, by label."""
        return {f.name: share for f in fields(self) if (share := getattr(self, f.name)) >= 0}


@dataclass(frozen=True, slots=True)
class ExpressionSettings:
    """How the network's answers are weighed."""

    balance: float = setting(
        -1.0,
        "0 weighs expressions as common in training, 1 all alike; -1 takes the model's own",
        low=-1,
        high=1,
    )
    prior: PriorSettings = field(default_factory=PriorSettings)


@dataclass(frozen=True, slots=True)
class BaselineSettings:
    """What a face is compared with: its own look at rest."""

    mode: str = setting(
        "track",
        "learnt of each face while it is followed, of all faces at this place, taken from a "
        "participant's file, or not used",
        choices=("track", "place", "participant", "none"),
    )
    file: str = setting(
        "", "a participant's file, which `fer-edge calibrate` writes; turns track to participant"
    )
    participants: str = setting("", "folder of participants' files, NAME.json each; empty is none")
    participant: str = setting("", "name of the participant in that folder")
    strength: float = setting(
        0.6, "share of the baseline that is taken off an answer", low=0, high=0.95
    )
