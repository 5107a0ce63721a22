"""Settings read anew while a camera runs: what has changed is replaced, the rest stays."""

import contextlib
import dataclasses
import json
import logging
import os
import socket
import threading
import time

import numpy as np
import pytest
from builders import (
    SEVEN,
    a_contract,
    a_face,
    a_frame,
    a_picture,
    a_prediction,
    a_reading,
    encoded,
)
from hostile_models import hostile_model
from tiny_model import tiny_model
from web_browser import Browser

from fer_edge.daemon.assembly import make_service
from fer_edge.settings import (
    BaselineSettings,
    OutputSettings,
    Settings,
    SmoothingSettings,
    SourceSettings,
    WebSettings,
)
from fer_edge.shared.errors import FerError, SettingsError
from fer_edge.state.controls import Controls
from fer_edge.testing.fakes import MjpegServer

ELSEWHERE = "user:password"
"""What a camera asks of new connections once it may not be opened again."""


@pytest.fixture
def camera():
    with MjpegServer([a_picture(160, 120)], frames_per_second=100) as server:
        yield server


class Daemon:
    """A service whose settings a test replaces between frames."""

    def __init__(self, folder, url):
        self.folder = folder
        self.model("one")
        self.settings = Settings(
            source=SourceSettings(uri=url),
            model=dataclasses.replace(Settings().model, path=self.model("one")),
            output=OutputSettings(file=str(folder / "one.jsonl")),
        )
        self.wrong = None
        self.controls = Controls()
        self.seen = []

    def model(self, name, **changes):
        path = self.folder / f"{name}.tflite"
        path.write_bytes(tiny_model(a_contract(**changes)))
        return str(path)

    def lines(self, name):
        path = self.folder / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def change(self, **sections):
        self.settings = dataclasses.replace(self.settings, **sections)

    def read_settings(self):
        if self.wrong is not None:
            raise self.wrong
        return self.settings

    def run(self, *acts):
        """Run; after every five frames reload with what the next act has changed."""

        def watch(frame, observation, tally):
            self.seen.append((frame, observation))
            turn, rest = divmod(tally.frames, 5)
            if rest == 0 and turn <= len(acts):
                acts[turn - 1](service)
                self.controls.reload()
            elif rest == 0:
                self.controls.stop()

        with make_service(
            self.settings, self.controls, read_settings=self.read_settings
        ) as service:
            service.run(watch=watch)
            return service


@pytest.fixture
def daemon(tmp_path, camera):
    return Daemon(tmp_path, camera.url)


def test_another_model_serves_and_the_camera_stays(daemon, camera, caplog):
    def act(service):
        camera.credentials = ELSEWHERE
        daemon.change(model=dataclasses.replace(daemon.settings.model, path=daemon.model("two")))

    with caplog.at_level(logging.INFO):
        service = daemon.run(act)
    assert service.state().model.endswith("two.tflite")
    assert len(daemon.lines("one")) == 10
    assert [frame.index for frame, _ in daemon.seen] == sorted(
        frame.index for frame, _ in daemon.seen
    )
    assert "settings read anew: model" in caplog.text


def test_another_name_is_refused_and_the_rest_of_the_settings_with_it(daemon, caplog):
    def act(_service):
        daemon.change(
            daemon=dataclasses.replace(daemon.settings.daemon, name="other"),
            output=OutputSettings(file=str(daemon.folder / "two.jsonl")),
        )

    daemon.run(act)
    assert "a run keeps its name" in caplog.text
    assert daemon.lines("two") == []


def test_frames_keep_their_colours_as_soon_as_a_network_looks_at_them(daemon):
    colours = dataclasses.replace(a_contract().input, channels=3, colour="rgb")

    def act(_service):
        path = daemon.model("colour", input=colours)
        daemon.change(model=dataclasses.replace(daemon.settings.model, path=path))

    def back(_service):
        daemon.change(model=dataclasses.replace(daemon.settings.model, path=daemon.model("one")))

    daemon.run(act, back)
    had_colour = [frame.colour is not None for frame, _ in daemon.seen]
    assert (had_colour[4], had_colour[9], had_colour[14]) == (False, True, False)


