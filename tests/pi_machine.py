"""Raspberry Pis as files and commands, after their documentation and kernel sources."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from builders import write_files

from fer_edge.state.machine import Answer, System

PI5_CPUINFO = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x4
CPU part\t: 0xd0b
CPU revision\t: 1

Revision\t: d04170
Serial\t\t: 0000000000000000
Model\t\t: Raspberry Pi 5 Model B Rev 1.0
"""
PI5_PMIC = """   3V7_WL_SW_A current(0)=0.10000000A
   3V3_SYS_A current(1)=0.20000000A
  VDD_CORE_A current(7)=2.00000000A
   3V7_WL_SW_V volt(8)=3.70000000V
   3V3_SYS_V volt(9)=3.30000000V
  VDD_CORE_V volt(15)=0.80000000V
     EXT5V_V volt(24)=5.15000000V
      BATT_V volt(25)=0.00000000V
"""
PI5_WATTS = 0.1 * 3.7 + 0.2 * 3.3 + 2 * 0.8
PI5_FILES = {
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "proc/cpuinfo": PI5_CPUINFO,
    "proc/meminfo": "MemTotal:        8253680 kB\nMemFree:  100 kB\nMemAvailable:    4126840 kB\n",
    "proc/loadavg": "0.42 0.30 0.20 1/190 1234\n",
    "proc/sys/kernel/osrelease": "6.12.25+rpt-rpi-2712\n",
    "proc/mounts": "/dev/mmcblk0p2 / ext4 rw,noatime 0 0\ntmpfs /run tmpfs rw 0 0\n",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
    "etc/group": "root:x:0:\nvideo:x:44:\n",
    "sys/class/thermal/thermal_zone0/temp": "54950\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "2400000\n",
    **{f"sys/devices/system/cpu/cpu{n}/cpufreq/scaling_cur_freq": "2400000\n" for n in range(4)},
}
PI5_COMMANDS = {
    ("vcgencmd", "get_throttled"): Answer(0, "throttled=0x0\n"),
    ("vcgencmd", "pmic_read_adc"): Answer(0, PI5_PMIC),
}

Commands = Mapping[tuple[str, ...], Answer]


def commands(answers: Commands) -> Callable[[Sequence[str]], Answer | None]:
    """Return a runner that knows these commands and no others."""
    return lambda arguments: answers.get(tuple(arguments))


def a_system(
    root: Path,
    *,
    files: Mapping[str, str] | None = None,
    answers: Commands | None = None,
    architecture: str = "aarch64",
    pointer_bits: int = 64,
) -> System:
    """Return a Pi 5 below a folder, with other files or answers where they are given.

    A file with the text "" is left out.
    """
    contents = {name: text for name, text in {**PI5_FILES, **(files or {})}.items() if text}
    write_files(root, {name: text.encode() for name, text in contents.items()})
    known = {**PI5_COMMANDS, **(answers or {})}
    return System(root, commands(known), architecture, pointer_bits)
