"""deploy/install.sh on a real Debian: in a chroot as images are made, and with systemd booted."""

import importlib.util
import json
import re
import shutil
import sys
import time
from pathlib import Path

import pytest
from builders import a_picture
from tiny_model import tiny_model

from fer_edge import DEFAULT_MODEL
from fer_edge.testing.fakes import MjpegServer


def load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


debian_root, bundle = load("debian_root"), load("bundle")
ROOT = debian_root.ROOT

pytestmark = [
    pytest.mark.xdist_group("install"),
    pytest.mark.skipif(
        not (ROOT / "systemd" / "fer-edge.service").exists(), reason="there is no unit to install"
    ),
]


@pytest.fixture(scope="module")
def make_root(tmp_path_factory):
    """Make a fresh Debian with all that install.sh needs."""
    try:
        wheels = bundle.make_wheels(tmp_path_factory.mktemp("bundle") / "wheels")
    except debian_root.MissingError as error:
        pytest.skip(str(error))

    def make(name):
        try:
            return bundle.make_root(tmp_path_factory.mktemp(name) / "root", wheels)
        except debian_root.MissingError as error:
            pytest.skip(str(error))

    return make


def flip(data):
    """One bit of a model, in the middle of its weights."""
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


def append(text):
    return lambda data: data + text.encode()


ANOTHER = {"fer_edge/py.typed": append("# another\n")}
# Where it loads a model, it leaves a file that names its user.
TELLING = {
    "fer_edge/shared/model/interpreter.py": append(
        "\n_make = LitertNetwork.__init__\n"
        "\ndef _tell_and_make(self, *given, **named):\n"
        "    import os\n"
        "    os.close(os.open(f'/tmp/loaded-by-{os.geteuid()}', os.O_CREAT, 0o666))\n"
        "    _make(self, *given, **named)\n"
        "\nLitertNetwork.__init__ = _tell_and_make\n"
    )
}
BROKEN_MODEL = {f"fer_edge/models/{DEFAULT_MODEL}.int8.tflite": flip}
# Fine at the prompt, but not as a daemon.
BROKEN_DAEMON = {
    "fer_edge/daemon/systemd.py": append(
        "\nif 'NOTIFY_SOCKET' in os.environ:\n    raise RuntimeError('broken')\n"
    )
}
# Ready, but no frame ever comes.
BLIND_DAEMON = {
    "fer_edge/daemon/service.py": append(
        "\n\ndef _wait(service):\n    service._systemd.ready()\n    service._controls.wait(0.5)\n"
        "\n\nimport os\nif 'NOTIFY_SOCKET' in os.environ:\n    Service._next_frame = _wait\n"
    )
}
BROKEN_PROGRAM = {"fer_edge/pipeline/pipeline.py": append("\nraise RuntimeError('broken')\n")}


def times(root):
    """When each file and folder was last changed."""
    return {name: (root / name).lstat().st_mtime_ns for name, _ in debian_root.files(root)}


# ---- In a chroot ----


@pytest.fixture(scope="module")
def fresh(make_root):
    """A Debian on which nothing was installed, and its files."""
    root = make_root("chroot")
    before = dict(debian_root.files(root))
    system = debian_root.Chroot(root)
    try:
        yield bundle.Device(system), before
    finally:
        system.close()


@pytest.fixture(scope="module")
def installed(fresh):
    """The same after the first installation; the tests below go on from one another."""
    device, before = fresh
    assert device.changed("--dry-run")
    assert dict(debian_root.files(device.root)) == before, "a dry run changes nothing"
    assert device.changed()
    return device


def test_the_program_is_there_and_works(installed):
    assert installed.works()
    assert installed.run("/opt/fer-edge/venv/bin/fer-edge", "--version").returncode == 0
    assert installed.releases() == {installed.release}


def test_the_unit_is_enabled(installed):
    assert installed.run("systemctl", "is-enabled", "fer-edge").stdout == "enabled\n"


