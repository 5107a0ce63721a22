"""What running daemons say of themselves over their status sockets."""

import socket
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fer_edge.daemon.status.place import run_name
from fer_edge.shared.strict_json import parse_json
from fer_edge.shared.typed_tables import from_table
from fer_edge.state.health import why_not_well
from fer_edge.state.records import DaemonState

PATIENCE_SECONDS: Final = 1.5
MOST_ANSWER_BYTES: Final = 1024 * 1024
ALIVE_SECONDS: Final = 5.0
"""Without a new state until the loop counts as hung: several times its period."""
_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred: process, user, group


@dataclass(frozen=True, slots=True)
class Told:
    """What one daemon said, or why it said nothing.

    Attributes:
        name: Of the run; "" where it needs none.
        pid: Of the process; 0 where unknown.
        document: As it came; empty where nothing did.
        state: The same as a record.
        problems: Whatever a person should look at.
    """

    name: str
    pid: int
    document: Mapping[str, Any]
    state: DaemonState | None
    problems: tuple[str, ...]

    @property
    def well(self) -> bool:
        """Whether there is nothing to look at."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Return one line of `fer-edge status --json`."""
        known = {"schema": None, "name": self.name, "pid": self.pid or None}
        judged = {"well": self.well, "problems": list(self.problems)}
        return {**known, **self.document, **judged}


def ask(paths: Sequence[Path], *, patience_seconds: float = PATIENCE_SECONDS) -> list[Told]:
    """Ask every daemon that lives, all within the same time.

    Args:
        paths: Of sockets; those that a killed daemon left behind are passed over.
        patience_seconds: For all of them together; a stopped process never answers.
    """
    deadline = time.monotonic() + patience_seconds
    channels = [(path, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) for path in paths]
    try:
        found = [_ask(path, channel, deadline) for path, channel in channels]
    finally:
        for _, channel in channels:
            channel.close()
    return [told for told in found if told is not None]


def _ask(path: Path, channel: socket.socket, deadline: float) -> Told | None:
    name = run_name(path)
    try:
        _connect(channel, path, deadline)
    except (ConnectionRefusedError, FileNotFoundError):
        return None
    except PermissionError:
        problem = f"{path} may be asked by root, or by members of its group, only"
        return Told(name, 0, {}, None, (problem,))
    except OSError:
        return _silent(name, 0)
    options = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid = int(_CREDENTIALS.unpack(options)[0])
    try:
        document = parse_json(_receive(channel, deadline))
        state = read_state(document)
        age = float(document.get("age_seconds", 0.0))
    except TimeoutError:
        return _silent(name, pid)
    except (OSError, ValueError, TypeError):
        return Told(name, pid, {}, None, ("its answer is not one of this version of fer-edge",))
    problems = why_not_well(state, age_seconds=age, alive_seconds=ALIVE_SECONDS)
    return Told(str(document.get("name", name)), pid, document, state, tuple(problems))


def _connect(channel: socket.socket, path: Path, deadline: float) -> None:
    while True:
        _wait_until(channel, deadline)
        try:
            return channel.connect(str(path))
        except BlockingIOError:  # its queue is full
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.01)


def _silent(name: str, pid: int) -> Told:
    which = f"process {pid}" if pid else "a process"
    return Told(name, pid, {}, None, (f"{which} does not answer: it is stopped, or hangs",))


def _receive(channel: socket.socket, deadline: float) -> bytes:
    received = bytearray()
    while True:
        _wait_until(channel, deadline)
        part = channel.recv(65536)
        if not part:
            return bytes(received)
        received += part
        if len(received) > MOST_ANSWER_BYTES:
            raise ValueError("too long")


def _wait_until(channel: socket.socket, deadline: float) -> None:
    # Zero would mean not to wait at all, and raise another error.
    channel.settimeout(max(deadline - time.monotonic(), 0.001))


def read_state(document: Mapping[str, Any]) -> DaemonState:
    """Return the state that a document holds; fields of later versions are passed over.

    Raises:
        ValueError: A field is missing or of another type, or it is something else.
    """
    state = from_table(DaemonState, document, later=True)
    for stage, milliseconds in state.stages_ms.items():
        if not {"p50", "p99"} <= milliseconds.keys():
            raise ValueError(f"{stage} has {list(milliseconds)}")
    return state
