"""The whole pipeline against what a user would run instead, on the same decoded frames.

Both techniques of finding faces are measured in one run, where YuNet's weights are installed, each
against a whole-frame search of its own. `--kind` measures one of them.
"""

import argparse
import gc
import itertools
import json
import os
import statistics
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from clips import (
    FRAMES_PER_SECOND,
    SLIDE_FRAMES,
    Clip,
    appearing,
    listed_clips,
    slides,
    sliding_in,
)
from contenders import (
    Contender,
    Floor,
    Ours,
    Seen,
    WholeFrameHaar,
    WholeFrameYunet,
    documented_network,
    fer_package,
)
from holding import Record, covered, distinct_faces, first_report, overlaps
from real_data import ROOT, require_data

from fer_edge.assemble.parts import make_pipeline
from fer_edge.pipeline.timings import percentile
from fer_edge.settings import Settings, resolve
from fer_edge.shared.faces.weights import packaged_weights
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Frame
from fer_edge.shared.terminal.tables import format_fields, format_table

OURS: dict[str, str] = {"haar": "ours, haar", "yunet": "ours, yunet"}
REFERENCES = {"ours, yunet": "yunet + litert"}
ONE_FACE = "asl"
"""How clips of 640x480 begin whose one face is there in the first picture and stays."""
REFERENCE = "haar + litert"
"""By whose boxes all others are measured."""
Records = dict[str, dict[str, Record]]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--fer", type=Path, help="folder into which the fer package was installed")
    parser.add_argument("--clips", default="", help="only clips whose name holds this text")
    parser.add_argument("--ours", action="store_true", help="leave the other contenders out")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument(
        "--live", action="store_true", help="only this: at 30 frames a second, search in a thread"
    )
    parser.add_argument("--kind", choices=OURS, help="only this technique of ours")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="only this: run in a loop")
    return parser.parse_args()


def run_clip(pictures: list[Any], contenders: list[Contender]) -> dict[str, Record]:
    """Show a decoded clip to every contender in turn."""
    records: dict[str, Record] = defaultdict(Record)
    for contender in contenders:
        contender.start_clip()
        for picture in pictures:
            seen = contender.see(picture)
            for name in contender.names:
                records[name].add(seen, name)
    return dict(records)


def run_slides(folder: Path, contenders: list[Contender]) -> dict[str, Record]:
    """Show every negative for two seconds; who has no memory sees each once and repeats it."""
    records: dict[str, Record] = defaultdict(Record)
    for contender in contenders:
        contender.start_clip()
        for picture in slides(folder):
            remembers = isinstance(contender, Ours)
            seen = [contender.see(picture) for _ in range(SLIDE_FRAMES if remembers else 1)]
            for name in contender.names:
                for one in seen if remembers else seen * SLIDE_FRAMES:
                    records[name].add(one, name)
    return dict(records)


def entries(clips: list[Clip], ours: Ours) -> dict[str, Any]:
    """Measure frames from entry to first report, for faces that appear and that slide in."""
    waits: dict[str, list[tuple[int | None, int | None]]] = {"appears": [], "slides in": []}
    cascade = WholeFrameHaar(keras=None)
    for number, clip in enumerate(clips):
        pictures = clip.pictures()
        boxes = cascade.see(pictures[0]).boxes
        if not boxes or len(pictures) < 40:
            continue
        right = min(boxes, key=lambda box: box.x).x + boxes[0].width
        for empty in (30 + number % 7, 45 + 3 * (number % 5)):
            for way, shown in (
                ("appears", appearing(pictures, empty=empty)),
                ("slides in", sliding_in(pictures, empty=empty, right=right)),
            ):
                ours.start_clip()
                seen: list[tuple[Seen, bool]] = [(ours.see(p), there) for p, there in shown]
                waits[way].append(first_report(seen))
    return {way: summarise_waits(found) for way, found in waits.items() if found}


def summarise_waits(found: list[tuple[int | None, int | None]]) -> dict[str, Any]:
    def seconds(frames: list[int | None]) -> dict[str, float]:
        known = [n / FRAMES_PER_SECOND for n in frames if n is not None]
        if not known:
            return {"n": 0, "missed": len(frames)}
        return {
            "n": len(known),
            "missed": len(frames) - len(known),
            "p50": round(statistics.median(known), 3),
            "p90": round(percentile(known, 90), 3),
            "max": round(max(known), 3),
        }

    return {
        "reported_s": seconds([a for a, _ in found]),
        "stable_label_s": seconds([b for _, b in found]),
    }


