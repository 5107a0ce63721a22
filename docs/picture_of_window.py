"""Take the picture of the page that stands in the README: `python docs/picture_of_window.py`.

Runs `fer-edge run --view` on the built-in clip, and waits until both of its faces are read. Needs
Debian's chromium and playwright (`make setup`).
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).parent / "images" / "window.jpg"
SIZE = {"width": 1280, "height": 810}
RUN = "from fer_edge.cli import main; main()"
BOTH_READ = """() => {
  const names = [...document.querySelectorAll("#boxes .name")].map((name) => name.textContent);
  const figures = document.getElementById("figures").textContent;
  return names.length === 2 && names.includes("neutral") && names.includes("happy") && figures;
}"""

with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
    log = Path(folder) / "log"
    arguments = ("run", "--source", "demo", "--view", "--output", "", "--set", "mqtt.node=hall")
    command = [sys.executable, "-c", RUN, *arguments]
    with log.open("w") as stream:
        device = subprocess.Popen(command, stderr=stream, cwd=folder)
    try:
        while not (address := re.search(r"http://\S+/", log.read_text())):
            time.sleep(0.1)
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--headless", "--no-sandbox"]
        )
        page = browser.new_page(viewport=SIZE, device_scale_factor=1.5)
        page.goto(address[0])
        page.wait_for_function("() => picture.naturalWidth > 0")
        page.wait_for_timeout(11_000)  # once round the clip, until its rate is steady
        page.wait_for_function(BOTH_READ)
        page.screenshot(path=PICTURE, type="jpeg", quality=80)
        browser.close()
    finally:
        device.terminate()
        device.wait()