def test_a_model_that_crashes_the_runtime_leaves_the_old_one_serving(daemon, caplog):
    def act(service):
        path = daemon.folder / "crash.tflite"
        path.write_bytes(hostile_model("null input"))
        daemon.change(model=dataclasses.replace(daemon.settings.model, path=str(path)))

    service = daemon.run(act)
    assert service.state().model.endswith("one.tflite")
    assert len(daemon.lines("one")) == 10
    assert "the new settings are not used" in caplog.text
    assert "dies of signal 11" in caplog.text


def test_another_output_is_opened_and_the_camera_stays(daemon, camera):
    def act(service):
        camera.credentials = ELSEWHERE
        daemon.change(output=OutputSettings(file=str(daemon.folder / "two.jsonl")))

    daemon.run(act)
    assert [len(daemon.lines("one")), len(daemon.lines("two"))] == [5, 5]


def test_another_camera_is_turned_to(daemon):
    bright = np.full((60, 80), 250, np.uint8)
    with MjpegServer([bright], frames_per_second=100) as other:
        service = daemon.run(lambda _service: daemon.change(source=SourceSettings(uri=other.url)))
        assert service.state().source == other.url
    assert daemon.seen[-1][0].grey.shape == (60, 80)
    assert len(daemon.lines("one")) == 10


def test_a_source_that_cannot_be_is_not_told_of_and_is_tried_again(daemon, camera, tmp_path):
    clip = tmp_path / "clip.mjpg"
    told = []

    def to_a_clip_that_is_not_there(_service):
        daemon.change(source=SourceSettings(uri=str(clip)))

    def now_it_is_there(service):
        told.append(service.state().source)
        clip.write_bytes(encoded(a_picture(80, 60), ".jpg") * 30)

    service = daemon.run(to_a_clip_that_is_not_there, now_it_is_there)
    assert told == [camera.url]
    assert service.state().source == str(clip)
    assert daemon.seen[-1][0].grey.shape == (60, 80)
    assert len(daemon.lines("one")) == 15


def test_a_spool_whose_name_is_too_long_is_refused_and_the_run_goes_on(daemon, tmp_path, caplog):
    mqtt = dataclasses.replace(daemon.settings.mqtt, host="localhost", tls=False)
    spool = str(tmp_path / ("x" * 300))
    events = dataclasses.replace(daemon.settings.events, spool=spool, purpose="a test")
    daemon.run(lambda _service: daemon.change(mqtt=mqtt, events=events))
    assert "the new settings are not used" in caplog.text
    assert "File name too long" in caplog.text
    assert len(daemon.lines("one")) == 10


def test_whom_nobody_could_switch_on_any_more_is_switched_on(daemon, caplog):
    daemon.controls.enabled = False  # by a broker's client, which the settings know no more

    def look():
        while not daemon.controls.enabled:
            time.sleep(0.05)
        daemon.controls.stop()

    with make_service(
        daemon.settings, daemon.controls, read_settings=daemon.read_settings
    ) as service:
        daemon.controls.reload()
        looker = threading.Thread(target=look, daemon=True)
        looker.start()
        service.run(max_seconds=30)
    assert daemon.controls.enabled
    assert "nobody could do that any more" in caplog.text