def test_the_settings_are_right_and_for_the_daemon_only(installed):
    config = installed.root / "etc/fer-edge/config.toml"
    assert installed.run("fer-edge", "config", "check", "/etc/fer-edge/config.toml").stdout
    assert installed.run("stat", "-c", "%U:%G %a", "/etc/fer-edge/config.toml").stdout == (
        "root:fer-edge 640\n"
    )
    assert 'path = "slot"' in config.read_text()


def test_the_second_run_changes_nothing(installed):
    before = times(installed.root)
    assert not installed.changed()
    assert times(installed.root) == before


def test_a_broken_release_is_not_installed(installed):
    old = installed.release
    installed.offer(BROKEN_PROGRAM)
    done = installed.install(code=1)
    assert "cannot read a picture" in done.stderr
    assert "what was installed before is untouched" in done.stderr
    assert (installed.release, installed.releases()) == (old, {old})
    assert installed.works()


def test_settings_that_the_new_release_refuses(installed):
    config = installed.root / "etc/fer-edge/config.toml"
    good = config.read_text()
    config.write_text(good + "[sauce]\nred = true\n")
    installed.offer(ANOTHER)
    old = installed.release
    done = installed.install(code=78)
    config.write_text(good)
    assert "sauce" in done.stderr
    assert installed.release == old


def test_a_model_that_passed_must_pass_with_the_new_release(installed):
    (installed.root / "root/model.tflite").write_bytes(tiny_model())
    assert installed.run("fer-edge", "model", "install", "/root/model.tflite").returncode == 0
    old = installed.release
    installed.offer({"fer_edge/shared/model/contract.py": append("\nCONTRACT_VERSION = 2\n")})
    installed.install(code=1)
    assert installed.release == old
    assert installed.run("fer-edge", "model", "status", "--verify").returncode == 0


def test_an_upgrade_keeps_settings_and_the_release_before(installed):
    """With it comes apt's picamera2. A stand-in, but it needs a module built for Debian's numpy."""
    package = installed.root / "usr/lib/python3/dist-packages/picamera2"
    package.mkdir()
    (package / "__init__.py").write_text("import bottleneck\n")
    config = installed.root / "etc/fer-edge/config.toml"
    config.write_text(config.read_text().replace('uri = "0"', 'uri = "1"'))
    old = installed.release
    installed.offer(TELLING)
    installed.offer_yunet()
    assert not installed.has_yunet(), "nobody has asked for it"
    assert installed.changed("--camera", "picamera2", "--yunet")
    assert installed.release != old
    loaded_by = {path.name for path in (installed.root / "tmp").glob("loaded-by-*")}
    assert loaded_by, "the release was tried"
    assert "loaded-by-0" not in loaded_by, "by root"
    assert installed.releases() == {old, installed.release}
    assert installed.works()
    assert 'uri = "1"' in config.read_text()


def test_later_runs_keep_yunet(installed):
    assert installed.has_yunet()
    assert not installed.changed(), "without it, it would be another release"
    assert installed.has_yunet()


def test_picamera2_from_apt_works_beside_the_release(installed):
    script = "import picamera2, cv2, numpy; print(numpy.__version__)"
    tried = installed.run("/opt/fer-edge/venv/bin/python", "-Bc", script)
    assert tried.returncode == 0, tried.stderr
    debians = installed.run("python3", "-c", "import numpy; print(numpy.__version__)")
    assert tried.stdout.partition(".")[0] == debians.stdout.partition(".")[0]
    drop_in = installed.root / "etc/systemd/system/fer-edge.service.d/camera.conf"
    assert drop_in.read_bytes() == (ROOT / "systemd/drop-ins/picamera2.conf").read_bytes()
    assert not installed.changed(), "the kind of camera is remembered"


def test_the_prompt_gets_its_environment_by_the_same_rules(installed):
    """As `make demo` does, from a folder of wheels."""
    offline = ("env", "PIP_NO_INDEX=1", f"PIP_FIND_LINKS={bundle.FOLDER}")
    done = installed.run(
        *offline, f"{bundle.FOLDER}/deploy/environment.sh", "/root/env", "fer-edge"
    )
    assert done.returncode == 0, done.stderr
    script = "import picamera2, cv2, fer_edge, numpy; print(numpy.__version__)"
    tried = installed.run("/root/env/bin/python", "-Bc", script)
    assert tried.returncode == 0, tried.stderr
    debians = installed.run("python3", "-c", "import numpy; print(numpy.__version__)")
    assert tried.stdout.partition(".")[0] == debians.stdout.partition(".")[0]


