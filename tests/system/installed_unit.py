"""The shipped unit in a booted system, and what an operator does with it."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from system.booted import SYSTEMD, UNIT, VENV, Booted

INSTALLED: Final = f"/etc/systemd/system/{UNIT}"
DROP_INS: Final = sorted(path.stem for path in (SYSTEMD / "drop-ins").glob("*.conf"))

_PROBE: Final = "fer-edge-probe.service"
_INFERENCE: Final = Path(__file__).with_name("inference_probe.py")


class InstalledUnit:
    """The unit, and what an operator does with it.

    Args:
        system: Where it is installed.
    """

    def __init__(self, system: Booted) -> None:
        self.system = system

    def configure(self, uri: str, *, more: str = "") -> None:
        """Write the settings file."""
        text = f'[source]\nuri = "{uri}"\n[output]\nfile = ""\n{more}'
        self.system.write("/etc/fer-edge/config.toml", text)

    def drop_in(self, text: str, *, name: str = "test", unit: str = UNIT) -> None:
        """Add lines to the unit."""
        self.system.write(f"/etc/systemd/system/{unit}.d/{name}.conf", text)
        self.system.systemctl("daemon-reload")

    def use_drop_in(self, name: str) -> None:
        """Add the shipped drop-in for a kind of camera; "" is none."""
        if name:
            text = (SYSTEMD / "drop-ins" / f"{name}.conf").read_text()
            self.drop_in(text, name="camera")

    def start(self, *, check: bool = True) -> None:
        """Start it; returns when it is ready."""
        self.system.systemctl("start", UNIT, check=check)

    def stop(self) -> float:
        """Stop it; return how many seconds that took."""
        began = time.monotonic()
        self.system.systemctl("stop", UNIT)
        return time.monotonic() - began

    def kill(self, signal: str) -> int:
        """Send its main process a signal; return which one that is."""
        pid = self.pid
        self.system.systemctl("kill", "--kill-whom=main", f"--signal={signal}", UNIT)
        return pid

    def told(self, name: str) -> str:
        """Return a property."""
        return self.system.properties(name)[0]

    @property
    def pid(self) -> int:
        """Its main process, as it is numbered in the system; 0 is none."""
        return int(self.told("MainPID"))

    def wait_until(self, condition: Callable[[], object], *, seconds: float) -> float:
        """Wait until a condition holds; return the seconds that took."""
        began = time.monotonic()
        while not condition():
            waited = time.monotonic() - began
            assert waited < seconds, self.system.systemctl("status", UNIT, check=False)
            time.sleep(0.05)
        return time.monotonic() - began

    def is_back(self, *, since: int) -> bool:
        """Return whether another process than this one serves."""
        state, pid = self.system.properties("ActiveState", "MainPID")
        return state == "active" and int(pid) not in {0, since}

    def ready_at(self) -> float:
        """Return when it last said that it is ready, by `time.monotonic`."""
        return int(self.told("ActiveEnterTimestampMonotonic")) / 1e6

    def waited_for_processor_s(self) -> float:
        """Return how long its main process was ready to run, but others had the processor."""
        threads = self.system.run("sh", "-c", f"cat /proc/{self.pid}/task/*/schedstat").stdout
        return sum(int(line.split()[1]) for line in threads.splitlines()) / 1e9

    def probe(self, command: str, *, more: str = "") -> Any:
        """Run a command in the unit's sandbox, but not as the daemon; return its JSON."""
        self.system.write(f"/etc/systemd/system/{_PROBE}", (SYSTEMD / UNIT).read_text())
        self.drop_in(
            "[Service]\nType=oneshot\nRestart=no\nWatchdogSec=0\nExecReload=\n"
            f"StandardOutput=truncate:/run/probe.json\nExecStart=\nExecStart={command}\n{more}",
            unit=_PROBE,
        )
        self.system.systemctl("start", _PROBE)
        return json.loads(self.system.path("/run/probe.json").read_text())

    def inference_ms(self, *, sandbox: bool, more: str = "", rounds: int = 300) -> float:
        """Return the network's processor time for one face, in the unit's sandbox or outside."""
        probe = "/opt/fer-edge/inference_probe.py"
        self.system.write(probe, _INFERENCE.read_text())
        if sandbox:
            found = self.probe(f"{VENV}/bin/python {probe} {rounds}", more=more)
        else:
            found = json.loads(self.system.run(VENV / "bin/python", probe, rounds).stdout)
        return float(found["p50_ms"])

    def forget(self) -> None:
        """Stop it, and take away its settings, credentials, state and journal."""
        self.system.systemctl("stop", UNIT, check=False)
        units = "/etc/systemd/system"
        self.system.run(
            "rm", "-rf", f"{units}/{UNIT}.d", f"{units}/{_PROBE}.d", f"{units}/{_PROBE}"
        )
        self.system.run("rm", "-rf", "/etc/credstore", "/etc/fer-edge", "/var/lib/fer-edge")
        self.system.systemctl("daemon-reload")
        self.system.systemctl("reset-failed")
        self.system.run("journalctl", "--rotate", "--vacuum-time=1us")
