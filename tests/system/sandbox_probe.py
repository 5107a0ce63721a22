"""Tells, as JSON, what the process it runs in may do. Run inside the unit's sandbox."""

import ctypes
import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

NEW_USER_NAMESPACE = 0x10000000


def write(folder):
    path = Path(folder) / "probe"
    path.write_text("x")
    path.unlink()


def execute(folder):
    path = Path(folder) / "probe.sh"
    path.write_text("#!/bin/sh\nexit 0\n")
    path.chmod(0o755)
    try:
        subprocess.run([path], check=True)
    finally:
        path.unlink()


def call_back():
    """Have a C function call into Python, which needs a trampoline in executable memory."""
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    numbers = (ctypes.c_int * 2)(2, 1)
    ctypes.CDLL(None).qsort(numbers, 2, 4, kind(lambda _a, _b: 0))


def write_and_execute_memory():
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    if libc.mmap(None, 4096, 7, 0x22, -1, 0) == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")


def leave_namespace():
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_USER_NAMESPACE):
        raise OSError(ctypes.get_errno(), "unshare")


def attempt(action, *arguments):
    """Return "ok" or the name of the error."""
    try:
        result = action(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    if hasattr(result, "close"):
        result.close()
    return "ok"


def status():
    lines = Path("/proc/self/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def main():
    own = status()
    json.dump(
        {
            "write": {folder: attempt(write, folder) for folder in sys.argv[1].split(",")},
            "open": {path: attempt(open, path, "rb") for path in sys.argv[2].split(",")},
            "execute": {
                folder: attempt(execute, folder) for folder in ("/var/lib/fer-edge", "/tmp")
            },
            "socket": {
                name: attempt(socket.socket, getattr(socket, name), kind)
                for name, kind in (
                    ("AF_UNIX", socket.SOCK_STREAM),
                    ("AF_INET", socket.SOCK_STREAM),
                    ("AF_INET6", socket.SOCK_STREAM),
                    ("AF_NETLINK", socket.SOCK_RAW),
                    ("AF_PACKET", socket.SOCK_RAW),
                )
            },
            "call back": attempt(call_back),
            "writable and executable memory": attempt(write_and_execute_memory),
            "namespace": attempt(leave_namespace),
            "kill": attempt(os.kill, 1, 0),
            "priority": attempt(os.setpriority, os.PRIO_PROCESS, 0, 5),
            "processes": sorted(
                int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()
            ),
            "capabilities": [own["CapEff"], own["CapBnd"], own["CapAmb"]],
            "privileges": [own["NoNewPrivs"], own["Seccomp"]],
            "user": own["Uid"].split()[0],
            "pid": os.getpid(),
        },
        sys.stdout,
    )


main()
