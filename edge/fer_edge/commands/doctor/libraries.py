"""Libraries that do not work, do not fit one another, or work slowly.

Each is tried in a process of its own: an extension built for another numpy may end the process.
"""

import json
import sys
from typing import Any, Final

from fer_edge.commands.doctor.findings import Finding
from fer_edge.sources.picamera_setup import NUMPY_1, REINSTALL, is_from_apt, line_to_type
from fer_edge.state.machine import Answer, System, is_raspberry_pi, library_versions

_OPENCV: Final = """
import json, pathlib, cv2
folder = getattr(getattr(cv2, "data", None), "haarcascades", "")
found = {"version": cv2.__version__, "class": hasattr(cv2, "CascadeClassifier")}
found["cascades"] = (pathlib.Path(folder) / "haarcascade_frontalface_alt2.xml").is_file()
print(json.dumps(found))
"""
_RUNTIME: Final = """
import json, time, numpy
from fer_edge import DEFAULT_MODEL
from fer_edge.models import open_model
from fer_edge.shared.model.litert import LitertClassifier
model = open_model(DEFAULT_MODEL)
classifier = LitertClassifier(model)
shape = model.contract.input.height, model.contract.input.width
pixels = numpy.zeros(shape, numpy.uint8)
times = []
for _ in range(60):
    start = time.monotonic()
    classifier.raw_output(pixels)
    times.append(time.monotonic() - start)
print(json.dumps({"ms": sorted(times)[len(times) // 2] * 1000}))
"""
_NUMPY_CLASH: Final = (
    "numpy.dtype size changed",
    "compiled using NumPy 1.x",
    "_ARRAY_API not found",
    "numpy.core.multiarray failed to import",
    "compiled against ABI version",
    "compiled against API version",
)
_PIP_OPENCV: Final = "pip install --force-reinstall 'opencv-python-headless>=4.10,<5'"
_NUMPY_1: Final = f"pip install {NUMPY_1}"


def check_opencv(system: System) -> list[Finding]:
    """Does OpenCV load, and has it Haar cascades?"""
    answer = _try(system, _OPENCV)
    found = _last_json(answer)
    if found is None:
        return [_opencv_that_fails(answer)]
    findings = []
    if not (found["class"] and found["cascades"]):
        missing = "cascade files" if found["class"] else "class CascadeClassifier"
        findings.append(
            Finding(
                "opencv", "serious", f"OpenCV {found['version']} has no Haar ({missing} missing)",
                _PIP_OPENCV,
            )
        )  # fmt: skip
    else:
        findings.append(Finding("opencv", "ok", f"OpenCV {found['version']} with Haar cascades"))
    several = [name for name in library_versions() if name.startswith("opencv")]
    if len(several) > 1:
        findings.append(
            Finding(
                "opencv",
                "warning",
                f"{' and '.join(several)} are installed over one another",
                f"pip uninstall -y {' '.join(several)} && {_PIP_OPENCV}",
            )
        )
    return findings


def _opencv_that_fails(answer: Answer | None) -> Finding:
    output = answer.output if answer is not None else ""
    if "No module named 'cv2'" in output:
        return Finding("opencv", "serious", "OpenCV is not installed", _PIP_OPENCV)
    if any(text in output for text in _NUMPY_CLASH):
        found = "OpenCV was built for another numpy"
        return Finding("opencv", "serious", f"{found} ({_last_line(answer)})", _NUMPY_1)
    if "libGL.so" in output:
        return Finding(
            "opencv",
            "serious",
            "an OpenCV with windows is installed, and libGL is not",
            f"pip uninstall -y opencv-python opencv-contrib-python && {_PIP_OPENCV}",
        )
    return Finding("opencv", "serious", f"OpenCV does not load ({_last_line(answer)})", _PIP_OPENCV)


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
    output = answer.output if answer is not None else ""
    if any(text in output for text in _NUMPY_CLASH):
        found = "apt's picamera2 was built for another numpy than the one installed by pip"
        return [Finding("picamera2", "serious", f"{found} ({_last_line(answer)})", _NUMPY_1)]
    if "No module named" in output and line:
        found = "apt's picamera2 is there, but this environment cannot see it"
        return [Finding("picamera2", "warning", found, line)]
    found = f"picamera2 does not load ({_last_line(answer)})"
    return [Finding("picamera2", "warning", found, REINSTALL)]


def check_runtime(system: System) -> list[Finding]:
    """Does the TFLite runtime load the shipped model, and is XNNPACK on?"""
    answer = _try(system, _RUNTIME)
    found = _last_json(answer)
    if found is None:
        clash = answer is not None and any(text in answer.output for text in _NUMPY_CLASH)
        return [
            Finding(
                "runtime",
                "serious",
                f"the TFLite runtime does not run ({_last_line(answer)})",
                _NUMPY_1 if clash else "pip install --force-reinstall fer-edge",
            )
        ]
    took = f"{found['ms']:.2f} ms an inference"
    if answer is not None and "XNNPACK delegate" in answer.output:
        return [Finding("runtime", "ok", f"TFLite runtime with XNNPACK, {took}")]
    if not system.text("proc/cpuinfo"):
        return [
            Finding(
                "runtime",
                "serious",
                f"XNNPACK is off, because /proc/cpuinfo cannot be read; {took}",
                "in the systemd unit, replace ProcSubset=pid by ProcSubset=all, then: "
                "sudo systemctl daemon-reload",
            )
        ]
    return [
        Finding(
            "runtime",
            "serious",
            f"XNNPACK is off: the runtime does not say that it is used; {took}",
            "pip install --force-reinstall --no-deps ai-edge-litert",
        )
    ]


def _try(system: System, script: str) -> Answer | None:
    return system.run([sys.executable, "-P", "-c", script])


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
