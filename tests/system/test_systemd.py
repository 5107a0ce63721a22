"""The shipped unit under a systemd that has really booted."""

import json
import os
import re
import socket
import statistics
import time
import urllib.request
from pathlib import Path

import pytest
from builders import PORTRAIT
from command_line import wait_until_connected
from system.booted import UNIT, VENV, boot
from system.emulated import MissingError
from system.installed_unit import DROP_INS, INSTALLED, InstalledUnit

from fer_edge.shared.data.pictures import read_grey
from fer_edge.testing.fakes import MjpegServer

HERE = Path(__file__).parent
MOST_EXPOSURE = {"network": 1.1}
"""By drop-in, of `systemd-analyze security`; the others may reach 1.3."""

STOPPED_SECONDS = 8.0
"""Sooner than systemd's patience (TimeoutStopSec) ends, and than a camera's opening does."""

pytestmark = pytest.mark.xdist_group("booted")


@pytest.fixture(scope="module")
def booted():
    try:
        system = boot()
    except MissingError as error:
        pytest.skip(str(error))
    yield system
    system.close()


@pytest.fixture
def camera():
    with MjpegServer([read_grey(PORTRAIT)], frames_per_second=15) as server:
        yield server


@pytest.fixture
def service(booted):
    service = InstalledUnit(booted)
    yield service
    service.forget()


@pytest.fixture
def running(service, camera):
    service.configure(camera.url)
    service.start()
    return service


