"""A real Home Assistant in a Debian of its own, asked over its REST API.

The Debian and all that Home Assistant installs into it are made once and kept, as debian_root says.
That takes minutes, so it is done only where it is asked for: FER_HOME_ASSISTANT=1, as .ci/run sets.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from debian_root import Chroot, MissingError, cached, kept

VERSION: Final = "2025.4.4"
"""The last for the Python of Debian trixie."""
ASKED_FOR: Final = "FER_HOME_ASSISTANT"

_PACKAGES: Final = (
    "python3", "python3-venv", "python3-dev", "gcc", "g++", "cmake", "libc6-dev", "libffi-dev",
    "ca-certificates",
)  # fmt: skip
_NAME: Final = "home-assistant"
_RECIPE: Final = repr((VERSION, _PACKAGES, 1))
_CERTIFICATES: Final = "/etc/ssl/certs/ca-certificates.crt"
_PASSED_ON: Final = ("PIP_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_CLIENT: Final = "http://127.0.0.1/"
_PASSWORD: Final = "only for this test"
_BUILD_SECONDS: Final = 1800
_START_SECONDS: Final = 240


def home_assistant_root() -> Path:
    """Return the root file system with Home Assistant in it, made if that is asked for.

    Raises:
        MissingError: A tool, a right or the network is missing, or it is not asked for.
    """
    if os.geteuid():
        raise MissingError("only root can have a Debian of its own")
    if not (os.environ.get(ASKED_FOR) or cached(_NAME, _RECIPE)):
        raise MissingError(f"set {ASKED_FOR}=1 to make a Home Assistant, which takes minutes")
    if shutil.which("mmdebstrap") is None:
        raise MissingError("apt-get install -y mmdebstrap debian-archive-keyring")
    return kept(_NAME, _RECIPE, _make)


def _make(root: Path) -> None:
    mirror = [told] if (told := os.environ.get("DEBIAN_MIRROR")) else []
    try:
        _run(
            "mmdebstrap", "--quiet", "--variant=apt", f"--include={','.join(_PACKAGES)}", "trixie",
            root, *mirror,
        )  # fmt: skip
        for file in (_CERTIFICATES, "/etc/resolv.conf", "/etc/hosts"):
            shutil.copy(file, root / file[1:])
        with _mounted(root) as system:
            for command in (
                ("python3", "-m", "venv", "/ha"),
                ("/ha/bin/pip", "install", "--quiet", "--no-cache-dir",
                 f"homeassistant=={VERSION}", "paho-mqtt==2.1.0"),
            ):  # fmt: skip
                _require(system.run(*_environment(), *command, timeout=_BUILD_SECONDS))
            # It installs the rest of itself at its first start.
            with HomeAssistant(root, 18123):
                pass
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        raise


def _require(done: "subprocess.CompletedProcess[str]") -> None:
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["?"]
        raise MissingError(f"Home Assistant cannot be had: {said[-1]}")


def _run(*command: object) -> None:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False,
        timeout=_BUILD_SECONDS,
    )  # fmt: skip
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("E:")] or ["?"]
        raise MissingError(f"Debian's packages cannot be had: {said[0]}")


def _environment() -> list[str]:
    told = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    told |= dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), _CERTIFICATES)
    return ["env", *(f"{name}={value}" for name, value in told.items())]


@contextlib.contextmanager
def _mounted(root: Path) -> Iterator[Chroot]:
    system = Chroot(root)
    try:
        yield system
    finally:
        system.close()


class HomeAssistant:
    """One that runs, with a user and nothing else set up.

    Args:
        root: As `home_assistant_root` returns it; several may run in it.
        port: Where it answers, on loopback.
    """

    def __init__(self, root: Path, port: int) -> None:
        self._root, self._port = root, port
        (root / "tmp").mkdir(exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="ha-", dir=root / "tmp"))
        (self._folder / "configuration.yaml").write_text(
            f"http:\n  server_host: 127.0.0.1\n  server_port: {port}\napi:\n"
        )
        self._token = ""
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "HomeAssistant":
        self.start()
        try:
            self._log_in()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        inside = "/" + str(self._folder.relative_to(self._root))
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "chroot", self._root, "env", "-i", "HOME=/root", "LANG=C.UTF-8",
                    "PATH=/ha/bin:/usr/sbin:/usr/bin:/sbin:/bin", *_environment()[1:],
                    "/ha/bin/hass", "--config", inside,
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
            )  # fmt: skip
        self.wait(self._answers, seconds=_START_SECONDS)

    def stop(self) -> None:
        """End it; what it knows stays."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def close(self) -> None:
        """End it and leave nothing behind."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def connect(self, broker_port: int) -> None:
        """Set up its MQTT integration."""
        flow = self.ask("config/config_entries/flow", {"handler": "mqtt"})
        told = self.ask(
            f"config/config_entries/flow/{flow['flow_id']}",
            {"broker": "127.0.0.1", "port": broker_port},
        )
        assert told["type"] == "create_entry", told

    def states(self, node: str) -> dict[str, str]:
        """Return the state of each entity of a device, by what follows the device's name."""
        found = {}
        for state in self.ask("states"):
            _, _, name = state["entity_id"].partition(f".{node}_")
            if name:
                found[name] = state["state"]
        return found

    def switch(self, entity: str, *, on: bool) -> None:
        """Turn a switch as a person does."""
        self.ask(f"services/switch/turn_{'on' if on else 'off'}", {"entity_id": entity})

    def ask(self, path: str, body: object = None) -> Any:
        """Return what the REST API answers."""
        data = None if body is None else json.dumps(body).encode()
        return self._send(f"/api/{path}", data, "application/json")

    def picture(self, entity: str) -> bytes:
        """Return what a camera shows; nothing where it shows none yet."""
        try:
            return self._fetch(f"/api/camera_proxy/{entity}")
        except urllib.error.HTTPError as error:
            error.close()
            return b""

    def rendered(self, template: str) -> str:
        """Return what a template gives."""
        body = json.dumps({"template": template}).encode()
        return self._fetch("/api/template", body, "application/json").decode()

    def wait(self, condition: Callable[[], object], *, seconds: float = 30.0) -> None:
        """Wait until something is true; show its log where that does not happen."""
        give_up = time.monotonic() + seconds
        while not condition():
            process = self._process
            well = process is not None and process.poll() is None and time.monotonic() < give_up
            assert well, (self._folder / "log").read_text()[-3000:]
            time.sleep(0.2)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self.ask("onboarding"))
        return False

    def _log_in(self) -> None:
        person = {
            "client_id": _CLIENT, "name": "test", "username": "test", "password": _PASSWORD,
            "language": "en",
        }  # fmt: skip
        code = self.ask("onboarding/users", person)["auth_code"]
        form = {"client_id": _CLIENT, "grant_type": "authorization_code", "code": code}
        data = urllib.parse.urlencode(form).encode()
        told = self._send("/auth/token", data, "application/x-www-form-urlencoded")
        self._token = told["access_token"]

    def _send(self, path: str, data: bytes | None, kind: str) -> Any:
        return json.loads(self._fetch(path, data, kind))

    def _fetch(self, path: str, data: bytes | None = None, kind: str = "") -> bytes:
        headers = {"Content-Type": kind} if kind else {}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bytes(answer.read())
