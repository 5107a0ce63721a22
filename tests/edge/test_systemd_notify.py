"""What systemd is told, and when."""

import logging
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from notify_socket import NotifySocket

from fer_edge.daemon import systemd as systemd_module
from fer_edge.daemon.systemd import SystemdNotifier


@pytest.fixture
def manager(tmp_path):
    with NotifySocket(tmp_path / "notify") as manager:
        yield manager


@pytest.fixture
def systemd(manager):
    return SystemdNotifier(manager.environment())


def test_ready_is_said_once(systemd, manager):
    systemd.ready()
    systemd.ready()
    assert manager.said == ["READY=1"]


def test_an_abstract_address(tmp_path):
    with NotifySocket(f"@fer-edge-{os.getpid()}-{time.monotonic_ns()}") as manager:
        SystemdNotifier(manager.environment()).ready()
        assert manager.said == ["READY=1"]


def test_beats_come_several_times_a_deadline_and_not_more_often(manager, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(systemd_module, "time", SimpleNamespace(monotonic=lambda: now))
    systemd = SystemdNotifier(manager.environment(WATCHDOG_USEC="400000"))
    for _ in range(130):
        systemd.beat()
        now += 0.005
    assert set(manager.said) == {"WATCHDOG=1"}
    assert 5 <= len(manager.said) <= 7


@pytest.mark.parametrize(
    "asked",
    [{}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "400000", "WATCHDOG_PID": "1"}],
    ids=["not asked", "nonsense", "asked of another process"],
)
def test_no_beat_where_none_is_asked_for(manager, asked):
    SystemdNotifier(manager.environment(**asked)).beat()
    assert manager.said == []


def test_a_status_is_one_line_and_said_when_it_changes(systemd, manager):
    for text in ("15 FPS", "15 FPS", "camera lost:\nno route", "x" * 5000, "\udcff"):
        systemd.status(text)
    assert manager.said == [
        "STATUS=15 FPS", "STATUS=camera lost: no route", f"STATUS={'x' * 300}", "STATUS=?",
    ]  # fmt: skip


def test_ready_follows_a_reload_that_fails(systemd, manager):
    systemd.ready()
    before_us = time.monotonic_ns() // 1000
    with pytest.raises(RuntimeError), systemd.reloading():
        raise RuntimeError
    said = manager.said
    kind, _, since = said[1].partition("\nMONOTONIC_USEC=")
    assert (said[0], kind, said[2]) == ("READY=1", "RELOADING=1", "READY=1")
    assert before_us <= int(since) <= time.monotonic_ns() // 1000


def test_a_reload_before_the_start_is_over_does_not_end_it(systemd, manager):
    with systemd.reloading():
        pass
    assert manager.said == []


def test_a_reload_begins_and_ends_with_a_beat(manager):
    systemd = SystemdNotifier(manager.environment(WATCHDOG_USEC="60000000"))
    systemd.ready()
    systemd.beat()
    with systemd.reloading():
        pass
    kinds = [said.partition("=")[0] for said in manager.said]
    assert kinds == ["READY", "WATCHDOG", "WATCHDOG", "RELOADING", "READY", "WATCHDOG"]


def test_the_watchdog_waits_longer_during_a_reload(manager):
    systemd = SystemdNotifier(manager.environment(WATCHDOG_USEC="3000000"))
    systemd.ready()
    with systemd.reloading():
        assert manager.said[-1].endswith("\nWATCHDOG_USEC=120000000")
    assert manager.said[-2] == "READY=1\nWATCHDOG_USEC=3000000"


def test_the_end_is_said(systemd, manager):
    systemd.stopping()
    assert manager.said == ["STOPPING=1", "STATUS=stopping"]


def test_a_manager_that_has_gone_is_a_warning_once_and_no_failure(manager, tmp_path, caplog):
    systemd = SystemdNotifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    with caplog.at_level(logging.WARNING):
        systemd.ready()
        systemd.stopping()
    assert len(caplog.records) == 1
    assert "READY" in caplog.text


def test_silent_where_there_is_no_manager(caplog):
    systemd = SystemdNotifier({"WATCHDOG_USEC": "400000"})
    assert not systemd.heard
    systemd.ready()
    systemd.beat()
    systemd.status("15 FPS")
    with systemd.reloading():
        systemd.stopping()
    assert not caplog.records


def test_an_abort_says_where_every_thread_was():
    script = (
        "import os, signal, sys, threading, time\n"
        "from fer_edge.daemon.systemd import tell_where_it_hung\n"
        "def hanging_driver(): time.sleep(60)\n"
        "tell_where_it_hung()\n"
        "threading.Thread(target=hanging_driver, daemon=True).start()\n"
        "while not any(frame.f_code.co_name == 'hanging_driver' for frame in "
        "sys._current_frames().values()): time.sleep(0.01)\n"
        "os.kill(os.getpid(), signal.SIGABRT)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode < 0
    assert "in hanging_driver" in done.stderr
