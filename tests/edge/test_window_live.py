"""What is seen live: made once for all, only while somebody looks, and nobody waits for another."""

import asyncio
import dataclasses
import threading
import time
import weakref

import numpy as np
import pytest
from builders import a_frame, a_picture, an_observation
from states import a_state
from web_browser import Browser, until

from fer_edge.settings import WebSettings
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Colour
from fer_edge.sinks.web.outgoing import Outgoing
from fer_edge.sinks.web.sink import WebSink

PICTURE = a_picture(640, 480)
NOISE = np.random.default_rng(1).integers(0, 256, PICTURE.shape).astype(np.uint8)
"""So large as a JPEG that a few fill what the system keeps for whoever does not read."""


@pytest.fixture(autouse=True)
def no_token_of_this_machine(monkeypatch):
    monkeypatch.delenv("FER_EDGE_SECRET_WEB_TOKEN", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def a_window(view="picture", **settings):
    return WebSink(WebSettings(port=0, view=view, view_fps=60, **settings), name="hall")


@pytest.fixture
def window():
    with a_window() as web:
        yield web


class Camera:
    """Shows a window one frame after another, on a thread, as the pipeline does.

    Attributes:
        shown: Frames so far.
        longest_seconds: That the window kept the pipeline for one of them.
    """

    def __init__(self, window, *, every_seconds=0.003, **changes):
        self.window = window
        self.shown = 0
        self.longest_seconds = 0.0
        self._every_seconds = every_seconds
        self._changes = changes
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def show(self):
        frame = a_frame(**{"index": self.shown, "grey": PICTURE, **self._changes})
        observation = an_observation(frame_index=self.shown)
        self.shown += 1
        began = time.monotonic()
        self.window.show(frame, observation)
        self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)

    def _run(self):
        while not self._stop.wait(self._every_seconds):
            self.show()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def decoded(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_UNCHANGED)


def goes_on(viewer):
    """Look until a good while of frames has passed."""
    pictures = viewer.pictures()
    before, _ = next(pictures)
    return any(number > before + 20 for number, _ in pictures)


def pictures_made(window):
    return window.figures()["pictures"]


def show_one(window):
    """Show a frame of its own; return a reference that ends once nobody keeps its picture."""
    grey = PICTURE.copy()
    window.show(a_frame(grey=grey), an_observation())
    return weakref.ref(grey)


def test_while_nobody_looks_no_picture_is_made_and_no_frame_kept(window):
    kept = [show_one(window) for _ in range(50)]
    assert Browser(window.port).ask("/livez").status == 200, "so the listener has had its turn"
    assert pictures_made(window) == 0
    assert not any(picture() is not None for picture in kept)


def test_once_everybody_has_left_no_frame_is_kept(window):
    kept = []
    with Browser(window.port).watch("/live.mjpeg") as viewer:
        until(lambda: pictures_made(window) > 0, lambda: kept.append(show_one(window)))
        assert next(viewer.pictures())
    until(lambda: window.figures()["viewers"] == 0)
    until(lambda: not any(picture() is not None for picture in kept))


def test_the_picture_moves(window):
    with Camera(window), Browser(window.port).watch("/live.mjpeg") as viewer:
        head = viewer.head()
        pictures = viewer.pictures()
        first, second = next(pictures), next(pictures)
    assert "multipart/x-mixed-replace; boundary=frame" in head
    assert "no-store" in head
    assert "X-Accel-Buffering: no" in head
    assert first[0] < second[0]
    assert decoded(first[1]).shape[:2] == PICTURE.shape
    assert np.abs(decoded(first[1]).astype(int) - PICTURE).mean() < 4


def test_a_look_at_the_head_alone_keeps_nobody_looking(window):
    for path in ("/live.mjpeg", "/events"):
        answer = Browser(window.port).ask(path, "HEAD")
        assert (answer.status, answer.body) == (200, b"")
    until(lambda: window.figures()["viewers"] == window.figures()["pages"] == 0)


def test_no_more_frames_are_shown_than_wanted():
    with (
        WebSink(WebSettings(port=0, view="picture", view_fps=0.1)) as web,
        Camera(web) as camera,
        Browser(web.port).watch("/live.mjpeg") as viewer,
    ):
        next(viewer.pictures())
        shown = camera.shown
        until(lambda: camera.shown > shown + 30)
        assert pictures_made(web) <= 2