def figures(clips: list[Clip], records: Records, slideshow: dict[str, Record]) -> dict[str, Any]:
    """Bring everything together, by contender."""
    with_face = [clip for clip in clips if clip.has_face]
    one_face = [clip for clip in with_face if clip.name.startswith(("asl", "fer", "mediapipe"))]
    result: dict[str, Any] = {}
    for name in next(iter(records.values())):
        by = REFERENCES.get(name, REFERENCE)
        reference = {
            clip.name: records[clip.name][by].boxes for clip in clips if by in records[clip.name]
        }
        per_clip = {}
        shared: list[float] = []
        for clip in clips:
            record = records[clip.name][name]
            row: dict[str, Any] = {
                "cpu_ms": round(record.mean_cpu_ms, 3),
                "held": round(record.held, 4),
            }
            if clip.has_face and reference:
                both = overlaps(record.boxes, reference[clip.name])
                shared += both
                row["iou"] = round(statistics.median(both), 3) if both else None
                row["covers"] = covered(record.boxes, reference[clip.name])
            per_clip[clip.name] = row
        without = [clip for clip in clips if not clip.has_face]
        minutes = sum(
            len(records[clip.name][name].boxes) / clip.frames_per_second / 60 for clip in without
        )
        result[name] = {
            "clips": per_clip,
            "cpu_ms_one_face": frame_mean([records[c.name][name] for c in one_face]),
            "cpu_ms_all": frame_mean([records[c.name][name] for c in clips]),
            "iou": round(statistics.median(shared), 3) if shared else None,
        }
        if without:
            false = sum(distinct_faces(records[clip.name][name].boxes) for clip in without)
            result[name]["false_per_minute_clips"] = round(false / minutes, 2)
        if name in slideshow:
            boxes = slideshow[name].boxes
            false_slides = distinct_faces(boxes)
            result[name]["false_per_minute_slides"] = round(
                false_slides / (len(boxes) / FRAMES_PER_SECOND / 60), 2
            )
    return result


def frame_mean(records: list[Record]) -> float | None:
    spent = [ms for record in records for ms in record.cpu_ms]
    return round(statistics.fmean(spent), 3) if spent else None


def times_ours(found: dict[str, Any], ours: str) -> dict[str, float]:
    """Return how many times our CPU the others take on clips with one face."""
    mine = found[ours]["cpu_ms_one_face"]
    return {
        name: round(row["cpu_ms_one_face"] / mine, 2)
        for name, row in found.items()
        if mine and name != ours
    }


def size_ratio(clips: list[Clip], contenders: list[Contender]) -> dict[str, Any]:
    """Show clips of 640x480 with one face as they are, and their top 360 rows as 1920x1080.

    Returns:
        CPU ms a frame by contender; nothing where no such clip was asked for.
    """
    small = [clip for clip in clips if clip.name.startswith(ONE_FACE)][:3]
    if not small:
        return {}
    result: dict[str, Any] = {}
    for contender in contenders:
        spent: dict[str, list[float]] = {"640x480": [], "1920x1080": []}
        for clip in small:
            pictures = clip.pictures()
            large = [cv2.resize(picture[:360], (1920, 1080)) for picture in pictures]
            for size, shown in (("640x480", pictures), ("1920x1080", large)):
                contender.start_clip()
                for picture in shown:
                    seen = contender.see(picture)
                    grey_ms = contender.grey_ms if isinstance(contender, Ours) else 0.0
                    spent[size].append(seen.cpu_ms[contender.names[0]])
                    spent.setdefault(f"{size} without grey", []).append(spent[size][-1] - grey_ms)
        means = {size: round(statistics.fmean(ms), 3) for size, ms in spent.items() if ms}
        means["ratio"] = round(means["1920x1080"] / means["640x480"], 2)
        grey_apart = means["1920x1080 without grey"] / means["640x480 without grey"]
        means["ratio without grey"] = round(grey_apart, 2)
        result[contender.names[0]] = means
    return result


def live(clips: list[Clip], settings: Settings) -> dict[str, Any]:
    """Show clips at 30 frames a second to the pipeline that cameras get: the scout in a thread."""
    result: dict[str, Any] = {}
    for clip in clips:
        pictures = [cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in clip.pictures()]
        with make_pipeline(settings, frames="live") as pipeline:
            spent, wall_ms, with_face = time.process_time(), [], []
            begun = time.monotonic()
            for index, grey in enumerate(pictures):
                time.sleep(max(0.0, begun + index / FRAMES_PER_SECOND - time.monotonic()))
                start = time.monotonic_ns()
                seen = pipeline.process(Frame(index, time.time(), start, grey))
                wall_ms.append((time.monotonic_ns() - start) / 1e6)
                with_face.append(bool(seen.readings))
            spent = time.process_time() - spent
        result[clip.name] = {
            "cpu_ms": round(spent * 1000 / len(pictures), 3),
            "held": round(sum(with_face) / len(with_face), 4),
            "first_face_s": with_face.index(True) / FRAMES_PER_SECOND if any(with_face) else None,
            "wall_ms": {f"p{p}": round(percentile(wall_ms, p), 3) for p in (50, 90, 99)},
        }
    return result


