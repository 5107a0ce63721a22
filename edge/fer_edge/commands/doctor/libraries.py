"""Libraries that do not work, do not fit one another, or work slowly.

Each is tried in a process of its own: an extension built for another numpy may end the process.
"""

import json
import sys
from typing import Any, Final

from fer_edge.commands.doctor.findings import Finding
from fer_edge.shared.installing import MADE_ANEW, pip_install
from fer_edge.sources.picamera_setup import NUMPY_1, REINSTALL, is_from_apt, line_to_type
from fer_edge.state.machine import Answer, System, is_raspberry_pi, library_versions

_OPENCV: Final = """
import json, pathlib
from fer_edge.shared.faces.choice import opencv_runs_yunet
from fer_edge.shared.faces.weights import packaged_weights
from fer_edge.shared.opencv import cv2
folder = cv2.data.haarcascades
found = {"version": cv2.__version__, "class": hasattr(cv2, "CascadeClassifier")}
found["cascades"] = (pathlib.Path(folder) / "haarcascade_frontalface_alt2.xml").is_file()
found["yunet"] = opencv_runs_yunet() and packaged_weights() is not None
found["from_apt"] = cv2.__file__.startswith("/usr/lib/python3/dist-packages/")
print(json.dumps(found))
"""
_FACES: Final = """
import json
from fer_edge.shared.errors import FerError
from fer_edge.shared.faces.choice import choose
from fer_edge.shared.faces.weights import INSTALL, packaged_weights
from fer_edge.shared.faces.yunet import YunetNetwork
found = {"kind": "", "why": "", "problem": "", "fix": "", "installed": bool(packaged_weights())}
try:
    choice = choose()
    if choice.weights is not None:
        YunetNetwork(choice.weights, least_score=0.6)
    elif not found["installed"]:
        found["fix"] = INSTALL
    found |= {"kind": choice.kind, "why": choice.why}
except FerError as error:
    found |= {"problem": error.found, "fix": error.fix}
print(json.dumps(found))
"""
_RUNTIME: Final = """
import json, time, numpy
from fer_edge import DEFAULT_MODEL
from fer_edge.models import open_model
from fer_edge.shared.model.litert import LitertClassifier
model = open_model(DEFAULT_MODEL)
classifier = LitertClassifier(model)
shape = model.contract.input.picture_shape
pixels = numpy.zeros(shape, numpy.uint8)
times = []
for _ in range(60):
    start = time.monotonic()
    classifier.raw_output(pixels)
    times.append(time.monotonic() - start)
print(json.dumps({"ms": sorted(times)[len(times) // 2] * 1000}))
"""
_INTERLACED: Final = """
import importlib.resources, json, pathlib
from fer_edge.shared.errors import VideoError
from fer_edge.sources.video import VideoFile
problem = ""
with importlib.resources.as_file(importlib.resources.files("fer_edge") / "assets") as assets:
    try:
        VideoFile(pathlib.Path(assets) / "interlaced.mkv").close()
    except VideoError as error:
        problem = error.found
print(json.dumps({"problem": problem}))
"""
_NUMPY_CLASH: Final = (
    "numpy.dtype size changed",
    "compiled using NumPy 1.x",
    "_ARRAY_API not found",
    "numpy.core.multiarray failed to import",
    "compiled against ABI version",
    "compiled against API version",
)
_PIP_OPENCV: Final = pip_install("--force-reinstall 'opencv-python-headless>=4.10,<5'")
_APT_CASCADES: Final = "sudo apt install -y opencv-data"
_PIP_INTERLACED: Final = pip_install("'opencv-python-headless>=4.10,<4.13' 'numpy<2.3'")
_NUMPY_1: Final = pip_install(NUMPY_1)


def check_opencv(system: System) -> list[Finding]:
    """Does OpenCV load, and has it Haar cascades?"""
    answer = _try(system, _OPENCV)
    found = _last_json(answer)
    if found is None:
        return [_opencv_that_fails(answer)]
    opencv = f"OpenCV {found['version']}"
    if found["class"] and found["cascades"]:
        findings = [Finding("opencv", "ok", f"{opencv} with Haar cascades")]
    else:
        missing = "cascade files" if found["class"] else "class CascadeClassifier"
        text = f"{opencv} has no Haar ({missing} missing)"
        lacks_data = found["class"] and found["from_apt"]
        fix = _APT_CASCADES if lacks_data else _PIP_OPENCV
        if found["yunet"]:
            # From OpenCV 5 on there is no class; that is why ours is pinned below it.
            text += "; only YuNet can find faces with it"
        findings = [Finding("opencv", "warning" if found["yunet"] else "serious", text, fix)]
    several = [name for name in library_versions() if name.startswith("opencv")]
    if len(several) > 1:
        text = f"{' and '.join(several)} are installed over one another"
        fix = f"pip uninstall -y {' '.join(several)} && {_PIP_OPENCV}"
        findings.append(Finding("opencv", "warning", text, fix))
    return findings


