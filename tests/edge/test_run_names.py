"""What bears a run's name, and what a service remembers under it."""

from fer_edge.settings import resolve
from fer_edge.settings.names import (
    announced_path,
    can_be_switched,
    node_name,
    spool_path,
    switched_off_path,
)
from fer_edge.state.controls import Controls


def settings_of(**changes):
    flags = {key.replace("__", "."): value for key, value in changes.items()}
    return resolve(flags=flags, environment={}, file={}).settings


def test_the_spool_lies_in_the_state_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("STATE_DIRECTORY", f"/var/lib/fer-edge:{tmp_path}")
    assert str(spool_path(settings_of())) == "/var/lib/fer-edge/events.db"
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setenv("XDG_STATE_HOME", "/home/pi/state")
    assert str(spool_path(settings_of())) == "/home/pi/state/fer-edge/events.db"
    assert str(spool_path(settings_of(events__spool="/run/events.db"))) == "/run/events.db"


def test_what_is_switched_off_stays_off_when_the_service_starts_anew(monkeypatch, tmp_path):
    assert switched_off_path(settings_of()) is None, "at a prompt it passes"
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    path = switched_off_path(settings_of())
    controls = Controls(path)
    assert controls.enabled
    controls.enabled = False
    assert not Controls(path).enabled
    controls.enabled = True
    assert Controls(path).enabled
    controls.enabled = False
    assert Controls(path, heeded=False).enabled, "nobody could switch it on"
    assert [*tmp_path.iterdir()] == []


def test_who_can_switch_a_device_on(tmp_path):
    broker = {"mqtt__host": "127.0.0.1", "events__purpose": "light"}
    page = {"web__port": 9834, "web__view": "boxes"}
    token = tmp_path / "token"
    token.write_text("b" * 40)
    token.chmod(0o600)
    for able in (broker, {**page, "web__token_file": str(token)}):
        assert can_be_switched(settings_of(**able))
    for unable in ({}, {**broker, "mqtt__commands": False}, {"web__port": 9834}, page):
        assert not can_be_switched(settings_of(**unable))


def test_what_bears_a_runs_name_differs_from_run_to_run():
    runs = [
        settings_of(),
        settings_of(daemon__name="front"),
        settings_of(daemon__name="back"),
        settings_of(events__spool="/run/events.db"),
    ]
    assert len({spool_path(run) for run in runs}) == 4
    assert len({announced_path(run) for run in runs}) == 4
    assert len({node_name(run) for run in runs[:3]}) == 3
    assert node_name(runs[1]) == f"{node_name(runs[0])}-front"
    longest = node_name(settings_of(daemon__name="x" * 40))
    assert longest.endswith("-" + "x" * 40)
    assert len(longest) <= 64
    assert node_name(settings_of(daemon__name="front", mqtt__node="hall")) == "hall"