def test_the_way_back_and_forth(installed):
    new = installed.release
    (old,) = installed.releases() - {new}
    for expected in (old, new):
        assert installed.changed("--rollback")
        assert installed.release == expected
        assert installed.works()


def test_what_a_power_cut_left_is_cleaned_up(installed):
    keep = installed.releases()
    (installed.root / "opt/fer-edge/releases/0.1.0-half/venv").mkdir(parents=True)
    (installed.root / "etc/systemd/system/fer-edge.service").write_text("[Unit]\n")
    assert installed.changed()
    assert installed.releases() == keep
    assert "ExecStart" in (installed.root / "etc/systemd/system/fer-edge.service").read_text()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--sauce",), 2, "unknown argument"),
        (("--from", "/nowhere"), 2, "no such folder"),
        (("--from", "/etc"), 2, "neither a checkout nor a folder with a fer_edge wheel"),
        (("--camera", "film"), 2, "expected all or one of"),
        (("--purge",), 2, "goes with --uninstall"),
        (("--ready-seconds", "soon"), 2, "expected a number"),
    ],
)
def test_wrong_usage(installed, options, code, said):
    old = installed.release
    done = installed.install(*options, code=code)
    assert said in done.stderr
    assert installed.release == old


def test_picamera2_that_is_not_there(installed):
    shutil.rmtree(installed.root / "usr/lib/python3/dist-packages/picamera2")
    assert "sudo apt install -y python3-picamera2" in installed.install(code=1).stderr


def test_uninstall_keeps_what_is_the_users(installed):
    assert installed.changed("--uninstall")
    assert not installed.release
    assert (installed.root / "etc/fer-edge/config.toml").exists()
    assert (installed.root / "var/lib/fer-edge/models").exists()
    assert not (installed.root / "etc/systemd/system/fer-edge.service").exists()


def test_purge_leaves_nothing(installed, fresh):
    device, before = fresh
    assert device.changed("--uninstall", "--purge")
    assert not device.changed("--uninstall", "--purge")
    after = dict(debian_root.files(device.root))
    # Backups that the tools for users make; and what this test has put there itself.
    ours = ("root/", "etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/.pwd.lock",
            "etc/subuid-", "etc/subgid-", "tmp/loaded-by-")  # fmt: skip
    left = {name for name in before.keys() ^ after.keys() if not name.startswith(ours)}
    left |= {name for name in before.keys() & after.keys() if before[name] != after[name]}
    assert {name for name in left if not name.startswith(ours)} == set()


# ---- With systemd ----


@pytest.fixture(scope="module")
def running(make_root):
    """A Debian that runs systemd, the daemon installed and ready with a camera of ours."""
    root = make_root("booted")
    with MjpegServer([a_picture(160, 120)]) as camera:
        (root / "etc/fer-edge").mkdir()
        config = (ROOT / "deploy/config.toml").read_text()
        (root / "etc/fer-edge/config.toml").write_text(
            config.replace('uri = "0"', f'uri = "{camera.url}"')
        )
        try:
            system = debian_root.Booted(root)
        except debian_root.MissingError as error:
            pytest.skip(str(error))
        try:
            device = bundle.Device(system)
            assert device.changed("--from", bundle.make_checkout(root))
            yield device
        finally:
            system.close()


def shown(device, name, unit="fer-edge"):
    return device.run("systemctl", "show", f"--property={name}", "--value", unit).stdout.strip()


def last_words(device):
    return device.run("journalctl", "--unit=fer-edge", "--output=cat", "--lines=9").stdout


def program(device, unit="fer-edge"):
    """The release whose program the daemon's process runs."""
    pid = shown(device, "MainPID", unit)
    line = device.run("cat", f"/proc/{pid}/cmdline").stdout
    return line.partition("/opt/fer-edge/")[2].partition("/bin/")[0], pid