def check_face_search(system: System) -> list[Finding]:
    """By which technique are faces found, and is that the better one?"""
    found = _last_json(_try(system, _FACES))
    if found is None:  # another check says why nothing works
        return []
    if found["problem"]:
        return [Finding("face search", "serious", found["problem"], found["fix"])]
    said = f"faces are found by {found['kind']} ({found['why']})"
    if found["kind"] == "yunet":
        return [Finding("face search", "ok", said)]
    return [Finding("face search", "note", f"{said}; yunet finds more at less cost", found["fix"])]


def check_interlaced(system: System) -> list[Finding]:
    """Does this OpenCV read interlaced video? Some leave it black, and say that all is well."""
    found = _last_json(_try(system, _INTERLACED))
    if found is None:  # another check says why nothing works
        return []
    if not found["problem"]:
        return [Finding("interlaced video", "ok", "interlaced video is read")]
    return [
        Finding(
            "interlaced video",
            "note",
            "interlaced video is refused: this OpenCV leaves it black or stale",
            f"have cameras send progressive video, or: {_PIP_INTERLACED}",
        )
    ]


def _opencv_that_fails(answer: Answer | None) -> Finding:
    text, fix = f"OpenCV does not load ({_last_line(answer)})", _PIP_OPENCV
    if _says(answer, "No module named 'cv2'"):
        text = "OpenCV is not installed"
    elif _says(answer, *_NUMPY_CLASH):
        text, fix = f"OpenCV was built for another numpy ({_last_line(answer)})", _NUMPY_1
    elif _says(answer, "libGL.so"):
        text = "an OpenCV with windows is installed, and libGL is not"
        fix = f"pip uninstall -y opencv-python opencv-contrib-python && {_PIP_OPENCV}"
    return Finding("opencv", "serious", text, fix)


def check_picamera2(system: System) -> list[Finding]:
    """Does apt's picamera2 load beside pip's numpy?"""
    line = line_to_type(system.root)
    if not is_from_apt(system.root):
        if not is_raspberry_pi(system):
            return []
        found = "picamera2 is not installed; camera modules (not USB ones) need it"
        return [Finding("picamera2", "note", found, line)]
    answer = _try(system, "import picamera2")
    if answer is not None and answer.code == 0:
        return [Finding("picamera2", "ok", "picamera2 loads")]
    if _says(answer, *_NUMPY_CLASH):
        found = "apt's picamera2 was built for another numpy than the one installed by pip"
        return [Finding("picamera2", "serious", f"{found} ({_last_line(answer)})", _NUMPY_1)]
    if _says(answer, "No module named") and line:
        found = "apt's picamera2 is there, but this environment cannot see it"
        return [Finding("picamera2", "warning", found, line)]
    found = f"picamera2 does not load ({_last_line(answer)})"
    return [Finding("picamera2", "warning", found, REINSTALL)]


def check_runtime(system: System) -> list[Finding]:
    """Does the TFLite runtime load the shipped model, and is XNNPACK on?"""
    answer = _try(system, _RUNTIME)
    found = _last_json(answer)
    if found is None:
        text = f"the TFLite runtime does not run ({_last_line(answer)})"
        clash = _says(answer, *_NUMPY_CLASH)
        fix = _NUMPY_1 if clash else MADE_ANEW
        return [Finding("runtime", "serious", text, fix)]
    took = f"{found['ms']:.2f} ms an inference"
    if _says(answer, "XNNPACK delegate"):
        return [Finding("runtime", "ok", f"TFLite runtime with XNNPACK, {took}")]
    text = "XNNPACK is off: the runtime does not say that it is used"
    fix = pip_install("--force-reinstall --no-deps ai-edge-litert")
    if not system.text("proc/cpuinfo"):
        text = "XNNPACK is off, because /proc/cpuinfo cannot be read"
        fix = (
            "in the systemd unit, replace ProcSubset=pid by ProcSubset=all, then: "
            "sudo systemctl daemon-reload"
        )
    return [Finding("runtime", "serious", f"{text}; {took}", fix)]


def _try(system: System, script: str) -> Answer | None:
    return system.run([sys.executable, "-P", "-c", script])


def _says(answer: Answer | None, *texts: str) -> bool:
    """Tell whether one of these stands in what was printed."""
    return answer is not None and any(text in answer.output for text in texts)


def _last_json(answer: Answer | None) -> dict[str, Any] | None:
    """Return what the script printed; None where it did not end well."""
    if answer is None or answer.code != 0:
        return None
    for line in reversed(answer.output.splitlines()):
        if line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            return found
    return None


def _last_line(answer: Answer | None) -> str:
    if answer is None:
        return "it takes longer than a minute"
    if answer.code < 0:
        return f"it dies of signal {-answer.code}"
    lines = answer.output.strip().splitlines()
    return lines[-1] if lines else f"exit code {answer.code}"