def test_colours_are_shown_where_they_were_kept(window):
    red = Colour(lambda: np.full((48, 64, 3), (0, 0, 200), np.uint8))
    camera = Camera(window, colour=red)
    with camera:
        still = Browser(window.port).ask("/still.jpg")
    assert decoded(still.body)[20, 20].argmax() == 2


def test_colours_that_are_damaged_are_shown_in_grey(window):
    def damaged():
        raise cv2.error("as OpenCV says it")

    with Camera(window, colour=Colour(damaged)):
        assert decoded(Browser(window.port).ask("/still.jpg").body).shape == PICTURE.shape


def test_large_pictures_are_shown_smaller_with_the_same_box(window):
    frame = a_frame(grey=np.zeros((1200, 2560), np.uint8))
    browser = Browser(window.port)
    with browser.watch("/events") as page, browser.watch("/live.mjpeg") as viewer:
        messages, pictures = page.messages(), viewer.pictures()
        until(lambda: pictures_made(window) > 1, lambda: window.show(frame, an_observation()))
        assert decoded(next(pictures)[1]).shape[:2] == (600, 1280)
        name, told = next(messages)
    assert (name, told["width"], told["height"]) == ("frame", 2560, 1200)


@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1)])
def test_a_strip_of_a_picture_is_shown_as_well(window, shape):
    with Camera(window, grey=np.zeros(shape, np.uint8)):
        answer = Browser(window.port).ask("/still.jpg")
    assert max(decoded(answer.body).shape) == 1280


def test_a_still_for_whoever_asks(window):
    with Camera(window):
        answer = Browser(window.port).ask("/still.jpg")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert decoded(answer.body).shape == PICTURE.shape
    until(lambda: window.figures()["viewers"] == 0)


def test_one_picture_is_made_for_all_viewers(window):
    browser = Browser(window.port)
    viewers = [browser.watch("/live.mjpeg") for _ in range(10)]
    try:
        until(lambda: window.figures()["viewers"] == 10)
        # So slowly that each frame is wanted.
        with Camera(window, every_seconds=0.04) as camera:
            streams = [viewer.pictures() for viewer in viewers]
            firsts = [next(stream) for stream in streams]
            assert all(next(stream) for stream in streams)
        assert 2 <= pictures_made(window) <= camera.shown
        same = [jpeg for number, jpeg in firsts if number == firsts[0][0]]
        assert len(set(same)) == 1
    finally:
        for viewer in viewers:
            viewer.close()


def test_when_the_page_is_closed_no_more_pictures_are_made(window):
    with Camera(window) as camera:
        with Browser(window.port).watch("/live.mjpeg") as viewer:
            next(viewer.pictures())
        until(lambda: window.figures()["viewers"] == 0)
        made, shown = pictures_made(window), camera.shown
        until(lambda: camera.shown > shown + 30)
        assert pictures_made(window) == made


def test_a_viewer_who_never_reads_delays_neither_others_nor_the_pipeline(window):
    camera = Camera(window, grey=NOISE)
    browser = Browser(window.port)
    with camera, browser.watch("/live.mjpeg") as stuck, browser.watch("/live.mjpeg") as viewer:
        pictures = viewer.pictures()
        until(lambda: window.figures()["viewers"] == 2)
        numbers = [next(pictures)[0] for _ in range(30)]
        assert numbers == sorted(numbers)
        assert stuck is not None
    assert camera.shown > 30
    assert camera.longest_seconds < 1.0


def test_a_slow_viewer_gets_the_newest_and_loses_the_rest():
    async def read():
        left = []
        outgoing = Outgoing(left.append, first=b"hello ")
        for number in range(5):
            outgoing.put("picture", b"picture %d " % number)
        for number in range(100):
            outgoing.add(b"event %d " % number)
        got = await anext(outgoing)
        await outgoing.aclose()
        return got.split(), left == [outgoing]

    got, left = asyncio.run(read())
    assert got[-2:] == [b"picture", b"4"]
    assert b"99" in got
    assert len(got) == 2 * 64 + 2, "of what must not be missed there is a bound, too"
    assert left