def test_the_daemon_is_ready(running):
    assert shown(running, "ActiveState") == "active"
    assert "FPS" in shown(running, "StatusText")


def test_a_run_without_news_leaves_the_daemon_alone(running):
    before = program(running)
    assert not running.changed("--from", "/root/checkout")
    assert program(running) == before


SECOND = """
[daemon]
name = "back"
[mqtt]
host = "127.0.0.1"
port = 9
[events]
purpose = "to try a second camera"
"""


def test_a_second_camera_has_a_daemon_of_its_own(running):
    """As the guide says; its broker is away, so not all is well from here on."""
    guide = (ROOT / "docs/guide/device.md").read_text().partition("## Two cameras")[2]
    steps = re.findall(r"```bash\n(.*?)```", guide.partition("\n## ")[0], flags=re.DOTALL)
    copy, check, make_unit, _drop_ins, start = (step.replace("sudo ", "") for step in steps)
    edit = f"cat >>/etc/fer-edge/back.toml <<'TOML'{SECOND}TOML"
    start = start.replace("fer-edge status", "")
    for step in (re.sub("nano .*", edit, copy), check, make_unit, start):
        done = running.run("bash", "-euo", "pipefail", "-c", step)
        assert done.returncode == 0, done.stderr
    assert shown(running, "ActiveState", "fer-edge-back") == "active"
    told = running.run("fer-edge", "status", "--json")
    assert {json.loads(line)["name"] for line in told.stdout.splitlines()} == {"", "back"}
    assert told.returncode == 1


def test_a_broken_model_does_not_even_reach_the_daemon(running):
    before = program(running)
    running.offer(BROKEN_MODEL)
    running.install(code=1)
    assert program(running) == before
    assert shown(running, "ActiveState") == "active"


def test_a_daemon_that_does_not_become_ready_is_rolled_back(running):
    old = running.release
    running.offer(BROKEN_DAEMON)
    done = running.install("--ready-seconds", "20", code=1)
    assert "did not become ready" in done.stderr
    assert f"release {old} is back" in done.stderr
    assert "broken" in done.stderr, "the daemon's own last words are shown"
    assert (running.release, running.releases()) == (old, {old})
    assert shown(running, "ActiveState") == "active"


def test_a_daemon_that_loses_its_camera_is_rolled_back(running):
    old = running.release
    running.offer(BLIND_DAEMON)
    assert f"release {old} is back" in running.install("--ready-seconds", "8", code=1).stderr
    assert running.release == old
    assert "FPS" in shown(running, "StatusText")


def test_an_upgrade_restarts_the_daemons(running):
    old, before, other = running.release, program(running), program(running, "fer-edge-back")
    running.offer(ANOTHER)
    assert running.changed()
    assert running.releases() == {old, running.release}
    assert program(running) != before
    assert shown(running, "ActiveState") == "active"
    assert program(running, "fer-edge-back") != other
    assert shown(running, "ActiveState", "fer-edge-back") == "active"


def test_a_new_model_serves_after_a_reload(running):
    (running.root / "root/model.tflite").write_bytes(tiny_model())
    assert running.run("fer-edge", "model", "install", "/root/model.tflite").returncode == 0
    before = program(running)
    assert running.run("systemctl", "reload", "fer-edge").returncode == 0
    end = time.monotonic() + 20
    while "settings read anew: model" not in last_words(running):
        assert time.monotonic() < end, last_words(running)
        time.sleep(0.2)
    assert program(running) == before


def test_uninstall_stops_them(running):
    units = ("fer-edge", "fer-edge-back")
    pids = [program(running, unit)[1] for unit in units]
    assert running.changed("--uninstall", "--purge")
    for pid, unit in zip(pids, units, strict=True):
        assert running.run("test", "-e", f"/proc/{pid}").returncode == 1
        assert running.run("systemctl", "cat", unit).returncode == 1
    assert running.run("getent", "passwd", "fer-edge").returncode == 2
