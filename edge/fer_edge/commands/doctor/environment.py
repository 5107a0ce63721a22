"""The clock, the userland, the storage, power and heat: what makes a board slow or unreliable."""

import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import fer_edge
from fer_edge.commands.doctor.findings import Finding
from fer_edge.state.machine import System, flag_names, temperature_c, throttle_bits

_DAY_SECONDS: Final = 86_400
_WRITE_BYTES: Final = 4 * 2**20
_SMALL_BYTES: Final = 4096
_SMALL_WRITES: Final = 12
_SLOW_MB_PER_SECOND: Final = 10.0
"""What the SD association's application class A1 promises at least."""
_SLOW_SYNC_MS: Final = 50.0
_LITTLE_MB: Final = 200
_FOLDER: Final = Path("/var/tmp")  # noqa: S108 - unlike /tmp it is on the disk; see mkdtemp below
_HOT_C: Final = 80.0
"""A Pi lowers its clock from here on."""
_SUPPLY: Final = (
    "use the official power supply and a short cable, then restart and: vcgencmd get_throttled"
)
_COOLING: Final = "add a heat sink or fan, then restart and: vcgencmd get_throttled"
_GOVERNOR: Final = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"


def check_clock(system: System, *, now: Callable[[], float] = time.time) -> list[Finding]:
    """Is the clock right? A Pi before the 5 has none that runs on without power."""
    seconds = now()
    installed = Path(fer_edge.__file__).stat().st_mtime
    fix = "sudo timedatectl set-ntp true && timedatectl status"
    if seconds < installed - _DAY_SECONDS:
        today = datetime.fromtimestamp(seconds, UTC).date().isoformat()
        before = datetime.fromtimestamp(installed, UTC).date().isoformat()
        found = f"the clock says {today}, but fer-edge was installed on {before}"
        return [Finding("clock", "serious", found, fix)]
    synchronised = system.says("timedatectl", "show", "--property=NTPSynchronized", "--value")
    if synchronised == "no":
        return [Finding("clock", "warning", "the clock is not synchronised", fix)]
    if synchronised == "yes":
        return [Finding("clock", "ok", "synchronised")]
    return [Finding("clock", "note", "plausible; whether it is synchronised is not told")]


def check_userland(system: System) -> list[Finding]:
    """Is this a 32-bit userland?"""
    if system.pointer_bits == 64:
        return [Finding("userland", "ok", f"64-bit, {system.architecture}")]
    kernel = " under a 64-bit kernel" if system.architecture in {"aarch64", "x86_64"} else ""
    found = (
        f"32-bit userland{kernel}: ai-edge-litert has no wheels for it, and tflite-runtime, "
        "which stopped at 2.14, is used instead"
    )
    fix = "write Raspberry Pi OS (64-bit) on the card with Raspberry Pi Imager"
    return [Finding("userland", "warning", found, fix)]


class WriteSpeed(NamedTuple):
    """How fast a folder can be written.

    Attributes:
        mb_per_second: Of one piece of 4 MiB, synchronised.
        sync_ms: Median of small synchronised writes.
    """

    mb_per_second: float
    sync_ms: float


def write_speed(folder: Path) -> WriteSpeed:
    """Write 4 MiB and twelve times 4 KiB into a temporary folder there, and delete it again.

    Raises:
        OSError: It cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="fer-edge-doctor-", dir=folder) as temporary:
        large = _timed_write(Path(temporary) / "large", os.urandom(_WRITE_BYTES))
        small = os.urandom(_SMALL_BYTES)
        times = [_timed_write(Path(temporary) / str(i), small) for i in range(_SMALL_WRITES)]
    return WriteSpeed(_WRITE_BYTES / 2**20 / large, median(times) * 1000)


def _timed_write(path: Path, data: bytes) -> float:
    start = time.monotonic()
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return time.monotonic() - start


def check_storage(
    system: System,
    *,
    folder: Path = _FOLDER,
    measure: Callable[[Path], WriteSpeed] = write_speed,
) -> list[Finding]:
    """Is the disk slow or full? A worn or cheap SD card makes everything wait."""
    device, kind = _mount_of(system, folder)
    try:
        free_mb = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize / 2**20
        if free_mb < _LITTLE_MB:
            found = f"{free_mb:.0f} MiB free on {device}"
            return [Finding("storage", "warning", found, "sudo apt clean; df -h")]
        speed = measure(folder)
    except OSError as error:
        found = f"{folder} cannot be written ({error.strerror})"
        return [Finding("storage", "warning", found, f"ls -ld {folder}; df -h")]
    said = f"{device} writes {speed.mb_per_second:.0f} MB/s, {speed.sync_ms:.1f} ms a small write"
    if kind in {"tmpfs", "ramfs"}:
        return [Finding("storage", "note", f"{folder} is in memory; the disk was not measured")]
    if speed.mb_per_second >= _SLOW_MB_PER_SECOND and speed.sync_ms <= _SLOW_SYNC_MS:
        return [Finding("storage", "ok", said)]
    what = "SD card" if "mmcblk" in device else "disk"
    fix = "use a card of class A1 or better, or a USB SSD; to measure again: fer-edge doctor"
    return [Finding("storage", "warning", f"slow {what}: {said}", fix)]


def _mount_of(system: System, folder: Path) -> tuple[str, str]:
    """Return device and file system type of a folder."""
    best = ("", "unknown device", "")
    for line in system.text("proc/mounts").splitlines():
        device, point, kind = [*line.split(" "), "", "", ""][:3]
        inside = folder == Path(point) or Path(point) in folder.parents
        if inside and len(point) >= len(best[0]):
            best = (point, device, kind)
    return best[1], best[2]


def check_throttling(system: System) -> list[Finding]:
    """Is the voltage too low, or the clock held down?"""
    bits = throttle_bits(system)
    if bits is None:
        return [Finding("power", "note", "this machine does not tell about its power supply")]
    now, since = flag_names(bits)
    findings = [Finding("power", "serious", f"{name} now", _fix_of(name)) for name in now]
    findings += [
        Finding("power", "warning", f"{name} has occurred since the start", _fix_of(name))
        for name in since
        if name not in now
    ]
    return findings or [Finding("power", "ok", "no under-voltage, no throttling since the start")]


def _fix_of(name: str) -> str:
    return _SUPPLY if name == "under-voltage" else _COOLING


def check_temperature(system: System) -> list[Finding]:
    """Is it hot?"""
    temperature = temperature_c(system)
    if temperature is None:
        return []
    if temperature >= _HOT_C:
        return [Finding("temperature", "warning", f"{temperature:.0f} °C", _COOLING)]
    return [Finding("temperature", "ok", f"{temperature:.0f} °C")]


def check_governor(system: System) -> list[Finding]:
    """Is the clock held at its lowest?"""
    governor = system.text(_GOVERNOR)
    if governor != "powersave":
        return [Finding("governor", "ok", governor)] if governor else []
    # On a PC powersave is intel_pstate's ordinary one.
    if system.text("sys/devices/system/cpu/cpu0/cpufreq/scaling_driver") == "intel_pstate":
        return [Finding("governor", "ok", "powersave of intel_pstate, which raises the clock")]
    fix = "echo ondemand | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
    return [Finding("governor", "warning", "powersave: the clock stays at its lowest", fix)]
