"""What the trial of a model that does not ship costs a start: from the command to the first frame.

Starts `fer-edge run` on a folder of one picture by turns: with a model that ships, with one that
does not and was never seen here, and with the same one again. Prints the medians and what the
last two take longer than the first.
"""

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import fer_edge
from fer_edge import DEFAULT_MODEL
from fer_edge.models import open_model
from fer_edge.shared.model.model_file import write_model

PORTRAIT = Path(fer_edge.__file__).parent / "assets" / "portrait.jpg"
PROGRAM = "from fer_edge.cli import main; main()"


def stranger(folder: Path) -> Path:
    """Write the default model under another name, so that it does not ship."""
    model = open_model(DEFAULT_MODEL)
    contract = dataclasses.replace(model.contract, name="stranger")
    golden = {name: data for name, data in model.members.items() if name.startswith("golden/")}
    path = folder / "stranger.tflite"
    path.write_bytes(write_model(model.flatbuffer, contract, golden))
    return path


def seconds_to_first_frame(model: str, pictures: Path, cache: Path) -> float:
    """Start a run; return how long its first line takes."""
    command = [sys.executable, "-c", PROGRAM, "run", "--source", str(pictures), "--model", model]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    environment.pop("STATE_DIRECTORY", None)
    began = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as running:
        assert running.stdout is not None
        line = running.stdout.readline()
        took = time.perf_counter() - began
        assert json.loads(line)["frame"] == 0
    return took


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    found: dict[str, list[float]] = {"ships": [], "first time": [], "later": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pictures").mkdir()
        (folder / "pictures" / "one.jpg").write_bytes(PORTRAIT.read_bytes())
        path = str(stranger(folder))
        for number in range(rounds):
            cache = folder / f"cache{number}"
            for kind, times in found.items():
                model = DEFAULT_MODEL if kind == "ships" else path
                times.append(seconds_to_first_frame(model, folder / "pictures", cache))
    usual = found["ships"]
    for kind, times in found.items():
        more = statistics.median(a - b for a, b in zip(times, usual, strict=True))
        print(f"{kind:12} {statistics.median(times):.3f} s, {more:+.3f} s")


if __name__ == "__main__":
    main()
