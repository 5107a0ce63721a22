"""What the page may ask of the daemon, and how it is answered."""

import asyncio
import json
import threading

import pytest
from web_browser import until

from fer_edge.shared.errors import ModelError
from fer_edge.sinks.web.messages import Request
from fer_edge.sinks.web.wishes import Possible, Wishes
from fer_edge.state.controls import CalibrationNote, Controls


class Models:
    """Models of which some may be chosen."""

    def __init__(self, *names, why="", said="it passes"):
        self.names = names
        self.why = why
        self.said = said
        self.chosen = []

    def offered(self):
        return self.names

    def why_none(self):
        return self.why

    def choose(self, name):
        self.chosen.append(name)
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


def ask(wishes, wish, body):
    """Return status and answer to a wish."""
    (route,) = [one for one in wishes.routes() if one.path == f"/control/{wish}"]
    assert (route.method, route.in_json) == ("POST", True)
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def handle():
        return await route.handle(Request(route.path, {}, "POST", sent))

    response = asyncio.run(handle())
    return response.status, json.loads(response.body)


def test_the_camera_is_switched():
    controls = Controls()
    wishes = Wishes(controls, Possible(Models()))
    status, told = ask(wishes, "enabled", {"enabled": False})
    assert (status, told["message"]) == (200, "the camera is switched off")
    assert not controls.enabled
    assert wishes.to_json()["enabled"] is False
    assert ask(wishes, "enabled", {"enabled": False})[1]["message"] == "the camera is off already"
    assert ask(wishes, "enabled", {"enabled": True})[0] == 200
    assert controls.enabled


def test_haste_is_put_off_and_said():
    now = 1000.0
    controls = Controls()
    wishes = Wishes(controls, Possible(Models()), clock=lambda: now)
    answers = [ask(wishes, "enabled", {"enabled": bool(n % 2)}) for n in range(5)]
    assert [status for status, _ in answers] == [200, 200, 200, 200, 202]
    assert "off in " in answers[-1][1]["message"]
    assert controls.enabled
    now += 60.0
    wishes.turn()
    assert not controls.enabled


@pytest.mark.parametrize(
    ("wish", "body"),
    [
        ("enabled", b""),
        ("enabled", b"[]"),
        ("enabled", b"\xff"),
        ("enabled", {"enabled": 1}),
        ("enabled", {"enabled": True, "model": "x"}),
        ("model", {"model": 1}),
        ("model", {}),
        ("calibrate", {"seconds": 0}),
        ("calibrate", {"seconds": 61}),
        ("calibrate", {"seconds": True}),
        ("calibrate", {"seconds": "5"}),
        ("calibrate", b'{"seconds": NaN}'),
    ],
)
def test_what_makes_no_sense_changes_nothing(wish, body):
    controls, models = Controls(), Models("edge-nano")
    status, told = ask(Wishes(controls, Possible(models)), wish, body)
    assert status == 400
    assert told["expected"]
    assert controls.enabled
    assert controls.take_calibration() is None
    assert not models.chosen


def test_a_model_that_passes_is_taken_by_a_reload():
    controls, models = Controls(), Models("edge-nano", "edge-small")
    wishes = Wishes(controls, Possible(models))
    status, told = ask(wishes, "model", {"model": "edge-nano"})
    assert (status, told["message"], models.chosen) == (202, "it passes", ["edge-nano"])
    assert controls.take_reload()


def test_a_model_is_taken_although_whoever_chose_it_has_left():
    trying, tried = threading.Event(), threading.Event()

    class SlowModels(Models):
        def choose(self, name):
            trying.set()
            assert tried.wait(30)
            return super().choose(name)

    controls = Controls()
    wishes = Wishes(controls, Possible(SlowModels("edge-nano")))
    route = next(one for one in wishes.routes() if one.path == "/control/model")
    wish = Request(route.path, {}, "POST", b'{"model": "edge-nano"}')

    async def leave_early():
        left = asyncio.ensure_future(route.handle(wish))
        await asyncio.to_thread(trying.wait, 30)
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        return await route.handle(wish)

    assert asyncio.run(leave_early()).status == 409, "the first one is still being tried"
    tried.set()
    until(controls.take_reload)


def test_a_model_may_be_chosen_again_where_there_was_no_thread_to_try_it(monkeypatch):
    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    wishes = Wishes(Controls(), Possible(Models("edge-nano")))
    with monkeypatch.context() as changed:
        changed.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            ask(wishes, "model", {"model": "edge-nano"})
    assert ask(wishes, "model", {"model": "edge-nano"})[0] == 202


def test_a_model_that_fails_its_trial_changes_nothing():
    failed = ModelError("edge-nano: it fails", expected="one that passes", fix="another one")
    controls = Controls()
    wishes = Wishes(controls, Possible(Models("edge-nano", said=failed)))
    status, told = ask(wishes, "model", {"model": "edge-nano"})
    assert (status, told["message"], told["fix"]) == (409, "edge-nano: it fails", "another one")
    assert not controls.take_reload()


def test_only_what_is_offered_may_be_chosen():
    models = Models("edge-nano")
    status, told = ask(Wishes(Controls(), Possible(models)), "model", {"model": "/etc/passwd"})
    assert (status, told["expected"]) == (400, "edge-nano")
    status, told = ask(
        Wishes(Controls(), Possible(Models(why="pinned"))), "model", {"model": "edge-nano"}
    )
    assert (status, told["message"]) == (409, "pinned")
    assert not models.chosen


def test_a_calibration_is_asked_for_where_it_can_be_done():
    controls = Controls()
    wishes = Wishes(controls, Possible(Models()))
    status, told = ask(wishes, "calibrate", {"seconds": 5})
    assert (status, controls.take_calibration()) == (202, 5.0)
    assert "5 s" in told["message"]
    controls.calibration = CalibrationNote("running", "look")
    assert ask(wishes, "calibrate", {"seconds": 5})[0] == 409
    controls.calibration = CalibrationNote("done", "steady")
    controls.enabled = False
    assert ask(wishes, "calibrate", {"seconds": 5})[0] == 409
    assert controls.take_calibration() is None


def test_what_cannot_be_done_is_said_before_it_is_asked():
    controls = Controls()
    wishes = Wishes(controls, Possible(Models(why="pinned"), why_no_calibration="no neutral"))
    assert wishes.to_json() == {
        "enabled": True, "models": [], "calibrate": False, "why": "pinned; no neutral",
    }  # fmt: skip
    assert ask(wishes, "calibrate", {"seconds": 5}) == (
        409, {"message": "no neutral", "expected": "a daemon that can do this now", "fix": ""},
    )  # fmt: skip


@pytest.mark.parametrize("wish", ["enabled", "model", "calibrate"])
def test_where_nothing_may_be_asked_nothing_is_done(wish):
    controls, models = Controls(), Models("edge-nano")
    wishes = Wishes(controls, Possible(models, why_none="no token"))
    assert wishes.to_json() == {
        "enabled": None,
        "models": [],
        "calibrate": False,
        "why": "no token",
    }
    body = {"enabled": False, "model": "edge-nano", "seconds": 5}
    status, told = ask(wishes, wish, {wish: body.get(wish)})
    assert (status, told["message"]) == (409, "no token")
    assert controls.enabled
    assert not models.chosen
