"""Addresses of streams: which are opened, and how they are shown without secrets."""

import re
import socket
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from fer_edge.shared.errors import SettingsError

PORTS: Final = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}
"""Schemes that are opened, with their ports. FFmpeg knows many more, some of which read files."""

_DIAGNOSIS_SECONDS: Final = 1.0
_HIDDEN: Final = "***"
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_HOST_ENDS: Final = re.compile(r"[/?#]")
_RUNS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^A-Za-z0-9]+")
_WORDS: Final = frozenset({
    "amp", "audio", "av", "avc", "axis", "bin", "cam", "camera", "cameras", "cgi", "ch",
    "channel", "channels", "default", "feed", "file", "flv", "front", "h", "hd", "hevc", "high",
    "hls", "html", "http", "image", "images", "img", "index", "jpeg", "jpg", "left", "live",
    "low", "main", "media", "medium", "mjpeg", "mjpg", "mode", "monitor", "motion", "mov", "mp",
    "mpeg", "nice", "normal", "nph", "onvif", "picture", "play", "preview", "primary", "profile",
    "profiles", "proxy", "raw", "realmonitor", "rear", "resolution", "right", "rtsp", "sd",
    "secondary", "session", "shot", "size", "snap", "snapshot", "static", "still", "stills",
    "stream", "streaming", "streams", "sub", "test", "track", "ts", "ucast", "unicast", "ultra",
    "v", "video", "videos", "vid", "view", "web", "webcam",
})  # fmt: skip
"""Of which the paths of cameras are made; a token is not made of these."""
_MOST_DIGITS: Final = 4
_SHORT: Final = 3


def checked_parts(url: str) -> SplitResult:
    """Return the parts of a stream's address.

    Raises:
        SettingsError: It is none that is opened, or it is not sure where in it the host stands.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in PORTS and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        parts, usable = SplitResult("", "", "", "", ""), None
    if not usable or not url[len(parts.scheme) :].startswith("://") or _is_ambiguous(url, parts):
        scheme = _SCHEME.match(url)
        raise SettingsError(
            f"{scheme[1].lower() if scheme else _HIDDEN}:... is no stream that can be opened",
            expected="a URL that starts with "
            + ", ".join(f"{scheme}://" for scheme in sorted(PORTS)),
            fix="correct it; in a user name or password write / : @ ? # % as %2F %3A %40 %3F %23 "
            "%25, and any other @ as %40",
        )
    return parts


def without_secrets(url: str) -> str:
    """Return a URL for people to read, without whatever may be a secret in it.

    Cameras take passwords before the host, in the query, and some in the path, where others have
    tokens; a password that should have been percent-encoded may hold any of the separators. So
    only what is surely none is shown.
    """
    scheme, _, rest = url.partition("://")
    _, at, address = rest.rpartition("@")
    end = _HOST_ENDS.search(address)
    host, tail = (address[: end.start()], address[end.start() :]) if end else (address, "")
    path, query, _ = tail.partition("#")[0].partition("?")
    shown = "/".join(map(_shown_segment, path.split("/")))
    return f"{scheme}://{at and f'{_HIDDEN}@'}{host}{shown}{query and f'?{_HIDDEN}'}"


def shown_source(uri: str) -> str:
    """Return a source for people to read, without secrets."""
    if "://" in uri:
        return without_secrets(uri) if _is_usable(uri) else f"{uri.partition(':')[0]}:{_HIDDEN}"
    return f"{_half_scheme(uri)}{_HIDDEN}" if is_half_address(uri) else uri


def refuse_half_address(uri: str) -> None:
    """Refuse what was meant to be an address, before it is taken for a file's name and shown.

    Raises:
        SettingsError: It is such.
    """
    if is_half_address(uri):
        raise SettingsError(
            f"{shown_source(uri)} is neither an address nor a file",
            expected="scheme://user:password@host/path",
            fix="write // after the scheme; a file of this name is ./NAME",
        )


def is_half_address(uri: str) -> bool:
    """Return whether something without :// was meant as an address; a file's name never is."""
    named = "@" in uri and ":" in uri.rpartition("@")[0]
    return bool(_half_scheme(uri) or named) and "://" not in uri and not _is_there(uri)


def diagnose(parts: SplitResult) -> str:
    """Say why a stream could not be opened, which OpenCV does not."""
    host, port = str(parts.hostname), parts.port or PORTS[parts.scheme]
    try:
        socket.create_connection((host, port), timeout=_DIAGNOSIS_SECONDS).close()
    except (socket.gaierror, UnicodeError):
        return f"no host named {host} was found"
    except ConnectionRefusedError:
        return f"nothing listens on port {port} of {host}"
    except TimeoutError:
        return f"{host} does not answer on port {port}"
    except OSError as error:
        return f"{host} cannot be reached ({error.strerror})"
    return f"port {port} of {host} answers, but not with a video"


def _is_usable(url: str) -> bool:
    try:
        checked_parts(url)
    except SettingsError:
        return False
    return True


def _is_ambiguous(url: str, parts: SplitResult) -> bool:
    """Return whether the host is another one to who reads up to the last @.

    A / ? or # in a password ends the host for one of the two, and a blank is left out by one.
    """
    return "@" in url.partition("://")[2][len(parts.netloc) :] or any(c <= " " for c in url)


def _shown_segment(segment: str) -> str:
    """Return a part of a path, or what stands for one that may be a token."""
    runs = [run for run in _RUNS.findall(segment) if run.isalnum()]
    plain = all(
        len(run) <= _MOST_DIGITS if run.isdigit() else run.lower() in _WORDS for run in runs
    )
    safe = re.fullmatch(r"[\w.~-]*", segment, re.ASCII) is not None
    return segment if safe and (plain or len(segment) <= _SHORT) else _HIDDEN


def _half_scheme(uri: str) -> str:
    found = _SCHEME.match(uri)
    return f"{found[1].lower()}:" if found and found[1].lower() in PORTS else ""


def _is_there(uri: str) -> bool:
    try:
        return Path(uri).exists()
    except (OSError, ValueError):  # a name that is too long, or holds a NUL
        return False
