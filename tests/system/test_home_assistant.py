"""What people see in a real Home Assistant: the device comes, tells, obeys, and goes."""

import importlib.util
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from builders import PORTRAIT
from command_line import start_fer_edge

from fer_edge.shared.data.pictures import read_grey
from fer_edge.testing.fakes import MjpegServer


def load(name):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


broker, debian_root = load("broker"), load("debian_root")
home_assistant = load("home_assistant")

OF_FACES = {"face", "faces", "expression", "confidence"}
OF_THE_DEVICE = {"frames_per_second", "latency", "temperature", "camera_problem"}
ALL = {*OF_FACES, *OF_THE_DEVICE, "enabled", "calibrate"}

pytestmark = [
    pytest.mark.skipif(broker.mosquitto_program() is None, reason=broker.MISSING),
    pytest.mark.xdist_group("home-assistant"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with broker.Mosquitto(tmp_path_factory.mktemp("broker")) as mosquitto:
        yield mosquitto


@pytest.fixture(scope="module")
def home(server):
    """A Home Assistant that knows the broker."""
    try:
        root = home_assistant.home_assistant_root()
    except debian_root.MissingError as error:
        pytest.skip(str(error))
    with home_assistant.HomeAssistant(root, broker.a_free_port()) as home:
        home.connect(server.port)
        yield home


@pytest.fixture(scope="module")
def camera():
    with MjpegServer([read_grey(PORTRAIT)], frames_per_second=10) as camera:
        yield camera


class Daemon:
    """`fer-edge run`, started and ended as often as a test wants, with one state folder."""

    def __init__(self, folder, camera, server):
        self._folder, self._camera, self._server = folder, camera, server
        self._process = None

    def start(self, node, **changes):
        settings = {
            "source.uri": self._camera.url, "output.file": "", "events.purpose": "a test",
            "mqtt.host": "127.0.0.1", "mqtt.port": self._server.port, "mqtt.node": node,
            **{key.replace("__", "."): value for key, value in changes.items()},
        }  # fmt: skip
        self._process = start_fer_edge(
            "run", *(f"--set={key}={value}" for key, value in settings.items()),
            environment={"STATE_DIRECTORY": str(self._folder)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def end(self, how=signal.SIGTERM):
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None


@pytest.fixture
def daemon(tmp_path, camera, server):
    daemon = Daemon(tmp_path, camera, server)
    yield daemon
    daemon.end(signal.SIGKILL)


def there(home, node):
    """Return the entities of a device that have a value."""
    states = home.states(node)
    # No temperature is read where there is no sensor.
    return {name for name, state in states.items() if state != "unavailable"}


def appear(home, node, names=ALL):
    home.wait(lambda: home.states(node).keys() == there(home, node) == names)


def test_it_appears_with_its_values_and_goes_with_its_end(home, daemon):
    daemon.start("hall")
    appear(home, "hall")
    home.wait(lambda: home.states("hall")["face"] == "on")
    home.wait(lambda: float(home.states("hall")["frames_per_second"]) > 1)
    states = home.states("hall")
    assert states["faces"] == "1"
    assert states["expression"] in {"happy", "neutral", "uncertain", "surprise", "sad"}
    assert 0 < float(states["confidence"]) <= 100
    assert states["camera_problem"] == "off"
    daemon.end()
    home.wait(lambda: not there(home, "hall"))
    daemon.start("hall")
    appear(home, "hall")
    daemon.end(signal.SIGKILL)
    home.wait(lambda: not there(home, "hall"), seconds=90)


def test_the_switch_works_both_ways(home, daemon):
    daemon.start("porch")
    home.wait(lambda: home.states("porch").get("face") == "on")
    home.switch("switch.porch_enabled", on=False)
    home.wait(lambda: home.states("porch")["enabled"] == "off")
    home.wait(lambda: home.states("porch")["face"] == "off")
    home.switch("switch.porch_enabled", on=True)
    home.wait(lambda: home.states("porch")["enabled"] == "on")
    home.wait(lambda: home.states("porch")["face"] == "on")


def test_counts_only_leaves_nothing_of_faces_there(home, daemon):
    daemon.start("attic")
    appear(home, "attic")
    daemon.end()
    daemon.start("attic", events__mode="aggregate")
    appear(home, "attic", OF_THE_DEVICE | {"enabled", "calibrate"})
    daemon.end()
    daemon.start("attic", events__mode="aggregate", mqtt__commands="false")
    appear(home, "attic", OF_THE_DEVICE)
    daemon.end()
    daemon.start("attic")
    appear(home, "attic")


def test_switched_off_it_is_gone(home, daemon):
    daemon.start("yard")
    appear(home, "yard")
    daemon.end()
    daemon.start("yard", mqtt__home_assistant="false")
    home.wait(lambda: not home.states("yard"))


def test_its_picture_is_there_as_long_as_both_want_it_and_its_page_is_linked(
    home, daemon, tmp_path
):
    (tmp_path / "token").write_text("correct horse battery staple")
    page = {
        "web__port": broker.a_free_port(), "web__address": "0.0.0.0", "web__names": "gate.example",
        "web__token_file": tmp_path / "token", "mqtt__camera": "true", "mqtt__camera_seconds": 1,
    }  # fmt: skip
    daemon.start("gate", web__view="picture", **page)
    appear(home, "gate", ALL | {"picture"})
    home.wait(lambda: home.picture("camera.gate_picture").startswith(b"\xff\xd8\xff"))
    told = home.rendered("{{ device_attr(device_id('switch.gate_enabled'), 'configuration_url') }}")
    assert told == f"http://gate.example:{page['web__port']}/"
    daemon.end()
    daemon.start("gate", web__view="boxes", **page)
    appear(home, "gate")


@pytest.mark.parametrize(
    "changes", [{"mqtt__base": "cameras"}, {}], ids=["with another base", "same base"]
)
def test_under_another_name_the_old_one_is_gone(home, daemon, changes):
    old, new = f"old{len(changes)}", f"new{len(changes)}"
    daemon.start(old)
    appear(home, old)
    daemon.end()
    daemon.start(new, **changes)
    appear(home, new)
    home.wait(lambda: not home.states(old))


def test_after_its_restart_all_is_as_before(home, daemon):
    daemon.start("loft", mqtt__commands="false")
    appear(home, "loft", ALL - {"enabled", "calibrate"})
    home.stop()
    home.start()
    appear(home, "loft", ALL - {"enabled", "calibrate"})
    home.wait(lambda: home.states("loft")["face"] == "on")


def test_what_is_switched_off_while_it_is_away_does_not_come_back(home, daemon):
    daemon.start("den")
    appear(home, "den")
    home.stop()
    daemon.end()
    daemon.start("den", events__mode="aggregate", mqtt__commands="false")
    home.start()
    home.wait(lambda: there(home, "den") == OF_THE_DEVICE)
