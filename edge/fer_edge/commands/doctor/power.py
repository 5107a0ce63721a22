"""Power and heat: what makes a board slow, or corrupts its card."""

from typing import Final

from fer_edge.commands.doctor.findings import Finding
from fer_edge.state.machine import System, flag_names, temperature_c, throttle_bits

_HOT_C: Final = 80.0
"""A Pi lowers its clock from here on."""
_SUPPLY: Final = (
    "use the official power supply and a short cable, then restart and: vcgencmd get_throttled"
)
_COOLING: Final = "add a heat sink or fan, then restart and: vcgencmd get_throttled"
_GOVERNOR: Final = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"


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
