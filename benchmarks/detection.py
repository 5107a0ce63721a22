"""Recall of the face search on labelled photos, and false faces where there is none.

Faces of 40 px and more with the longer side at 640 count; a face is found at IoU 0.4. Clips
without faces are taken every tenth frame. The settings of the product stand first, for each
technique; YuNet is measured where its weights are. Times are CPU milliseconds of one picture, its
longer side at 640, on one thread; where nobody is found, YuNet looks more often.
"""

import csv
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from real_data import parse_arguments, report, require_data

from fer_edge.assemble.parts import make_detector
from fer_edge.pipeline.protocols import Detector
from fer_edge.settings import DetectorSettings
from fer_edge.shared.data.pictures import read_grey
from fer_edge.shared.faces.weights import packaged_weights
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Box, GreyImage
from fer_edge.shared.terminal.tables import format_table
from fer_edge.sources.video import VideoFile

LONGER_SIDE = 640
SMALLEST_PX = 40
FACELESS_CLIPS = ("intel_bottle-detection.mp4", "mediapipe_hand_test_video.mp4")
CANDIDATES: dict[str, dict[str, Any]] = {
    "haar, product": {},
    "yunet, product": {"kind": "yunet"},
    "yunet, no second look": {"kind": "yunet", "yunet_second_side_px": 0},
    "yunet, 480": {"kind": "yunet", "yunet_side_px": 480, "yunet_second_side_px": 0},
    "yunet, 640": {"kind": "yunet", "yunet_side_px": 640, "yunet_second_side_px": 0},
    "alt2, confirmed by alt": {"confirm": "alt", "min_neighbours": 2},
    "alt2, unconfirmed": {"confirm": "", "min_neighbours": 2},
    "alt2, 5 neighbours": {"confirm": "", "min_neighbours": 5},
    "alt, 3 neighbours": {"cascade": "alt", "confirm": "", "min_neighbours": 3},
    "default, 3 neighbours": {"cascade": "default", "confirm": "", "min_neighbours": 3},
    "default, 5 neighbours": {"cascade": "default", "confirm": "", "min_neighbours": 5},
}

Labelled = list[tuple[GreyImage, list[Box]]]


def read_faces(folder: Path, prefix: str) -> Labelled:
    """Read the photos of a faces.csv with the boxes that are large enough."""
    boxes: dict[Path, list[Box]] = defaultdict(list)
    places = {path.name: path for path in folder.rglob("*.jpg")}
    with (folder / "faces.csv").open() as file:
        for row in csv.DictReader(file):
            names = [prefix + name for name in "xywh"]
            boxes[places[row["image"]]].append(Box(*(round(float(row[n])) for n in names)))
    photos = []
    for path, all_boxes in boxes.items():
        grey = read_grey(path)
        factor = max(1.0, max(grey.shape) / LONGER_SIDE)
        photos.append((grey, [box for box in all_boxes if box.width / factor >= SMALLEST_PX]))
    return photos


def at_640(grey: GreyImage) -> GreyImage:
    """Return a picture whose longer side is 640, as a camera's is."""
    factor = LONGER_SIDE / max(grey.shape)
    return cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def cpu_ms(detector: Detector, pictures: list[GreyImage]) -> float:
    """Return the mean CPU time of a picture."""
    detector.detect(pictures[0])
    started = time.process_time()
    for grey in pictures:
        detector.detect(grey)
    return round((time.process_time() - started) * 1000 / len(pictures), 2)


def recall(detector: Detector, photos: Labelled) -> tuple[int, int]:
    """Return faces found and faces in all."""
    found = total = 0
    for grey, boxes in photos:
        faces = detector.detect(grey)
        found += sum(any(box.iou(face.box) >= 0.4 for face in faces) for box in boxes)
        total += len(boxes)
    return found, total


def faceless_frames(folder: Path) -> list[GreyImage]:
    """Return every tenth frame of the clips that show no face."""
    frames = []
    for name in FACELESS_CLIPS:
        with VideoFile(folder / name) as clip:
            while frame := clip.read(10.0):
                if frame.index % 10 == 0:
                    frames.append(frame.grey)
    return frames


def main() -> None:
    arguments = parse_arguments(__doc__ or "", products="only the settings of the product")
    data = require_data(arguments.data)
    cv2.setNumThreads(1)
    caltech = read_faces(data / "faces" / "caltech", "box_")
    dlib = read_faces(data / "faces" / "dlib", "")
    negatives = [read_grey(path) for path in sorted((data / "negatives").iterdir())]
    clips = faceless_frames(data / "video")
    results: dict[str, Any] = {}
    same_size = [at_640(grey) for grey, _ in caltech]
    for name, options in CANDIDATES.items():
        settings = DetectorSettings(**{"kind": "haar", **options})
        if arguments.products and "product" not in name:
            continue
        if settings.kind == "yunet" and not packaged_weights():
            continue
        detector = make_detector(settings)
        results[name] = {
            "caltech": recall(detector, caltech),
            "dlib": recall(detector, dlib),
            "negatives": sum(len(detector.detect(grey)) for grey in negatives),
            "faceless_frames": sum(len(detector.detect(grey)) for grey in clips),
            "cpu_ms": cpu_ms(detector, same_size),
            "cpu_ms_without_a_face": cpu_ms(detector, [at_640(grey) for grey in clips[::4]]),
        }
    rows = [
        [
            name,
            *(f"{found / n:.1%} ({found}/{n})" for found, n in (r["caltech"], r["dlib"])),
            str(r["negatives"]),
            str(r["faceless_frames"]),
            str(r["cpu_ms"]),
            str(r["cpu_ms_without_a_face"]),
        ]
        for name, r in results.items()
    ]
    header = [
        "search", "recall caltech", "recall dlib", f"false in {len(negatives)} pictures",
        f"false in {len(clips)} frames", "ms a photo", "ms a frame without a face",
    ]  # fmt: skip
    report(arguments, results, format_table(header, rows))


if __name__ == "__main__":
    main()
