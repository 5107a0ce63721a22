"""Root changes the slots while the daemon's user, who owns the folder around them, moves things."""

import ctypes
import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from fer_edge.models.slots import ModelSlots, Pointer
from fer_edge.shared.errors import FerError, OutputError
from fer_edge.shared.whole_files import WRITING

NOBODY = 65534
SECONDS = 1.0
AT_FDCWD, EXCHANGE = -100, 2

# Exchanges the slots' folder with a link to the victim without pause; `anew` also moves both away,
# so that root has to make the folder again. Gives up root first, where it has it.
ATTACKER = """
import ctypes, os, sys, time
state, victim, anew, seconds = os.fsencode(sys.argv[1]), *sys.argv[2:]
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
exchange = ctypes.CDLL(None).renameat2
models, link = state + b"/models", state + b"/link"
os.symlink(victim, link)
print("ready", flush=True)
end, count = time.monotonic() + float(seconds), 0
while time.monotonic() < end:
    if exchange(-100, models, -100, link, 2) == 0 and anew == "anew":
        count += 1
        try:
            os.rename(link, state + b"/d%d" % count)
            os.rename(models, link)
        except OSError:
            pass
"""


@pytest.fixture
def open_to_all():
    """A folder that another user gets to, as none below pytest's own is."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def can_exchange(folder):
    """Tell whether this kernel and file system exchange names."""
    (folder / "x").touch()
    (folder / "y").touch()
    names = os.fsencode(folder / "x"), os.fsencode(folder / "y")
    return ctypes.CDLL(None).renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], EXCHANGE) == 0


@pytest.mark.parametrize("how", ["exchanged", "anew"])
def test_whoever_exchanges_folders_leads_root_nowhere(open_to_all, how):
    if not can_exchange(open_to_all):
        pytest.skip("names cannot be exchanged on this file system")
    state, victim = open_to_all / "state", open_to_all / "victim"
    state.mkdir()
    victim.mkdir(mode=0o700)
    if os.getuid() == 0:
        os.chown(state, NOBODY, NOBODY)
    arguments = [str(state), str(victim), how, str(SECONDS)]
    with subprocess.Popen(
        [sys.executable, "-I", "-c", ATTACKER, *arguments], stdout=subprocess.PIPE
    ) as attacker:
        assert attacker.stdout.readline() == b"ready\n"
        tries = 0
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            slots = ModelSlots(state)
            tries += 1
            try:
                with slots.changing():
                    slot = slots.stage(b"DATA")
                    slots.keep(slot)
                    slots.point(Pointer(slot))
            except FerError:
                pass
    assert attacker.returncode == 0
    assert tries > 10
    assert list(victim.iterdir()) == []
    assert stat.S_IMODE(victim.stat().st_mode) == 0o700


def test_a_link_in_place_of_a_file_is_replaced_and_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("kept")
    secret.chmod(0o600)
    slots = ModelSlots(tmp_path / "state")
    with slots.changing():
        pass
    for name in (
        "a/model.tflite.new",
        "a/model.tflite",
        "serving",
        f"{WRITING}{os.getpid()}-serving",
    ):
        (slots.folder / name).symlink_to(secret)
    with slots.changing():
        slot = slots.stage(b"DATA")
        slots.keep(slot)
        slots.point(Pointer("b"))
    assert secret.read_text() == "kept"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert not (slots.folder / "serving").is_symlink()
    assert slots.pointer() == Pointer("b")


def test_what_was_left_behind_is_removed_and_not_what_it_points_to(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    slots = ModelSlots(tmp_path / "state")
    with slots.changing():
        pass
    (slots.folder / f"{WRITING}1-x").symlink_to(kept)
    (slots.folder / f"{WRITING}2-y").mkdir()
    (slots.folder / f"{WRITING}2-y" / "link").symlink_to(kept)
    with slots.changing():
        pass
    assert (kept / "file").exists()
    assert sorted(path.name for path in slots.folder.iterdir()) == ["a", "b"]


def test_a_folder_that_exists_keeps_its_mode(tmp_path):
    slots = ModelSlots(tmp_path / "state")
    slots.folder.mkdir(parents=True, mode=0o700)
    with slots.changing():
        pass
    assert stat.S_IMODE(slots.folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("what", ["fifo", "file", "link"])
@pytest.mark.parametrize("where", ["models", "models/b"])
def test_what_is_no_folder_is_refused_at_once(tmp_path, what, where):
    path = tmp_path / "state" / where
    path.parent.mkdir(parents=True)
    if what == "fifo":
        os.mkfifo(path)
    elif what == "file":
        path.touch()
    else:
        path.symlink_to(tmp_path)
    with pytest.raises(OutputError, match="is no folder but a link or a file"):
        ModelSlots(tmp_path / "state").changing().__enter__()
    assert [each.name for each in tmp_path.iterdir()] == ["state"]
