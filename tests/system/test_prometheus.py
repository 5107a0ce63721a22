"""Debian's Prometheus reading a real `fer-edge run`, its alerts, and the shipped configuration."""

import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from builders import PORTRAIT
from command_line import clean_environment, fer_edge, json_lines, start_fer_edge

from fer_edge.shared.data.pictures import read_grey
from fer_edge.testing.fakes import MjpegServer

SHIPPED = Path(__file__).parents[2] / "deploy/prometheus"
TOKEN = "0123456789abcdef0123456789abcdef"
PATIENCE_SECONDS = 40

pytestmark = [
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="no Prometheus: apt-get install -y prometheus"
    ),
    pytest.mark.xdist_group("prometheus"),
]


def promtool(*arguments, **options):
    return subprocess.run(
        ["promtool", *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=300, **options,
    )  # fmt: skip


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def wait_until(found, what):
    give_up = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up:
        try:
            if (value := found()) is not None:
                return value
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"not within {PATIENCE_SECONDS} s: {what}")


@pytest.mark.parametrize("name", ["prometheus.yml", "fer-edge.rules.yml"])
def test_what_is_shipped_is_valid(name):
    check = "config" if name == "prometheus.yml" else "rules"
    arguments = ("--lint-fatal",) if check == "rules" else ("--syntax-only",)
    done = promtool("check", check, *arguments, SHIPPED / name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARN" not in done.stdout + done.stderr


def test_each_alert_fires_when_it_should_and_not_before():
    done = promtool("test", "rules", SHIPPED / "fer-edge.rules.test.yml", cwd=SHIPPED)
    assert done.returncode == 0, done.stdout + done.stderr


class Scraper:
    """A Prometheus that reads one daemon each second."""

    def __init__(self, folder, daemon_port):
        self.port = free_port()
        (folder / "token").write_text(TOKEN)
        shutil.copy(SHIPPED / "fer-edge.rules.yml", folder)
        (folder / "prometheus.yml").write_text(f"""\
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [fer-edge.rules.yml]
scrape_configs:
  - job_name: fer-edge
    authorization: {{credentials_file: {folder}/token}}
    static_configs: [{{targets: ["127.0.0.1:{daemon_port}"]}}]
""")
        self.process = subprocess.Popen(
            [
                "prometheus", f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=error",
            ],
            env=clean_environment(),
        )  # fmt: skip

    def get(self, path, **query):
        address = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=5) as answer:
            return json.load(answer)["data"]

    def value(self, query):
        """Return the newest value of a query that one series answers; None where none does."""
        found = self.get("query", query=query)["result"]
        return float(found[0]["value"][1]) if len(found) == 1 else None

    def close(self):
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture(scope="module")
def camera():
    with MjpegServer([read_grey(PORTRAIT)], frames_per_second=20) as server:
        yield server


@pytest.fixture(scope="module")
def daemon(camera, tmp_path_factory):
    folder = tmp_path_factory.mktemp("daemon")
    port = free_port()
    output = folder / "lines.jsonl"
    process = start_fer_edge(
        "run", "--source", camera.url, "--output", output, "--set", f"web.port={port}",
        environment={"FER_EDGE_SECRET_WEB_TOKEN": TOKEN, "XDG_RUNTIME_DIR": str(folder)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    process.port, process.output, process.folder = port, output, folder
    yield process
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="module")
def scraper(daemon, tmp_path_factory):
    scraper = Scraper(tmp_path_factory.mktemp("prometheus"), daemon.port)
    yield scraper
    scraper.close()


def test_it_counts_every_frame(scraper, daemon):
    wait_until(lambda: scraper.value("fer_edge_frames_total > 40"), "forty frames")
    lines = daemon.output.read_text().count("\n")
    counted = wait_until(lambda: scraper.value(f"fer_edge_frames_total >= {lines}"), "these frames")
    assert lines <= counted <= daemon.output.read_text().count("\n")
    rate = "rate(fer_edge_frames_total[5s])"
    wait_until(lambda: scraper.value(f"{rate} > 15 < 25"), "the camera's twenty a second")


def test_a_query_gives_the_right_latency(scraper, daemon):
    query = "histogram_quantile(0.5, sum by (le) (rate(fer_edge_frame_age_seconds_bucket[20s])))"
    wait_until(lambda: scraper.value(f"{query} > 0"), "a latency")
    ages = sorted(
        line["timings_ms"]["age"] / 1000 for line in json_lines(daemon.output.read_text())
    )
    median = ages[len(ages) // 2]
    assert median / 3 < scraper.value(query) < 3 * median, "as near as its buckets are"


def test_faces_are_counted_by_expression(scraper, daemon):
    query = "topk(1, fer_edge_expressions_total) > 5"
    wait_until(lambda: scraper.value(query), "an expression")
    (found,) = scraper.get("query", query=query)["result"]
    faces = [face for line in json_lines(daemon.output.read_text()) for face in line["faces"]]
    assert found["metric"]["expression"] in {face["stable"] for face in faces}


def test_names_follow_prometheus_conventions(scraper, daemon):
    request = urllib.request.Request(
        f"http://127.0.0.1:{daemon.port}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        done = promtool("check", "metrics", input=answer.read().decode())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_shipped_alerts_are_loaded_and_quiet(scraper):
    wait_until(lambda: scraper.value("fer_edge_camera_up"), "a first scrape")
    (group,) = wait_until(lambda: scraper.get("rules")["groups"] or None, "the rules")
    assert {rule["health"] for rule in group["rules"]} <= {"ok", "unknown"}
    assert [rule["name"] for rule in group["rules"] if rule["state"] == "firing"] == []


def test_a_camera_that_fails_is_seen(scraper, daemon, camera):
    # After all others, for it leaves the camera silent.
    wait_until(lambda: scraper.value("fer_edge_camera_up == 1"), "a camera that delivers")
    camera.behaviour = "stall"
    try:
        down = wait_until(
            lambda: scraper.value("fer_edge_camera_up == 0 or up == 0"), "a camera that is down"
        )
        assert down == 0
        told = fer_edge("status", environment={"XDG_RUNTIME_DIR": str(daemon.folder)})
        assert told.returncode in {1, 69}, "its camera waits, or it has given up"
    finally:
        camera.behaviour = "stream"
