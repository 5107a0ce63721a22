"""Instructions that a Raspberry Pi's processor executes for one frame, counted in an emulator.

    FER_EMULATOR=FOLDER .venv/bin/python benchmarks/arm_instructions.py [--clip FILE] [--json]

FOLDER holds a QEMU built with its insn plugin: `qemu-aarch64` and `libinsn.so`. Time in an emulator
says nothing about a board; the number of instructions does: it differs by less than a thousandth
from run to run. Each level runs some rounds, then twice as many; the difference is free of what
starting costs.
"""

import argparse
import dataclasses
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "system"), str(ROOT / "tests")]

from emulated import Emulated, Machine, MissingError, emulate  # noqa: E402

from fer_edge.shared.faces.weights import packaged_weights  # noqa: E402

MACHINE: Final = Machine("arm64", "aarch64", "bookworm", "3.11", ("2_17", "2_27", "2_28"))
WEIGHTS: Final = str(packaged_weights() or "")
"""Of YuNet: the emulated machine reads the files of this one."""
CPUS: Final = {"cortex-a72": "Raspberry Pi 4", "cortex-a76": "Raspberry Pi 5"}
LEVELS: Final = {
    "network": "the network alone, with its tensors written and read",
    "face": "crop, resize, network, probabilities of one face",
    "frame haar": "the whole pipeline after decoding with Haar, mean over the clip",
    "frame yunet": "the same with YuNet",
}
FRAMES: Final = 30
ROUNDS: Final = {"network": 20, "face": 20, "frame haar": 1, "frame yunet": 1}

GUEST: Final = """
import dataclasses, sys
from pathlib import Path
from fer_edge.assemble.parts import make_classifier, make_detector, make_pipeline
from fer_edge.shared.opencv import cv2
from fer_edge.shared.model.selftest import read_golden
from fer_edge.models import open_model
from fer_edge.settings import Settings
from fer_edge.sources.portrait import PortraitClip
from fer_edge.sources.video import VideoFile
level, rounds, clip, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
level, _, kind = level.partition(" ")
cv2.setNumThreads(1)
settings = Settings(
    source=dataclasses.replace(Settings().source, uri="clip.mkv"),
    detector=dataclasses.replace(Settings().detector, kind=kind or "haar", file=sys.argv[5]),
)
with VideoFile(Path(clip)) if clip else PortraitClip() as source:
    frames = [frame for _ in range(count) if (frame := source.read(1.0))]
if level == "frame":
    pipeline = make_pipeline(settings)
    for index in range(rounds * len(frames)):
        pipeline.process(dataclasses.replace(frames[index % len(frames)], index=index))
else:
    classifier = make_classifier(settings.model)
    pixels = read_golden(open_model("edge-small")).inputs[0]
    detector = make_detector(settings.detector)
    face = next(found[0] for frame in frames if (found := detector.detect(frame.grey)))
    for _ in range(rounds):
        if level == "network":
            classifier.raw_output(pixels)
        else:
            classifier.classify(frames[0].grey, [face])
print(len(frames))
"""


def counting(folder: Path) -> Emulated:
    """Return the machine on the emulator that counts."""
    missing = [name for name in ("qemu-aarch64", "libinsn.so") if not (folder / name).exists()]
    if missing:
        raise MissingError(f"{folder} lacks {', '.join(missing)}: a QEMU built with plugins")
    os.environ["FER_QEMU_AARCH64"] = str(folder / "qemu-aarch64")
    return emulate(MACHINE)


def count(machine: Emulated, folder: Path, cpu: str, *arguments: object) -> tuple[int, int]:
    """Return the instructions of one run, and the number of frames."""
    with tempfile.TemporaryDirectory() as name:
        log = Path(name) / "count.txt"
        plugin = ("-plugin", f"{folder / 'libinsn.so'},inline=on", "-d", "plugin", "-D", str(log))
        done = dataclasses.replace(machine, options=plugin).run(cpu, "-c", GUEST, *arguments)
        if done.returncode:
            raise SystemExit(done.stderr)
        found = re.search(r"total insns: (\d+)", log.read_text())
        if found is None:
            raise SystemExit(f"the plugin counted nothing: {log.read_text()[-200:]}")
        return int(found[1]), int(done.stdout)


def measure(machine: Emulated, folder: Path, clip: str, frames: int) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for cpu in CPUS:
        for level, rounds in ROUNDS.items():
            weights = WEIGHTS if level.endswith("yunet") else ""
            machine.run(cpu, "-c", GUEST, level, 1, clip, 1, weights)  # compiles the byte code
            once, seen = count(machine, folder, cpu, level, rounds, clip, frames, weights)
            twice, _ = count(machine, folder, cpu, level, 2 * rounds, clip, frames, weights)
            divisor = rounds * (seen if level.startswith("frame") else 1)
            results.setdefault(cpu, {})[level] = round((twice - once) / divisor)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clip", default="", help="video file; the built-in clip if not given")
    parser.add_argument("--frames", type=int, default=FRAMES, help="of the clip's beginning")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    named = os.environ.get("FER_EMULATOR")
    if not named:
        print("skipped: FER_EMULATOR names no folder with a QEMU that counts", file=sys.stderr)
        return
    folder = Path(named).absolute()
    try:
        machine = counting(folder)
    except MissingError as missing:
        print(f"skipped: {missing}", file=sys.stderr)
        return
    results = measure(machine, folder, options.clip, options.frames)
    if options.json:
        print(json.dumps(results))
        return
    print(f"{'million instructions':56}" + "".join(f"{cpu:>14}" for cpu in CPUS))
    for level, meaning in LEVELS.items():
        figures = "".join(f"{results[cpu][level] / 1e6:14.2f}" for cpu in CPUS)
        print(f"{meaning:56}{figures}")


if __name__ == "__main__":
    main()
