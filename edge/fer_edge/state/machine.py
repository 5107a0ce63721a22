"""What this machine is and how it is doing: board, processor, clocks, temperature, throttling.

Everything is read below a root folder and through a command runner, so that tests feed what
other machines say.
"""

import os
import platform
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

LIBRARIES: Final = (
    "fer-edge", "numpy", "opencv-python-headless", "opencv-python", "opencv-contrib-python",
    "ai-edge-litert", "tflite-runtime", "picamera2",
)  # fmt: skip
THROTTLE_FLAGS: Final[Mapping[int, str]] = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
}
"""Bits of the firmware's answer; 16 places higher: the same since the start of the machine."""
_SINCE_START: Final = 16
_ARM_PARTS: Final = {
    "0xc07": "Cortex-A7", "0xd03": "Cortex-A53", "0xd04": "Cortex-A35", "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57", "0xd08": "Cortex-A72", "0xd0a": "Cortex-A75", "0xd0b": "Cortex-A76",
    "0xb76": "ARM1176",
}  # fmt: skip
_CPU: Final = "sys/devices/system/cpu"


class Answer(NamedTuple):
    """What a command answered.

    Attributes:
        code: Exit code; negative for a signal.
        output: Standard output and standard error together.
    """

    code: int
    output: str


CommandRunner: TypeAlias = Callable[[Sequence[str]], Answer | None]
"""Runs a command; None where there is no such program, or it takes too long."""


