"""Model slots: whatever happens, a model that has passed its test serves."""

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from builders import a_contract
from command_line import PROGRAM, clean_environment
from tiny_model import golden_files, tiny_flatbuffer, tiny_model, with_golden

from fer_edge import DEFAULT_MODEL
from fer_edge.daemon.figures import Figures, Names
from fer_edge.models import open_model
from fer_edge.models.changing import install, roll_back
from fer_edge.models.choice import SlotReader, serve, serving_of
from fer_edge.models.slots import ModelSlots, Pointer
from fer_edge.settings import ModelSettings, Settings
from fer_edge.shared.errors import EXIT_CONFIG, FerError, ModelError, OutputError
from fer_edge.shared.model.model_file import MAX_MODEL_BYTES, parse_model, write_model
from fer_edge.shared.model.selftest import read_golden
from fer_edge.shared.whole_files import WRITING
from fer_edge.state.records import CameraHealth

OLD, NEW = tiny_model(seed=1), tiny_model(seed=2)


def sha256(data):
    return parse_model(data, where="").sha256


def with_wrong_golden_vectors():
    golden = read_golden(parse_model(NEW, where=""))
    outputs = golden.outputs.copy()
    outputs[0] ^= 2  # two steps: one is within what processors differ by
    model = with_golden(NEW, golden_files(golden.inputs, outputs))
    return write_model(model.flatbuffer, model.contract, golden_files(golden.inputs, outputs))


def with_other_labels():
    contract = a_contract(labels=("sad", "happy", "fear"))
    model = parse_model(NEW, where="")
    golden = {name: data for name, data in model.members.items() if name.startswith("golden/")}
    return write_model(model.flatbuffer, contract, golden)