def test_what_was_learnt_of_a_place_is_not_lost(daemon, tmp_path, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    at_rest = tuple(float(label == "neutral") for label in SEVEN)
    look = a_reading(face=a_face(track_id=1), prediction=a_prediction(probabilities=at_rest))

    def learnt():
        (file,) = (tmp_path / "state").glob("baseline*.json")
        return json.loads(file.read_text())["seconds"]

    def look_for(service, seconds):
        for moment in range(10 * seconds):
            frame = a_frame(monotonic_ns=moment * 10**8)
            service.pipeline.corrector.update(frame, [look])

    def act(service):
        look_for(service, 10)
        daemon.change(smoothing=SmoothingSettings(memory_seconds=9.0))

    daemon.change(baseline=BaselineSettings(mode="place"))
    daemon.run(act, lambda service: look_for(service, 2))
    assert learnt() > 11


def a_port():
    """Return a free port that the system gives to nobody who does not name it."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


def looked_at(daemon, web, *acts, notice=lambda _problem: None):
    """Run until somebody has looked at frames before, between and after each act and reload."""
    daemon.change(web=web)
    seen, left = [], list(acts)

    def look(service):
        try:
            with Browser(web.port).watch("/events") as page:
                for name, told in page.messages():
                    if name != "frame":
                        continue
                    seen.append(told["frame"])
                    if len(seen) % 3 == 0:
                        if not left:
                            break
                        left.pop(0)(service)
                        daemon.controls.reload()
        finally:
            daemon.controls.stop()

    with make_service(
        daemon.settings, daemon.controls, read_settings=daemon.read_settings
    ) as service:
        viewer = threading.Thread(target=look, args=(service,))
        viewer.start()
        service.run(max_seconds=60, tell=lambda state: notice(state.camera.problem))
        viewer.join()
    return seen


def test_whoever_looks_is_not_cut_off_by_other_settings(daemon, camera):
    def other_output(_service):
        daemon.change(output=OutputSettings(file=str(daemon.folder / "two.jsonl")))

    def other_model(_service):
        daemon.change(model=dataclasses.replace(daemon.settings.model, path=daemon.model("two")))

    def wrong_output(_service):
        daemon.change(output=OutputSettings(file=str(daemon.folder / "no" / "two.jsonl")))

    web = WebSettings(port=a_port(), view="boxes", view_fps=60)
    seen = looked_at(daemon, web, other_output, other_model, wrong_output)
    assert len(seen) == 12
    assert seen == sorted(seen)
    assert daemon.lines("two")


def test_whoever_looks_sees_the_camera_come_back(daemon, camera):
    refused = []

    def ask_for_more_than_it_has(_service):
        camera.behaviour, camera.credentials = "end", ELSEWHERE
        refused.append(camera)

    def notice(problem):
        """Let it back in once the daemon has found out."""
        if refused and problem:
            camera.behaviour, camera.credentials = "stream", ""

    web = WebSettings(port=a_port(), view="boxes", view_fps=60)
    seen = looked_at(daemon, web, ask_for_more_than_it_has, lambda _: None, notice=notice)
    assert len(seen) == 9


def test_another_view_is_another_page(daemon, camera):
    web = WebSettings(port=a_port(), view="boxes", view_fps=60)
    statuses = []

    def act(_service):
        daemon.change(web=dataclasses.replace(web, view="picture"))

    def watch_statuses(service):
        statuses.append(Browser(web.port).ask("/live.mjpeg", method="HEAD").status)

    daemon.change(web=web)
    daemon.run(lambda s: (watch_statuses(s), act(s)), watch_statuses)
    assert statuses == [404, 200]


def test_a_token_that_was_replaced_counts_though_no_setting_has_changed(daemon, camera, caplog):
    token, asked = daemon.folder / "token", []
    web = WebSettings(port=a_port(), token_file=str(token))
    old, new = "correct horse battery staple", "another horse battery staple"

    def ask():
        browser = Browser(web.port)
        return [browser.ask("/livez", Authorization=f"Bearer {t}").status for t in (old, new)]

    def act(text):
        def write(_service):
            asked.append(ask())
            token.write_text(text)

        return write

    token.write_text(old)
    daemon.change(web=web)
    daemon.run(act(new), act("short"), act(old))
    assert asked == [[200, 401], [401, 200], [401, 200]]
    assert "keeps its old token and certificate: the web-token has 5 characters" in caplog.text


def test_nothing_changed_changes_nothing(daemon, camera, caplog):
    parts = []

    def act(service):
        camera.credentials = ELSEWHERE
        parts.extend((service.camera, service.pipeline, service.sinks))

    with caplog.at_level(logging.INFO):
        service = daemon.run(act)
    assert parts == [service.camera, service.pipeline, service.sinks]
    assert "nothing has changed" in caplog.text


def refused(daemon, act, camera, caplog):
    """Reload; assert that it is refused, said, and that everything goes on as before."""
    kept = []

    def act_and_keep(service):
        camera.credentials = ELSEWHERE
        kept.extend((service.camera, service.pipeline, service.figures.names))
        act(service)

    service = daemon.run(act_and_keep)
    assert kept == [service.camera, service.pipeline, service.figures.names]
    assert len(daemon.lines("one")) == 10
    (error,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert error.message.startswith("the new settings are not used: ")
    return error.message


def test_a_wrong_file_is_refused_and_said(daemon, camera, caplog):
    def act(_service):
        daemon.wrong = SettingsError("unknown setting 'source.url'", expected="uri", fix="fix it")

    assert "source.url" in refused(daemon, act, camera, caplog)


def test_a_model_that_is_not_there_is_refused_and_nothing_else_is_changed(daemon, camera, caplog):
    def act(_service):
        daemon.change(
            model=dataclasses.replace(daemon.settings.model, path=str(daemon.folder / "no.tflite")),
            output=OutputSettings(file=str(daemon.folder / "two.jsonl")),
            smoothing=SmoothingSettings(memory_seconds=9.0),
        )

    assert "no.tflite" in refused(daemon, act, camera, caplog)
    assert daemon.lines("two") == []


def test_an_output_that_cannot_be_opened_is_refused_and_the_former_goes_on(daemon, camera, caplog):
    def act(_service):
        daemon.change(
            model=dataclasses.replace(daemon.settings.model, path=daemon.model("two")),
            output=OutputSettings(file=str(daemon.folder / "no" / "two.jsonl")),
        )

    assert "two.jsonl" in refused(daemon, act, camera, caplog)


def test_where_not_even_the_former_output_opens_the_run_ends(daemon, camera):
    def act(_service):
        daemon.change(output=OutputSettings(file=str(daemon.folder / "no" / "two.jsonl")))
        (daemon.folder / "one.jsonl").unlink()
        (daemon.folder / "one.jsonl").mkdir()

    with pytest.raises(FerError, match=r"one\.jsonl"):
        daemon.run(act)


def test_after_a_refusal_the_next_good_file_is_taken(daemon, camera):
    def act(_service):
        daemon.wrong = SettingsError("wrong", expected="right", fix="mend it")

    def mend(_service):
        daemon.wrong = None
        daemon.change(model=dataclasses.replace(daemon.settings.model, path=daemon.model("two")))

    assert daemon.run(act, mend).state().model.endswith("two.tflite")
    assert len(daemon.lines("one")) == 15


@pytest.mark.parametrize("place", ["file", "environment", "credential"])
def test_a_secret_address_is_read_where_secrets_are(daemon, camera, tmp_path, monkeypatch, place):
    camera.credentials = "eye:se/cret"
    address = camera.url.replace("://", "://eye:se%2Fcret@") + "\n"
    (tmp_path / "source-uri").write_text(address)
    source = SourceSettings(uri="secret")
    if place == "file":
        source = SourceSettings(uri="secret", uri_file=str(tmp_path / "source-uri"))
    elif place == "environment":
        monkeypatch.setenv("FER_EDGE_SECRET_SOURCE_URI", address)
    else:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    daemon.change(source=source)
    service = daemon.run(lambda _service: None)
    assert service.state().source == camera.url.replace("://", "://***@")
    assert "se%2Fcret" not in json.dumps(service.state().to_json())


@pytest.mark.parametrize("kept", ["", "eye:secret@camera"])
def test_a_secret_that_is_no_address_is_refused_without_showing_it(daemon, monkeypatch, kept):
    monkeypatch.setenv("FER_EDGE_SECRET_SOURCE_URI", kept)
    daemon.change(source=SourceSettings(uri="secret"))
    with pytest.raises(SettingsError, match="source-uri") as caught:
        daemon.run(lambda _service: None)
    assert "eye" not in str(caught.value)