def run_command(arguments: Sequence[str], *, timeout_seconds: float = 60.0) -> Answer | None:
    """Run a command with an English locale and without input."""
    try:
        done = subprocess.run(
            list(arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_seconds,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Answer(done.returncode, done.stdout.decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class System:
    """The machine as files below a root, and as commands.

    Attributes:
        root: Where /proc, /sys, /dev and /etc are looked for.
        run: Runs a command.
        architecture: The kernel's, as `uname -m` says it.
        pointer_bits: 32 or 64: of this Python, and so of the userland.
    """

    root: Path = Path("/")
    run: CommandRunner = run_command
    architecture: str = platform.machine()
    pointer_bits: int = struct.calcsize("P") * 8

    def text(self, path: str) -> str:
        """Return a small file's text without surrounding white space; "" where unreadable."""
        try:
            data = (self.root / path).read_bytes()
        except OSError:
            return ""
        return data.decode(errors="replace").strip("\0 \n\t")

    def number(self, path: str) -> int | None:
        """Return the whole number that a file holds; None where there is none."""
        text = self.text(path)
        return int(text) if re.fullmatch(r"-?\d+", text) else None

    def paths(self, pattern: str) -> list[str]:
        """Return what matches a pattern, sorted, relative to the root."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.glob(pattern))

    def says(self, *arguments: str) -> str:
        """Return what a command prints when it succeeds, else ""."""
        answer = self.run(arguments)
        return answer.output.strip() if answer is not None and answer.code == 0 else ""


def board(system: System) -> str:
    """Return the board's name, "Raspberry Pi 5 Model B Rev 1.0" for instance."""
    dmi = " ".join(
        system.text(f"sys/class/dmi/id/{name}") for name in ("sys_vendor", "product_name")
    )
    return system.text("proc/device-tree/model") or dmi.strip() or "unknown"


def is_raspberry_pi(system: System) -> bool:
    """Return whether the board is a Raspberry Pi."""
    return "Raspberry Pi" in board(system)


def cpu_model(system: System) -> str:
    """Return the processor's name; on ARM from its part number."""
    info = {
        name.strip(): value.strip()
        for name, colon, value in (
            line.partition(":") for line in system.text("proc/cpuinfo").splitlines()
        )
        if colon
    }
    part = info.get("CPU part", "")
    return info.get("model name") or _ARM_PARTS.get(part, f"ARM part {part}" if part else "unknown")


def frequency_mhz(system: System) -> float | None:
    """Return the clock of the fastest core now."""
    found = [
        khz
        for path in system.paths(f"{_CPU}/cpu[0-9]*/cpufreq/scaling_cur_freq")
        if (khz := system.number(path)) is not None
    ]
    return max(found) / 1000 if found else None


def temperature_c(system: System) -> float | None:
    """Return the temperature of the hottest thermal zone, in degrees Celsius."""
    zones = system.paths("sys/class/thermal/thermal_zone*/temp")
    found = [value for path in zones if (value := system.number(path)) is not None]
    return max(found) / 1000 if found else None


def throttle_bits(system: System) -> int | None:
    """Return the firmware's throttling flags; None where the board does not tell.

    Bits 0 to 3 are now, bits 16 to 19 since the machine was started.
    Source: raspberrypi.com/documentation/computers/os.html#get_throttled.
    """
    # The Pi 5's firmware node has an address in its name.
    told = system.paths("sys/devices/platform/soc*/soc*:firmware/get_throttled")
    text = system.text(told[0]) if told else ""
    text = text or system.says("vcgencmd", "get_throttled").partition("=")[2]
    if re.fullmatch(r"(0x)?[0-9a-fA-F]+", text):
        return int(text, 16)
    for path in system.paths("sys/class/hwmon/hwmon*/name"):
        if system.text(path) == "rpi_volt":
            alarm = system.number(path.removesuffix("name") + "in0_lcrit_alarm")
            return None if alarm is None else alarm << _SINCE_START
    return None


def flag_names(bits: int) -> tuple[list[str], list[str]]:
    """Return the names of the flags set now, and of those set since the start."""
    now = [name for bit, name in THROTTLE_FLAGS.items() if bits >> bit & 1]
    since = [name for bit, name in THROTTLE_FLAGS.items() if bits >> bit + _SINCE_START & 1]
    return now, since


def throttle_count(system: System) -> int | None:
    """Return how often the cores of a PC have throttled since its start."""
    paths = system.paths(f"{_CPU}/cpu[0-9]*/thermal_throttle/core_throttle_count")
    found = [count for path in paths if (count := system.number(path)) is not None]
    return sum(found) if found else None


def pmic_watts(system: System) -> float | None:
    """Return the sum over the rails that the Pi 5's power chip measures, in watts.

    What the chip itself loses, and what USB devices draw, is not in it.
    """
    readings = re.findall(
        r"(\w+)_([AV])\s+(?:current|volt)\(\d+\)=([\d.]+)", system.says("vcgencmd", "pmic_read_adc")
    )
    amperes = {rail: float(value) for rail, unit, value in readings if unit == "A"}
    volts = {rail: float(value) for rail, unit, value in readings if unit == "V"}
    rails = amperes.keys() & volts.keys()
    return sum(amperes[rail] * volts[rail] for rail in rails) if rails else None


def memory_mb(system: System, field: str = "MemTotal") -> float | None:
    """Return a field of /proc/meminfo in MiB."""
    found = re.search(rf"^{field}:\s+(\d+) kB", system.text("proc/meminfo"), flags=re.MULTILINE)
    return int(found[1]) / 1024 if found else None


def library_versions() -> dict[str, str]:
    """Return the installed versions of the libraries that matter for speed, and Python's."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def describe_machine(system: System) -> dict[str, Any]:
    """Return the manifest of this machine, as it stands in a benchmark's report."""
    bits = throttle_bits(system)
    now, since = flag_names(bits) if bits is not None else (None, None)
    most_khz = system.number(f"{_CPU}/cpu0/cpufreq/cpuinfo_max_freq")
    os_name = re.search(r'^PRETTY_NAME="?([^"\n]*)', system.text("etc/os-release"), re.MULTILINE)
    return {
        "board": board(system),
        "cpu": cpu_model(system),
        "architecture": system.architecture,
        "userland_bits": system.pointer_bits,
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "governor": system.text(f"{_CPU}/cpu0/cpufreq/scaling_governor") or None,
        "frequency_mhz": frequency_mhz(system),
        "max_frequency_mhz": most_khz / 1000 if most_khz else None,
        "temperature_c": temperature_c(system),
        "throttled_now": now,
        "throttled_since_start": since,
        "memory_mb": memory_mb(system),
        "available_memory_mb": memory_mb(system, "MemAvailable"),
        "load": system.text("proc/loadavg").split(" ")[0] or None,
        "kernel": system.text("proc/sys/kernel/osrelease") or platform.release(),
        "os": os_name[1] if os_name else None,
        "libraries": library_versions(),
    }