def damaged():
    data = bytearray(NEW)
    data[len(data) // 2] ^= 1
    return bytes(data)


REFUSED = {
    "golden vectors": (with_wrong_golden_vectors(), "golden vectors differ"),
    "contract": (with_other_labels(), r"where int8\[N, 3\] fits"),
    "no contract": (tiny_flatbuffer(a_contract()), "without contract"),
    "damaged": (damaged(), "damaged"),
    "cut off": (NEW[: len(NEW) // 2], "damaged"),
    "empty": (b"", "the file is empty"),
    "no golden vectors": (
        write_model(tiny_flatbuffer(a_contract()), a_contract(), {}),
        "no golden",
    ),
}


@dataclass(frozen=True)
class Device:
    """A state folder, and a folder of files to install."""

    slots: ModelSlots
    files: Path

    def file(self, data, name="model.tflite"):
        path = self.files / name
        path.write_bytes(data)
        return path

    def install(self, data):
        return install(self.file(data), self.slots)

    def serving(self):
        """Hash of the network that a daemon would use, and why it is not the active one."""
        serving = serve("slot", slots=self.slots)
        return open_model(serving.model).sha256, serving.problem

    def leftovers(self):
        folder = self.slots.folder
        return [*folder.rglob("*.new"), *folder.rglob(f"{WRITING}*")]


SHIPPED = open_model(DEFAULT_MODEL).sha256


@pytest.fixture
def device(tmp_path):
    """With nothing installed."""
    (tmp_path / "files").mkdir()
    return Device(ModelSlots(tmp_path / "state"), tmp_path / "files")


@pytest.fixture(scope="module")
def state_with_both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("both")
    device = Device(ModelSlots(folder / "state"), folder)
    device.install(OLD)
    device.install(NEW)
    return folder / "state"


@pytest.fixture
def both(device, state_with_both):
    """With the old model in slot a, and the new one, which serves, in slot b."""
    shutil.copytree(state_with_both, device.slots.folder.parent)
    return device


def test_the_shipped_model_serves_where_nothing_was_installed(device):
    assert device.serving() == (SHIPPED, "")
    assert not device.slots.folder.exists()


def test_installed_models_alternate_between_the_slots(device):
    for seed, slot in ((1, "a"), (2, "b"), (3, "a")):
        data = tiny_model(seed=seed)
        change = device.install(data)
        assert (change.changed, change.pointer.serving) == (True, slot)
        assert device.serving() == (sha256(data), "")
    assert device.slots.pointer() == Pointer("a", "b")
    assert device.leftovers() == []


def test_installing_what_serves_changes_nothing(both):
    before = {path: path.stat().st_mtime_ns for path in both.slots.folder.rglob("*")}
    change = both.install(NEW)
    assert not change.changed
    assert before == {path: path.stat().st_mtime_ns for path in both.slots.folder.rglob("*")}


def test_the_way_back_and_forth(both):
    for expected in (OLD, NEW):
        assert roll_back(both.slots).changed
        assert both.serving() == (sha256(expected), "")


def test_the_way_back_from_the_first_model_leads_to_the_shipped_one(device):
    device.install(NEW)
    roll_back(device.slots)
    assert device.serving() == (SHIPPED, "")
    device.install(OLD)
    assert device.slots.pointer() == Pointer("b", "shipped")
    assert device.serving() == (sha256(OLD), "")


def test_there_is_no_way_back_where_nothing_was_installed(device):
    with pytest.raises(ModelError, match="no model that served before"):
        roll_back(device.slots)


def test_no_way_back_to_a_model_that_no_longer_passes(both):
    both.slots.path("a").write_bytes(damaged())
    with pytest.raises(ModelError, match="damaged"):
        roll_back(both.slots)
    assert both.serving() == (sha256(NEW), "")


@pytest.mark.parametrize("kind", REFUSED)
def test_a_model_that_fails_changes_nothing(both, kind):
    data, found = REFUSED[kind]
    with pytest.raises(ModelError, match=found) as caught:
        both.install(data)
    assert caught.value.exit_code == EXIT_CONFIG
    assert both.serving() == (sha256(NEW), "")
    assert both.slots.path("a").read_bytes() == OLD, "the way back is still open"
    assert both.leftovers() == []


def test_a_file_larger_than_any_model_is_not_copied(device):
    path = device.files / "large.tflite"
    with path.open("wb") as file:
        file.truncate(MAX_MODEL_BYTES + 1)
    with pytest.raises(ModelError, match="larger than any model"):
        install(path, device.slots)
    assert not device.slots.folder.exists()


@pytest.mark.parametrize("kind", [*REFUSED, "missing"])
def test_the_daemon_falls_back_to_the_other_slot(both, kind, caplog):
    if kind == "missing":
        both.slots.path("b").unlink()
    else:
        both.slots.path("b").write_bytes(REFUSED[kind][0])
    sha, problem = both.serving()
    assert sha == sha256(OLD)
    assert problem.startswith("slot b: ")
    assert "the model in slot b is not used" in caplog.text
    assert "serves instead" in caplog.text


def test_the_daemon_falls_back_to_the_shipped_model(both):
    for slot in ("a", "b"):
        both.slots.path(slot).write_bytes(damaged())
    sha, problem = both.serving()
    assert sha == SHIPPED
    assert problem.startswith("slot b: ")
    assert "; slot a: " in problem


@pytest.mark.parametrize(
    "text",
    ["", "b", "null", "{}", '{"serving":"c","before":"a"}', '{"serving":[]}', "\0" * 38, "[" * 900],
)
def test_a_damaged_pointer_leaves_a_model_that_passes(both, text):
    (both.slots.folder / "serving").write_text(text)
    sha, problem = both.serving()
    assert sha == sha256(OLD)
    assert "which says which model serves" in problem
    both.install(NEW)
    assert both.serving() == (sha256(NEW), "")


def test_what_was_tried_is_not_tried_again_while_it_is_the_same(device, monkeypatch):
    device.install(OLD)
    first = serve("slot", slots=device.slots)
    monkeypatch.setattr(sys, "executable", "/no/such/python")  # no trial can be made
    assert serve("slot", slots=device.slots, known=first) == first
    device.slots.path("a").write_bytes(NEW)
    assert serve("slot", slots=device.slots, known=first).place == "shipped"


def test_a_runtime_that_crashes_does_not_take_the_daemon_along(device, monkeypatch, tmp_path):
    device.install(OLD)
    crash = tmp_path / "python"
    crash.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crash.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(crash))
    sha, problem = device.serving()
    assert sha == SHIPPED
    assert "dies of signal 11" in problem


def test_a_slot_that_holds_another_model_changes_the_settings(device):
    reader = SlotReader(device.slots)
    asked = Settings(model=ModelSettings(path="slot", threads=2))
    first = reader.fill_in(asked)
    assert (first.model.path, first.model.threads) == (DEFAULT_MODEL, 2)
    device.install(OLD)
    second = reader.fill_in(asked)
    assert serving_of(second.model).place == "a"
    assert second.model != first.model
    assert reader.fill_in(asked) == second
    device.slots.path("a").write_bytes(NEW)
    assert reader.fill_in(asked).model != second.model


def test_the_daemons_state_tells_what_serves(both):
    both.slots.path("b").write_bytes(damaged())
    serving = serve("slot", slots=both.slots)
    names = Names("0", serving.name, "", serving.place, serving.problem)
    told = Figures(names).state("running", CameraHealth(), dropped=0, sinks=()).to_json()
    assert (told["model"], told["model_place"]) == ("tiny", "a")
    assert told["model_problem"].startswith("slot b: ")


def test_a_model_named_by_the_settings_is_none_of_its_business(device):
    assert serve(DEFAULT_MODEL, slots=device.slots).model == DEFAULT_MODEL
    assert serve("/no/such.tflite", slots=device.slots).model == "/no/such.tflite"


def test_a_daemon_of_another_user_can_read_what_root_installs(device):
    before = os.umask(0o077)
    try:
        device.slots.folder.parent.mkdir(mode=0o755)
        device.install(NEW)
    finally:
        os.umask(before)
    for path in (device.slots.folder, *device.slots.folder.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644)


@pytest.mark.parametrize("name", ["models", "models/a"])
def test_a_link_leads_nowhere(device, tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = device.slots.folder.parent / name
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    with pytest.raises(OutputError, match="is no folder but a link"):
        device.install(NEW)
    assert list(elsewhere.iterdir()) == []


def test_two_at_once(device):
    with device.slots.changing(), pytest.raises(OutputError, match="another `fer-edge model`"):
        device.install(NEW)


def test_a_full_disk_changes_nothing(both):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    path = both.file(tiny_model(seed=3))
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size // 2, limits[1]))
    try:
        with pytest.raises(OutputError, match=os.strerror(errno.EFBIG)):
            install(path, both.slots)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert both.serving() == (sha256(NEW), "")
    assert both.leftovers() == []


# The program, killed before its n-th step on the slots: opening, renaming, removing a file there.
KILLED = """
import os, signal, sys
folder, left = sys.argv[1], int(sys.argv[2])
steps = {"open", "os.mkdir", "os.chmod", "os.rename", "os.remove"}
names = {"models", "a", "b", "serving", "model.tflite", "model.tflite.new"}

def watch(event, arguments):
    global left
    name = str(arguments[0])
    if event in steps and (name.startswith((folder, ".writing-")) or name in names):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
from fer_edge.cli import main
sys.argv[1:] = sys.argv[3:]
main()
"""


def test_killed_at_any_step_a_model_that_passes_serves(device):
    device.install(OLD)
    path = device.file(NEW)
    state = device.slots.folder.parent
    outcomes = []
    for step in range(1, 60):
        done = subprocess.run(
            [
                *(sys.executable, "-c", KILLED, device.slots.folder, str(step)),
                *("model", "install", path, "--state", state),
            ],
            capture_output=True, text=True, timeout=300, check=False, env=clean_environment(),
        )  # fmt: skip
        sha, problem = device.serving()
        assert problem == ""
        assert sha in {sha256(OLD), sha256(NEW)}
        outcomes.append(sha == sha256(NEW))
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        if outcomes[-1]:  # the switch was made: start over from the old one
            roll_back(device.slots)
    assert outcomes[0] is False
    assert outcomes[-1] is True
    assert len(outcomes) > 8, "there are more steps than that"
    assert device.leftovers() == []


def test_a_power_cut_that_leaves_half_a_file_behind(device):
    device.install(OLD)
    staged = device.slots.staged_path("b")
    staged.write_bytes(NEW[:1000])
    (device.slots.folder / f"{WRITING}4711-serving").write_bytes(b"\0" * 10)
    assert device.serving() == (sha256(OLD), "")
    device.install(NEW)
    assert device.serving() == (sha256(NEW), "")
    assert device.leftovers() == []


def test_every_error_says_what_to_do(device):
    for data, _ in REFUSED.values():
        with pytest.raises(FerError) as caught:
            device.install(data)
        assert caught.value.fix
        assert caught.value.expected


def test_other_commands_know_the_slot(device, tmp_path):
    device.install(NEW)
    done = subprocess.run(
        [*PROGRAM, "inspect", "slot", "--json"],
        capture_output=True, text=True, timeout=300, check=False,
        env=clean_environment({"STATE_DIRECTORY": str(device.slots.folder.parent)}),
    )  # fmt: skip
    assert json.loads(done.stdout)["sha256"] == sha256(NEW)
