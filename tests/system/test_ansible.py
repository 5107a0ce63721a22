"""The Ansible role, run for real on a Debian of its own: repeatable, and honest about changes."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
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


def play(device, *options, **variables):
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
    assert done.returncode == 0, done.stdout + done.stderr
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


def test_the_model_serves(installed):
    told = json.loads(installed.run("fer-edge", "model", "status", "--json").stdout)
    assert told["places"][told["serving"]]["name"] == "tiny"


def test_the_linter_finds_nothing():
    linter = shutil.which("ansible-lint")
    if linter is None:
        pytest.skip("no ansible-lint: pip install ansible-lint")
    done = subprocess.run(
        [linter, "--offline", "--profile", "production"],
        cwd=ROLE, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
