"""The Ansible role, run for real on a Debian of its own: repeatable, and honest about changes."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tiny_model import tiny_model


def load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


debian_root, bundle = load("debian_root"), load("bundle")
ROOT = debian_root.ROOT
ROLE = ROOT / "deploy" / "ansible"
ANSIBLE = ("ansible-core>=2.16,<3",)

pytestmark = [
    pytest.mark.xdist_group("ansible"),
    pytest.mark.skipif(
        not (ROOT / "systemd" / "fer-edge.service").exists(), reason="there is no unit to install"
    ),
]


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    """A Debian with Ansible, and in /root/bundle all that the role needs."""
    folder = tmp_path_factory.mktemp("ansible")
    try:
        wheels = bundle.make_wheels(folder / "wheels")
        root = bundle.make_root(folder / "root", wheels)
        ansible = debian_root.kept(
            "ansible", repr((ANSIBLE, sys.version)), lambda path: bundle.download(path, *ANSIBLE)
        )
    except debian_root.MissingError as error:
        pytest.skip(str(error))
    shutil.copytree(ansible, root / "root/ansible-wheels")
    system = debian_root.Chroot(root)
    try:
        steps = (
            ("python3", "-m", "venv", "/root/ansible"),
            ("/root/ansible/bin/pip", "install", "--quiet", "--no-index", "--no-compile",
             "--find-links", "/root/ansible-wheels", "ansible-core"),
        )  # fmt: skip
        for step in steps:
            done = system.run(*step)
            assert done.returncode == 0, done.stderr
        (root / "root/model.tflite").write_bytes(tiny_model())
        (root / "dev/shm").mkdir(exist_ok=True)
        yield bundle.Device(system)
    finally:
        system.close()


def play(device, *options, code=0, **variables):
    """Run the playbook; return how many tasks changed something, and all that was said."""
    wheels = sorted(path.name for path in (device.root / "root/bundle").glob("*.whl"))
    (wheel,) = [name for name in wheels if name.startswith("fer_edge-")]
    given = {
        "fer_edge_repository": "/root/bundle",
        "fer_edge_wheel": f"/root/bundle/{wheel}",
        "fer_edge_wheels": [f"/root/bundle/{name}" for name in wheels if name != wheel],
        "fer_edge_packages": False,  # there is no network
        "fer_edge_model": "/root/model.tflite",
        **variables,
    }
    here = {"ansible_python_interpreter": "/usr/bin/python3", "ansible_become": False}
    done = device.run(
        "env", "ANSIBLE_PIPELINING=True",
        "/root/ansible/bin/ansible-playbook", "--inventory", "/root/inventory.ini",
        "--extra-vars", json.dumps({**here, **given}), *options,
        "/root/bundle/deploy/ansible/site.yml",
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    (changed,) = re.findall(r"changed=(\d+)", done.stdout.partition("PLAY RECAP")[2])
    return int(changed), done.stdout


@pytest.fixture(scope="module")
def installed(device):
    """The same after the first play."""
    inventory = "[fer_edge]\nlocalhost ansible_connection=local\n"
    (device.root / "root/inventory.ini").write_text(inventory)
    changed, _ = play(device)
    assert changed
    return device


def test_the_daemon_is_installed_with_its_settings(installed):
    assert installed.works()
    config = installed.root / "etc/fer-edge/config.toml"
    assert 'uri = "0"' in config.read_text()
    assert installed.run("systemctl", "is-enabled", "fer-edge").stdout == "enabled\n"


def test_a_second_play_changes_nothing(installed):
    assert play(installed)[0] == 0


def test_a_check_tells_what_would_change_and_changes_nothing(installed):
    before = dict(debian_root.files(installed.root))
    changed, said = play(
        installed, "--check", "--diff", fer_edge_settings={"source": {"uri": "http://camera/"}}
    )
    assert changed == 1
    assert '+uri = "http://camera/"' in said
    after = dict(debian_root.files(installed.root))
    assert {name for name in before if "root/.ansible" not in name} - after.keys() == set()
    assert after["etc/fer-edge/config.toml"] == before["etc/fer-edge/config.toml"]


@pytest.fixture
def fleet(installed):
    """What an inventory says of all, of a group and of a device; put back at the end."""
    certificate = installed.root / "root/ca.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=ours", "-keyout", "/dev/null", "-out", certificate], check=True, capture_output=True,
    )  # fmt: skip
    said = {
        "all": {
            "fer_edge_settings": {
                "events": {"purpose": "a test"},
                "expression": {"prior": {"happy": 0.4, "sad": 0.1}},
                "mqtt": {"host": "broker.example", "username": "all", "in_flight": 7},
            },
            "fer_edge_ca_file": "/root/ca.pem",
            "fer_edge_credentials": {
                "source-uri": "rtsp://eye:secret@camera/", "mqtt-password": "x",
            },
        },
        "fer_edge": {
            "fer_edge_settings_group": {
                "mqtt": {"username": "hall"}, "source": {"uri": "secret", "width": 320},
            }
        },
        "host": {"fer_edge_settings_host": {"mqtt": {"node": "door"}, "source": {"width": 160}}},
    }  # fmt: skip
    places = {
        "all": "group_vars/all",
        "fer_edge": "group_vars/fer_edge",
        "host": "host_vars/localhost",
    }
    for level, place in places.items():
        path = installed.root / f"root/{place}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(said[level]))
    yield installed
    for folder in ("root/group_vars", "root/host_vars", "etc/credstore"):
        shutil.rmtree(installed.root / folder)
    play(installed)


def test_settings_of_all_a_group_and_a_device_are_merged(fleet):
    play(fleet)
    config = tomllib.loads((fleet.root / "etc/fer-edge/config.toml").read_text())
    assert config["mqtt"] == {
        "host": "broker.example", "in_flight": 7, "username": "hall", "node": "door", "tls": True,
        "ca_file": "/etc/fer-edge/ca.pem",
    }  # fmt: skip
    assert config["source"] == {"uri": "secret", "width": 160}
    assert config["expression"] == {"prior": {"happy": 0.4, "sad": 0.1}}
    assert config["model"] == {"path": "slot"}, "what nobody named stays"
    authority = fleet.root / "etc/fer-edge/ca.pem"
    assert authority.read_bytes() == (fleet.root / "root/ca.pem").read_bytes()
    assert authority.stat().st_mode & 0o777 == 0o644
    assert play(fleet)[0] == 0, "a second play changes nothing"


def test_settings_that_the_daemon_would_refuse_change_nothing(installed):
    before = (installed.root / "etc/fer-edge/config.toml").read_text()
    (installed.root / "root/for-root-alone").write_text("a password")
    for wrong in (
        {"events": {"mode": "aggregate"}, "output": {"file": "/var/lib/fer-edge/lines"}},
        {
            "events": {"purpose": "x"},
            "mqtt": {"host": "b", "password_file": "/root/for-root-alone"},
        },
    ):
        said = play(installed, code=2, fer_edge_settings=wrong)[1]
        assert "failed to validate" in said
        assert (installed.root / "etc/fer-edge/config.toml").read_text() == before


def test_the_model_serves(installed):
    told = json.loads(installed.run("fer-edge", "model", "status", "--json").stdout)
    assert told["places"][told["serving"]]["name"] == "tiny"


def test_the_linter_finds_nothing():
    # Beside this Python, too, whose folder need not be on the PATH; it calls ansible-config there.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    linter = shutil.which("ansible-lint", path=path)
    if linter is None:
        pytest.skip("no ansible-lint: pip install ansible-lint")
    done = subprocess.run(
        [linter, "--offline", "--profile", "production"], env={**os.environ, "PATH": path},
        cwd=ROLE, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