def test_viewers_are_bounded_and_everybody_else_gets_a_still():
    with a_window(viewers=2) as web, Camera(web):
        browser = Browser(web.port)
        with browser.watch("/live.mjpeg"), browser.watch("/live.mjpeg"):
            until(lambda: web.figures()["viewers"] == 2)
            refused = browser.ask("/live.mjpeg")
            assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
            assert browser.ask("/still.jpg").status == 200
        until(lambda: web.figures()["viewers"] == 0)
        with browser.watch("/live.mjpeg") as viewer:
            assert next(viewer.pictures()), "there is room again"


def test_two_hundred_who_want_to_look_cut_off_nobody_who_does():
    with a_window(viewers=2) as web, Camera(web):
        browser = Browser(web.port)
        with browser.watch("/live.mjpeg") as one, browser.watch("/live.mjpeg") as other:
            until(lambda: web.figures()["viewers"] == 2)
            crowd = [browser.watch("/live.mjpeg") for _ in range(200)]
            try:
                assert browser.ask("/livez").status == 200
                assert goes_on(one)
                assert goes_on(other)
                assert web.figures()["viewers"] == 2
            finally:
                for viewer in crowd:
                    viewer.close()


def test_a_page_is_told_state_frames_and_events(window):
    state = a_state()
    window.report(state)
    with Browser(window.port).watch("/events") as page:
        assert "text/event-stream" in page.head()
        messages = page.messages()
        name, told = next(messages)
        assert name == "state"
        assert {key: told[key] for key in ("phase", "name", "well")} == {
            "phase": "running", "name": "hall", "well": True,
        }  # fmt: skip
        assert told["camera"] == dataclasses.asdict(state.camera)
        observation = an_observation(frame_index=7)
        until(
            lambda: window.figures()["pages"] == 1,
        )
        window.tell_event('{"kind":"appeared"}')
        assert next(messages) == ("event", {"kind": "appeared"})
        stop = threading.Event()
        shower = threading.Thread(
            target=lambda: until(
                stop.is_set, lambda: window.show(a_frame(index=7, grey=PICTURE), observation)
            )
        )
        shower.start()
        try:
            name, told = next(messages)
        finally:
            stop.set()
            shower.join()
    assert name == "frame"
    assert told == {**observation.to_json(), "width": 640, "height": 480}


def test_a_page_that_opens_says_when_to_come_again(window):
    with Browser(window.port).watch("/events") as page:
        page.head()
        assert page._until(b"\n\n") == b"retry: 2000"


def test_pages_are_bounded():
    with a_window(viewers=1) as web:
        browser = Browser(web.port)
        with browser.watch("/events"), browser.watch("/events"):
            until(lambda: web.figures()["pages"] == 2)
            assert browser.ask("/events").status == 503


def test_boxes_alone_need_no_picture():
    with a_window("boxes") as web, Camera(web), Browser(web.port).watch("/events") as page:
        name, told = next(page.messages())
        assert (name, told["width"]) == ("frame", 640)
        assert pictures_made(web) == 0


def test_boxes_alone_keep_no_frame_even_while_somebody_looks():
    kept = []
    with a_window("boxes") as web, Browser(web.port).watch("/events") as page:
        messages = page.messages()
        until(lambda: web.figures()["pages"] == 1)
        told = threading.Event()
        waiting = threading.Thread(target=lambda: next(messages) and told.set())
        waiting.start()
        until(told.is_set, lambda: kept.append(show_one(web)))
        waiting.join()
        until(lambda: not any(picture() is not None for picture in kept))


def test_while_the_camera_is_gone_the_page_stays_and_then_goes_on(window):
    with Browser(window.port).watch("/live.mjpeg") as viewer:
        pictures = viewer.pictures()
        with Camera(window):
            next(pictures)
        window.report(a_state(phase="waiting"))
        assert window.figures()["viewers"] == 1
        with Camera(window):
            assert next(pictures)


def test_the_end_of_the_daemon_ends_all_who_look_at_once(window):
    browser = Browser(window.port)
    with browser.watch("/live.mjpeg") as viewer, browser.watch("/events") as page:
        until(lambda: window.figures()["pages"] == window.figures()["viewers"] == 1)
        window.close()
        assert viewer.everything().endswith(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n")
        assert page.everything().startswith(b"HTTP/1.1 200")


def test_nobody_is_left_when_connections_break(window):
    with Camera(window):
        browser = Browser(window.port)
        for _ in range(5):
            browser.watch("/live.mjpeg").close()
            browser.watch("/events").close()
        until(lambda: window.figures()["pages"] == window.figures()["viewers"] == 0)