@pytest.mark.parametrize("drop_in", ["", *DROP_INS])
def test_systemd_finds_nothing_to_complain_of(booted, service, drop_in):
    service.use_drop_in(drop_in)
    done = booted.run("systemd-analyze", "verify", INSTALLED, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("drop_in", ["", *DROP_INS])
def test_little_is_exposed(booted, service, drop_in):
    service.use_drop_in(drop_in)
    threshold = round(MOST_EXPOSURE.get(drop_in, 1.3) * 10)
    done = booted.run(
        "systemd-analyze", "security", "--offline=true", f"--threshold={threshold}", INSTALLED,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-500:]


def test_it_is_ready_in_time_and_tells_how_it_does(running):
    moments = ("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")
    started_us, ready_us = map(int, running.system.properties(*moments))
    # Others may have had the processor.
    assert (ready_us - started_us) / 1e6 - running.waited_for_processor_s() < 3
    told = re.compile(r"\d+\.\d FPS, camera \w+, 1 face in view")
    running.wait_until(lambda: told.fullmatch(running.told("StatusText")), seconds=30)


@pytest.mark.parametrize("drop_in", DROP_INS)
def test_it_serves_with_each_drop_in(service, camera, drop_in):
    service.use_drop_in(drop_in)
    service.configure(camera.url)
    service.start()
    assert service.told("ActiveState") == "active"


def test_the_golden_vectors_match_in_the_sandbox(service):
    result = service.probe(f"{VENV}/bin/fer-edge selftest --json")
    assert result["passed"]
    assert result["n"] > 0


def test_the_network_runs_at_full_speed_in_the_sandbox(service):
    ratios = [
        service.inference_ms(sandbox=True) / service.inference_ms(sandbox=False) for _ in range(3)
    ]
    assert statistics.median(ratios) < 1.5
    slow = service.inference_ms(sandbox=True, more="ProcSubset=pid\n", rounds=30)
    assert slow > 3 * service.inference_ms(sandbox=False), "the measurement cannot tell"


def test_the_sandbox_keeps_what_it_promises(booted, service):
    for path, mode in (("/dev/video0", "0660"), ("/dev/video1", "0600")):
        booted.run("rm", "-f", path)
        # The numbers of /dev/zero, which every unit may open: so what counts is the owner.
        booted.run("mknod", "--mode", mode, path, "c", 1, 5)
    booted.run("chgrp", "video", "/dev/video0")
    booted.write("/opt/fer-edge/sandbox_probe.py", (HERE / "sandbox_probe.py").read_text())
    folders = "/,/etc,/etc/fer-edge,/usr,/opt/fer-edge,/var,/home,/root,/sys,/proc/sys,/dev"
    own = "/var/lib/fer-edge,/run/fer-edge,/tmp,/dev/shm"
    paths = "/dev/video0,/dev/video1,/etc/shadow,/proc/cpuinfo,/proc/kmsg"
    found = service.probe(
        f"{VENV}/bin/python /opt/fer-edge/sandbox_probe.py {folders},{own} {paths} {own}"
    )
    assert {folder for folder, said in found["write"].items() if said == "ok"} == set(
        own.split(",")
    )
    assert found["open"] == {
        "/dev/video0": "ok", "/dev/video1": "EACCES",
        "/etc/shadow": "EACCES", "/proc/cpuinfo": "ok", "/proc/kmsg": "EACCES",
    }  # fmt: skip
    assert set(found["execute"].values()) == {"EACCES"}
    assert [kind for kind, said in found["socket"].items() if said == "ok"] == [
        "AF_UNIX", "AF_INET", "AF_INET6",
    ]  # fmt: skip
    assert found["call back"] == "ok"
    assert found["writable and executable memory"] == "EPERM"
    assert found["namespace"] == "EPERM"
    assert found["kill"] == "EPERM"
    assert found["processes"] == [found["pid"]]
    assert found["capabilities"] == ["0" * 16] * 3
    assert found["privileges"] == ["1", "2"]
    assert found["user"] != "0"


def test_the_page_reads_a_photo_and_takes_a_model_in_the_sandbox(booted, service, camera):
    token = "correct horse battery staple"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    booted.write("/etc/credstore/fer-edge.web-token", token, mode=0o600)
    more = f'[model]\npath = "slot"\n[web]\nport = {port}\nview = "boxes"\n'
    service.configure(camera.url, more=more)
    service.start()
    pid = service.pid

    def ask(path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}", body, {"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    assert ask("/photo", PORTRAIT.read_bytes())["faces"][0]["label"] == "happy"
    assert "has passed its test" in ask("/control/model", b'{"model": "edge-nano"}')["message"]
    serving = [{"name": "edge-nano", "serving": True}]
    service.wait_until(
        lambda: serving == [
            {"name": one["name"], "serving": True}
            for one in ask("/device.json")["models"] if one["serving"]
        ],
        seconds=30,
    )  # fmt: skip
    service.wait_until(lambda: ask("/device.json")["findings"], seconds=60)
    assert service.pid == pid


def test_a_process_that_is_stopped_is_restarted_by_the_watchdog(running):
    took = []
    while not took or (min(took) > 5 and len(took) < 5):  # other tests have the processor, too
        stopped = time.monotonic()
        pid = running.kill("STOP")
        running.wait_until(lambda since=pid: running.is_back(since=since), seconds=20)
        took.append(running.ready_at() - stopped - running.waited_for_processor_s())
    assert min(took) < 5
    journal = running.system.journal()
    assert "Watchdog timeout" in journal
    assert "most recent call first" in journal, "the journal does not say where it hung"


def test_it_survives_being_killed(booted, running):
    booted.run("touch", "/run/fer-edge/events.db")  # where the guide puts a spool in memory
    pid = running.kill("KILL")
    running.wait_until(lambda: running.is_back(since=pid), seconds=30)
    booted.run("test", "-e", "/run/fer-edge/events.db")
    booted.run("rm", "/run/fer-edge/events.db")


def test_credentials_are_for_the_service_alone(booted, service, camera):
    camera.credentials = "eye:sesame"
    address = camera.url.replace("://", "://eye:sesame@")
    booted.write("/etc/credstore/fer-edge.source-uri", address, mode=0o600)
    booted.write("/etc/credstore/fer-edge.mqtt-password", "open sesame", mode=0o600)
    service.configure("secret")
    service.start()
    folder = f"/run/credentials/{UNIT}"
    read = f"cat {folder}/source-uri {folder}/mqtt-password"
    assert booted.run("setpriv", "--reuid=fer-edge", "--clear-groups", "sh", "-c", read).stdout
    for user in ("nobody", "daemon"):
        done = booted.run(
            "setpriv", f"--reuid={user}", "--regid=video", "--clear-groups", "sh", "-c", read,
            check=False,
        )  # fmt: skip
        assert done.returncode
        assert "ermission denied" in done.stderr
    shown = booted.systemctl("show", UNIT) + booted.systemctl("status", UNIT) + booted.journal()
    shown += booted.run("cat", f"/proc/{service.pid}/cmdline").stdout
    shown += booted.run("cat", f"/proc/{service.pid}/environ").stdout
    assert "sesame" not in shown


def test_sigterm_ends_it_cleanly_and_soon(running):
    assert running.stop() < STOPPED_SECONDS
    assert running.system.properties("Result", "ExecMainStatus", "ActiveState") == [
        "success", "0", "inactive",
    ]  # fmt: skip


@pytest.mark.parametrize("behaviour", ["silent", "stall"])
def test_it_ends_soon_while_it_has_no_camera(service, camera, behaviour):
    service.configure(camera.url)
    if behaviour == "silent":
        camera.behaviour = "silent"
        service.system.systemctl("start", "--no-block", UNIT)
        wait_until_connected(os.getpid(), camera.port)  # it shares this network
        assert service.told("ActiveState") == "activating"
    else:
        service.start()
        camera.behaviour = "stall"
        service.wait_until(
            lambda: re.match("camera (waiting|opening)", service.told("StatusText")), seconds=10
        )
    assert service.stop() < STOPPED_SECONDS
    assert service.system.properties("Result", "ExecMainStatus") == ["success", "0"]


@pytest.mark.parametrize("broker", ["nobody listens", "nobody answers"])
def test_it_ends_soon_while_its_broker_is_away(service, camera, broker):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        if broker == "nobody answers":
            mute.listen()
        port = mute.getsockname()[1]
        service.configure(
            camera.url,
            more=f'[events]\npurpose = "a test"\n[mqtt]\nhost = "127.0.0.1"\nport = {port}\n',
        )
        service.start()
        service.wait_until(lambda: "mqtt offline" in service.told("StatusText"), seconds=30)
        assert service.stop() < STOPPED_SECONDS
    assert service.system.properties("Result", "ExecMainStatus") == ["success", "0"]


def test_a_reload_keeps_camera_and_process(running, camera):
    camera.credentials = "nobody:may"  # who connects anew is refused
    pid = running.pid
    running.configure(camera.url, more="[smoothing]\nmemory_seconds = 1.0\n")
    running.system.systemctl("reload", UNIT)
    running.wait_until(
        lambda: "settings read anew: smoothing" in running.system.journal(), seconds=30
    )
    running.wait_until(lambda: running.told("SubState") == "running", seconds=30)
    time.sleep(1.5)
    assert running.pid == pid
    assert "1 face in view" in running.told("StatusText")


def test_a_reload_of_a_wrong_file_is_refused_and_said(running, camera):
    pid = running.pid
    running.configure(camera.url, more="[smoothing]\nmemroy_seconds = 1.0\n")
    running.system.systemctl("reload", UNIT)
    running.wait_until(
        lambda: "the new settings are not used" in running.system.journal(), seconds=30
    )
    running.wait_until(lambda: running.told("SubState") == "running", seconds=30)
    assert "did you mean 'smoothing.memory_seconds'?" in running.system.journal(priority="err")
    assert running.pid == pid


def test_a_wrong_configuration_is_not_tried_again(service, camera):
    service.configure(camera.url, more="[sorce]\nuri = 1\n")
    service.start(check=False)
    time.sleep(1.5)  # three times what systemd waits for before it starts one again
    assert service.system.properties("ActiveState", "ExecMainStatus", "NRestarts") == [
        "failed", "78", "0",
    ]  # fmt: skip
    assert "unknown setting 'sorce.uri'" in service.system.journal(priority="err")


def test_a_camera_that_is_not_there_at_the_start_is_waited_for(service, camera):
    camera.stop()
    service.configure(camera.url)
    service.system.systemctl("start", "--no-block", UNIT)
    time.sleep(4)
    camera.start()
    told = re.compile(r"[1-9]\d*\.\d FPS.*")
    service.wait_until(lambda: told.match(service.told("StatusText")), seconds=60)
    assert service.told("ExecMainStatus") in {"0", "69"}


@pytest.mark.parametrize(("code", "again"), [(1, True), (69, True), (2, False), (78, False)])
def test_what_a_person_must_mend_is_not_tried_again(service, code, again):
    service.drop_in(
        f"[Service]\nRestartSec=100ms\nExecStart=\nExecStart=/bin/sh -c 'exit {code}'\n"
    )
    service.start(check=False)
    if again:
        service.wait_until(lambda: int(service.told("NRestarts")) > 0, seconds=30)
    else:
        time.sleep(1)
        assert service.told("NRestarts") == "0"


def test_a_program_that_crashes_at_every_start_is_given_up(service):
    service.drop_in(
        "[Service]\nRestartSec=10ms\nExecStart=\nExecStart=/bin/sh -c 'kill -SEGV $$$$'\n"
    )
    service.start(check=False)
    service.wait_until(lambda: service.told("ActiveState") == "failed", seconds=30)
    assert service.told("NRestarts") == "40"
    assert "repeated too quickly" in service.system.journal()
