"""Cameras: are there any, and may this user open them?"""

import getpass
import os
import stat
from dataclasses import dataclass
from typing import Final

from fer_edge.commands.doctor.findings import Finding
from fer_edge.state.machine import System, is_raspberry_pi

_NO_CAMERAS: Final = ("codec", "isp", "hevc", "rpivid", "pispbe", "m2m", "decoder", "encoder")
"""In the names of video devices that are no cameras; a Pi has a dozen of them."""


@dataclass(frozen=True, slots=True)
class User:
    """Whoever runs this.

    Attributes:
        name: As in /etc/group.
        uid: 0 may do everything.
        groups: Numbers of the groups that this process is in.
    """

    name: str
    uid: int
    groups: frozenset[int]

    @staticmethod
    def current() -> "User":
        """Return the user of this process."""
        try:
            name = getpass.getuser()
        except (OSError, KeyError):  # a container may run a number without a name
            name = str(os.getuid())
        return User(name, os.getuid(), frozenset((*os.getgroups(), os.getegid())))


def check_cameras(system: System, user: User | None = None) -> list[Finding]:
    """Is there a camera, and may the user open it?"""
    user = user or User.current()
    cameras = [path for path in system.paths("dev/video*") if _is_camera(system, path)]
    if not cameras:
        return [_no_camera(system)]
    closed = [path for path in cameras if not _may_open(system, path, user)]
    names = ", ".join(f"/{path}" for path in cameras)
    if not closed:
        return [Finding("camera", "ok", f"{names} can be opened")]
    group, members = _group_of(system, closed[0])
    if user.name in members:
        fix = f"log out and in again: {user.name} is in group {group}, this session is not yet"
    else:
        fix = f"sudo usermod -aG {group} {user.name} && exec su - {user.name}"
    found = f"{user.name} may not open {', '.join(f'/{path}' for path in closed)} (group {group})"
    return [Finding("camera", "serious", found, fix)]


def _no_camera(system: System) -> Finding:
    if is_raspberry_pi(system):
        listed = system.says("rpicam-hello", "--list-cameras")
        if listed and "No cameras available" not in listed:
            return Finding("camera", "ok", "libcamera knows a camera; /dev/video* shows none")
        fix = "check the ribbon cable or plug in a USB camera, then: rpicam-hello --list-cameras"
    else:
        fix = "plug in a camera, then: fer-edge sources"
    return Finding("camera", "warning", "there is no camera; files and streams work without", fix)


def _is_camera(system: System, path: str) -> bool:
    name = system.text(f"sys/class/video4linux/{path.rpartition('/')[2]}/name").lower()
    return not any(word in name for word in _NO_CAMERAS)


def _may_open(system: System, path: str, user: User) -> bool:
    status = (system.root / path).stat()
    if user.uid == 0:
        return True
    if status.st_uid == user.uid:
        wanted = stat.S_IRUSR | stat.S_IWUSR
    elif status.st_gid in user.groups:
        wanted = stat.S_IRGRP | stat.S_IWGRP
    else:
        wanted = stat.S_IROTH | stat.S_IWOTH
    return status.st_mode & wanted == wanted


def _group_of(system: System, path: str) -> tuple[str, list[str]]:
    """Return name and members of the group that a device belongs to."""
    number = (system.root / path).stat().st_gid
    for line in system.text("etc/group").splitlines():
        fields = line.split(":")
        if len(fields) == 4 and fields[2] == str(number):
            return fields[0], fields[3].split(",")
    return "video", []