def soak(clips: list[Clip], ours: Ours, minutes: float) -> dict[str, Any]:
    """Run clips in a loop as one endless clip; compare memory, threads and descriptors."""
    chosen = [clip.pictures() for clip in clips if clip.name.startswith(("asl_a", "asl_b", "fer"))]
    pictures = list(itertools.chain.from_iterable(chosen))
    ours.start_clip()
    samples: list[dict[str, float]] = []
    started = time.monotonic()
    frames = 0
    due = 0.0
    while (elapsed := time.monotonic() - started) < minutes * 60:
        for picture in pictures:
            ours.see(picture)
        frames += len(pictures)
        if elapsed >= due:
            due += max(5.0, minutes)
            gc.collect()
            samples.append({"seconds": round(elapsed, 1), "frames": frames, **resources()})
    settled = samples[len(samples) // 4 :]
    return {
        "frames": frames,
        "rss_growth_mb": round(settled[-1]["rss_mb"] - settled[0]["rss_mb"], 2),
        "threads": [settled[0]["threads"], settled[-1]["threads"]],
        "descriptors": [settled[0]["descriptors"], settled[-1]["descriptors"]],
        "samples": samples,
    }


def resources() -> dict[str, float]:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "rss_mb": round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 2),
        "threads": threading.active_count(),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
    }


def format_result(result: dict[str, Any]) -> str:
    """Return tables for people."""
    found = result["contenders"]
    parts = [
        format_table(
            ["contender", "CPU ms a frame, one face", "all clips", "median IoU",
             "false/min clips", "false/min slides"],
            [
                [name, *(str(row.get(key, "-")) for key in (
                    "cpu_ms_one_face", "cpu_ms_all", "iou",
                    "false_per_minute_clips", "false_per_minute_slides"))]
                for name, row in found.items()
            ],
        )
    ]  # fmt: skip
    for ours in (name for name in OURS.values() if name in found):
        by = REFERENCES.get(ours, REFERENCE)
        none = {clip: {"cpu_ms": 0.0, "held": 0.0} for clip in found[ours]["clips"]}
        rows = [
            [clip, f"{theirs['cpu_ms']:.1f}", f"{row['cpu_ms']:.2f}", f"{theirs['held']:.1%}",
             f"{row['held']:.1%}", str(row.get("iou", "-")),
             "LESS" if row["held"] < theirs["held"] and "iou" in row else ""]
            for (clip, row), theirs in zip(
                found[ours]["clips"].items(),
                found.get(by, {"clips": none})["clips"].values(),
                strict=True,
            )
        ]  # fmt: skip
        header = [f"{ours}: clip", f"{by} ms", "our ms", "it holds", "we hold", "IoU", ""]
        parts.append(format_table(header, rows))
    for ours, times in result["times"].items():
        parts.append(format_fields([(f"times {ours}: {n}", f"{x}") for n, x in times.items()]))
    parts.append(json.dumps({k: result[k] for k in ("entry", "sizes", "skipped")}, indent=1))
    return "\n\n".join(parts)


def main() -> None:
    arguments = parse()
    folder = require_data(arguments.data / "video")
    given = dict(text.split("=", 1) for text in arguments.set)
    chosen = [arguments.kind] if arguments.kind else list(OURS)
    if not arguments.kind and packaged_weights() is None:
        chosen.remove("yunet")
    by_kind = {
        kind: resolve(flags={"detector.kind": kind, **given}, environment={}, file={}).settings
        for kind in chosen
    }
    settings = by_kind[chosen[-1]]
    clips = [clip for clip in listed_clips(folder) if arguments.clips in clip.name]
    if not clips:
        raise SystemExit(f"{folder} lists no clip whose name holds {arguments.clips!r}")
    cv2.setNumThreads(1)
    ours = {kind: Ours(each, name=OURS[kind]) for kind, each in by_kind.items()}
    if arguments.soak:
        print(json.dumps(soak(clips, ours[chosen[-1]], arguments.soak), indent=1))
        return
    if arguments.live:
        print(json.dumps(live(clips, settings), indent=1))
        return
    contenders: list[Contender] = [*ours.values(), Floor()]
    if "yunet" in ours:
        contenders.append(WholeFrameYunet())
    skipped = []
    if not arguments.ours:
        network, reason = documented_network()
        fer, fer_reason = fer_package(arguments.fer)
        contenders += [WholeFrameHaar(keras=network), *([fer] if fer else [])]
        skipped = [text for text in (reason, fer_reason) if text]
    if not any(clip.name.startswith(ONE_FACE) for clip in clips):
        skipped.append(f"entry and sizes: no clip is named {ONE_FACE}...")
    for contender in contenders:  # warm up
        contender.see(next(slides(require_data(arguments.data / "negatives"))))
    records = {clip.name: run_clip(clip.pictures(), contenders) for clip in clips}
    slideshow = run_slides(
        arguments.data / "negatives", [c for c in contenders if not isinstance(c, Floor)]
    )
    found = figures(clips, records, slideshow)
    result = {
        "opencv": cv2.__version__,
        "contenders": found,
        "times": {OURS[kind]: times_ours(found, OURS[kind]) for kind in ours},
        "entry": {
            OURS[kind]: entries([clip for clip in clips if clip.name.startswith(ONE_FACE)], each)
            for kind, each in ours.items()
        },
        "sizes": size_ratio(clips, list(ours.values())),
        "skipped": skipped,
    }
    print(json.dumps(result, indent=2) if arguments.json else format_result(result))


if __name__ == "__main__":
    main()
