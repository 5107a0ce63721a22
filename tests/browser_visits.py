"""A real browser that looks at a real daemon, and what it must never do."""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from command_line import start_fer_edge

TOKEN = "a-token-that-only-the-tests-know"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
PLACES = ("live", "history", "photo", "device")
PATIENCE_MS = 60_000
"""For whatever is waited for; a busy machine takes long, and a test never waits for a time."""

RECORDER = """
window.seen = { frames: [], reports: [] };
document.addEventListener("securitypolicyviolation", (report) =>
  seen.reports.push(`${report.violatedDirective}: ${report.blockedURI}`));
const shown = () => {
  const stage = document.getElementById("stage").getBoundingClientRect();
  return [...document.querySelectorAll("#boxes .face")].map((face) => {
    const box = face.getBoundingClientRect();
    return { track: Number(face.querySelector(".number").textContent),
      label: face.querySelector(".name").textContent,
      box: [(box.x - stage.x) / stage.width, (box.y - stage.y) / stage.height,
        box.width / stage.width, box.height / stage.height] };
  });
};
let before = null;
let at = 0;
window.EventSource = class extends EventSource {
  constructor(...given) {
    super(...given);
    // Heard before the page hears it: the page still shows the frame before.
    this.addEventListener("frame", (sent) => {
      // After a pause it shows nobody any more.
      const soon = performance.now() - at < 2000;
      if (before && soon && document.getElementById("live").offsetWidth) {
        seen.frames.push({ told: before, shown: shown() });
      }
      before = JSON.parse(sent.data);
      at = performance.now();
    });
  }
};
"""


def find_chromium() -> str:
    """Return Debian's Chromium, or skip."""
    pytest.importorskip("playwright.sync_api", reason="no playwright: make setup")
    found = shutil.which("chromium") or (CHROMIUM if Path(CHROMIUM).exists() else None)
    if found is None:
        pytest.skip("no chromium: apt-get install chromium")
    return found


@contextmanager
def running_device(folder: Path, *settings: str, source: str = "demo") -> Iterator[str]:
    """Run `fer-edge run --view` with a token; give the page's address.

    Args:
        folder: For its files, log among them.
        settings: As `--set` takes them.
        source: Of the frames; the built-in clip if not given.
    """
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    arguments = ("run", "--source", source, "--view", "--output", "")
    all_settings = (f"web.token_file={folder / 'token'}", *settings)
    guarded = [part for setting in all_settings for part in ("--set", setting)]
    environment = {"XDG_RUNTIME_DIR": str(folder), "XDG_STATE_HOME": str(folder)}
    with (folder / "log").open("w") as log:
        process = start_fer_edge(
            *arguments, *guarded, environment=environment, stderr=log, stdout=log, cwd=folder
        )
    try:
        yield _address(folder / "log", lambda: process.poll() is None)
    finally:
        process.terminate()
        process.wait(30)


def _address(log: Path, alive: Callable[[], bool]) -> str:
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not (found := re.search(r"http://\S+/", log.read_text())):
        assert alive(), log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
    return found[0]


class Visit:
    """One page in a browser of its own, which notes what a good page never does.

    Attributes:
        page: Playwright's.
        expected: What the console may say, as parts of its lines.
    """

    def __init__(self, context: Any, address: str) -> None:
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.expected: tuple[str, ...] = ()
        self._address = address
        self._host = urlsplit(address).netloc
        self._complaints: list[str] = []
        self.page.add_init_script(RECORDER)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self._complaints.append(f"error: {error}"))
        self.page.on("request", self._follow)

    def _hear(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self._complaints.append(f"{message.type}: {message.text} {message.location}")

    def _follow(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"blob", "data"} and parts.netloc != self._host:
            self._complaints.append(f"request to {request.url}")

    def complaints(self) -> list[str]:
        """Return what the page did wrong, apart from what is expected."""
        reports = [
            f"policy: {report}" for report in self.page.evaluate("window.seen?.reports ?? []")
        ]
        said = self._complaints + reports
        return [each for each in said if not any(part in each for part in self.expected)]

    def go(self, place: str) -> Any:
        """Open a place of the page, and wait until it is there; "" is where one begins."""
        self.page.goto(f"{self._address}#{place}" if place else self._address)
        self.page.locator(f"#places a[href='#{place or PLACES[0]}'][aria-current]").wait_for()
        return self.page

    def frames(self, enough: str) -> Any:
        """Return what was told and shown, frame by frame, once a function says `enough` of them."""
        self.page.wait_for_function(f"() => ({enough})(window.seen.frames)")
        return self.page.evaluate("window.seen.frames")
