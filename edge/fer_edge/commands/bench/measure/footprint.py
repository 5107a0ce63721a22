"""Memory of the runtime alone: measured in a process of its own that does nothing else.

`python -m fer_edge.commands.bench.measure.footprint` takes settings as JSON on stdin and prints one
line.
"""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from fer_edge.settings import Settings, resolve
from fer_edge.shared.errors import FerError

_FRAMES: Final = 60
_TIMEOUT_SECONDS: Final = 600


def rss_mb() -> float:
    """Return the resident memory of this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def peak_mb() -> float:
    """Return the largest resident memory that this process has had, in MiB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def measure_footprint(settings: Settings) -> dict[str, float]:
    """Return the memory of a fresh process after each step, in MiB.

    The steps: Python alone, imports, detector and model loaded, first frame, and the steady
    state after 60 frames of the built-in clip.

    Raises:
        FerError: The process failed.
    """
    done = subprocess.run(
        [sys.executable, "-P", "-m", __name__],
        input=json.dumps(dataclasses.asdict(settings)).encode(),
        capture_output=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
        start_new_session=True,  # Ctrl-C at the terminal is for us alone
    )
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise FerError(
            f"the process whose memory is measured failed ({' '.join(last) or done.returncode})",
            expected="that it processes the built-in clip",
            fix="run `fer-edge demo`, which does the same and says what is wrong",
        )
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _steps(given: dict[str, Any]) -> dict[str, Any]:
    settings = resolve(flags={}, environment={}, file=given).settings
    found = {"python_mb": rss_mb()}
    from fer_edge.assemble.parts import make_pipeline  # noqa: PLC0415 - the import is what is measured
    from fer_edge.sources.portrait import PortraitClip  # noqa: PLC0415

    found["imported_mb"] = rss_mb()
    pipeline = make_pipeline(settings, frames="clip")
    found["loaded_mb"] = rss_mb()
    with pipeline, PortraitClip(frames=_FRAMES) as clip:
        for index in range(_FRAMES):
            frame = clip.read(1.0)
            if frame is not None:
                pipeline.process(frame)
            if index == 0:
                found["first_frame_mb"] = rss_mb()
    found["rss_mb"] = rss_mb()
    found["peak_mb"] = peak_mb()
    return {name: round(value, 2) for name, value in found.items()}


if __name__ == "__main__":
    print(json.dumps(_steps(json.load(sys.stdin))))  # noqa: T201 - read by the parent
