"""The window in a real browser: what is shown, what may be done, and who is let in.

One daemon and one browser serve all of these tests, and each looks in a window of its own.
"""

import base64
import contextlib
import http.client
import json
from collections.abc import Iterator
from importlib.resources import files
from urllib.parse import urlsplit

import numpy as np
import pytest
from browser_visits import ARGUMENTS, PLACES, TOKEN, Visit, find_chromium, running_device
from builders import PORTRAIT, PORTRAIT_FACE, a_picture

from fer_edge.shared.opencv import cv2
from fer_edge.testing.fakes import MjpegServer

pytestmark = pytest.mark.xdist_group("browser")

FOCUSABLE = (
    "a[href], button:not([disabled]), input:not([disabled]), select, summary, [tabindex='0']"
)
WIDTHS = (320, 375, 768, 1280)


@pytest.fixture(scope="module")
def browser():
    executable = find_chromium()
    from playwright.sync_api import sync_playwright

    with (
        sync_playwright() as playwright,
        contextlib.closing(
            playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        ) as chromium,
    ):
        yield chromium


@pytest.fixture(scope="module")
def address(browser, tmp_path_factory):
    with running_device(tmp_path_factory.mktemp("device")) as where:
        yield where


@pytest.fixture(scope="module")
def logged_in(browser, address):
    """What a browser keeps after a log-in."""
    with contextlib.closing(browser.new_context()) as context:
        page = context.new_page()
        log_in(page, address, TOKEN)
        page.wait_for_url(address)
        return context.storage_state()


@pytest.fixture
def visit(browser, address, logged_in) -> Iterator[Visit]:
    """A window that is logged in; at the end nothing must have gone wrong in it."""
    yield from a_visit(browser, address, storage_state=logged_in)


@pytest.fixture
def stranger(browser, address) -> Iterator[Visit]:
    """A window that is not logged in."""
    yield from a_visit(browser, address)


def a_visit(browser, address, **options):
    with contextlib.closing(browser.new_context(reduced_motion="reduce", **options)) as context:
        made = Visit(context, address)
        yield made
        assert made.complaints() == []


def log_in(page, address, token):
    page.goto(address)
    page.wait_for_url("**/login")
    page.get_by_label("Token of this device").fill(token)
    page.get_by_role("button", name="Log in").click()


def test_the_page_is_light():
    folder = files("fer_edge").joinpath("sinks/web/page")
    assert sum(len(path.read_bytes()) for path in folder.iterdir() if path.is_file()) < 60_000


def test_what_a_page_must_not_do_is_noticed(browser, address, logged_in):
    with contextlib.closing(browser.new_context(storage_state=logged_in)) as context:
        visit = Visit(context, address)
        page = visit.go("photo")
        assert visit.complaints() == []
        page.evaluate("document.body.setAttribute('style', 'color: red')")
        page.evaluate("fetch('http://elsewhere.invalid/').catch(() => {})")
        page.evaluate("console.error('a mistake')")
        page.wait_for_function("() => seen.reports.length >= 2")
        found = "\n".join(visit.complaints())
    assert "policy: style-src-attr" in found
    assert "policy: connect-src: http://elsewhere.invalid" in found
    assert "a mistake" in found


def test_the_picture_moves(visit):
    page = visit.go("live")
    page.wait_for_function(
        """() => {
          const picture = document.getElementById("picture");
          if (!picture.naturalWidth) return false;
          const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
          const pen = canvas.getContext("2d");
          pen.drawImage(picture, 0, 0, 64, 48);
          window.looks ??= new Set();
          window.looks.add(pen.getImageData(0, 0, 64, 48).data.join());
          return window.looks.size >= 3;
        }"""
    )
    assert page.evaluate("picture.naturalWidth") == 640
    assert page.locator("#picture").get_attribute("src") == "/live.mjpeg"


def test_boxes_and_labels_are_what_the_json_says(visit):
    visit.go("live")
    # The portrait slides out of the picture in each round of the clip.
    frames = visit.frames(
        """(frames) => {
          const places = {};
          for (const { told } of frames) {
            for (const { track_id, box } of told.faces) (places[track_id] ??= []).push(box[0]);
          }
          return Object.values(places).some((xs) => Math.max(...xs) - Math.min(...xs) > 40);
        }"""
    )
    for frame in frames:
        told = {face["track_id"]: face for face in frame["told"]["faces"]}
        size = (frame["told"]["width"], frame["told"]["height"]) * 2
        assert {each["track"] for each in frame["shown"]} == told.keys()
        for each in frame["shown"]:
            shown = [part * whole for part, whole in zip(each["box"], size, strict=True)]
            assert shown == pytest.approx(told[each["track"]]["box"], abs=1)
            assert each["label"] == told[each["track"]]["stable"]


def test_one_face_is_told_in_words_and_bars(visit):
    page = visit.go("live")
    # In one go, for it may leave any moment.
    told = page.wait_for_function(
        """() => {
          const other = document.querySelector("#boxes .face[aria-pressed=false]");
          if (!other) return null;
          other.click();
          const text = (place) => document.querySelector(place).textContent;
          const shares = [...document.querySelectorAll("#chosen-bars .bar span:last-child")];
          return {
            number: other.querySelector(".number").textContent, title: text("#chosen-title"),
            shares: shares.map((share) => parseInt(share.textContent)),
            first: text("#chosen-bars .first"), words: text("#chosen-label"),
            note: text("#chosen-why"), aim: text("#aim dd"),
          };
        }"""
    ).json_value()
    assert told["title"] == f"Face {told['number']}"
    assert len(told["shares"]) >= 7
    assert sum(told["shares"]) == pytest.approx(100, abs=len(told["shares"]) / 2)
    assert max(told["shares"]) == int("".join(filter(str.isdecimal, told["first"])))
    if told["words"] != "uncertain" and "rather" not in told["note"]:
        assert told["words"] in told["first"]
    assert "px: large enough" in told["aim"]


def test_figures_tell_how_the_device_does(visit):
    page = visit.go("live")
    figures = page.locator("#figures")
    figures.get_by_text("FPS").wait_for()
    words = figures.inner_text()
    assert "Frame age" in words
    assert "Processor" in words
    assert "edge-small-ferplus" in words
    assert page.locator("#phase").text_content() == "Running"


def test_nothing_is_streamed_where_nobody_looks(visit):
    page = visit.go("live")
    there = """(wanted) => fetch("/metrics").then((answer) => answer.text())
      .then((text) => (Number(/^fer_edge_web_viewers (.*)$/m.exec(text)[1]) > 0) === wanted)"""
    page.wait_for_function(there, arg=True)
    page.locator("#places").get_by_text("History").click()
    page.wait_for_function(there, arg=False)
    page.locator("#places").get_by_text("Live").click()
    page.wait_for_function(there, arg=True)


def test_too_many_viewers_get_stills_until_there_is_room(visit):
    visit.expected = ("503",)
    visit.page.route("**/live.mjpeg", lambda route: route.fulfill(status=503))
    page = visit.go("live")
    page.wait_for_function(
        "() => picture.naturalWidth === 640 && picture.src.endsWith('/still.jpg?2')"
    )
    page.unroute("**/live.mjpeg")
    page.wait_for_function(
        "() => picture.naturalWidth === 640 && picture.src.endsWith('/live.mjpeg')"
    )


def test_boxes_alone_need_no_picture(visit):
    def without_pictures(route):
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "view": "boxes"})

    asked = []
    visit.page.on("request", lambda request: asked.append(request.url))
    visit.page.route("**/device.json", without_pictures)
    page = visit.go("live")
    page.locator("#stage.blank").wait_for()
    page.locator("#boxes .face").first.wait_for()
    assert not any("live.mjpeg" in each or "still" in each for each in asked)


def test_a_camera_that_fails_is_told_with_what_is_done_about_it(browser, tmp_path):
    hasty = (
        *(f"source.{what}_seconds=1" for what in ("read_timeout", "frozen")),
        "source.reopen_longest_seconds=0.1",
    )
    with (
        MjpegServer([a_picture(320, 240, seed=seed) for seed in range(8)]) as camera,
        running_device(tmp_path, *hasty, source=camera.url) as address,
    ):
        for visit in a_visit(browser, address):
            log_in(visit.page, address, TOKEN)
            page = visit.go("live")
            page.wait_for_function("() => picture.naturalWidth > 0")
            trouble = page.locator("#trouble")
            for fault, words in (
                ("stall", "The camera does not deliver"),
                ("frozen", "The picture is frozen"),
            ):
                camera.behaviour = fault
                trouble.get_by_text(words, exact=True).wait_for()
                assert "It is opened again and again" in trouble.text_content()
                camera.behaviour = "stream"
                trouble.wait_for(state="hidden")


def test_a_face_stays_in_view_where_frames_are_rare(browser, tmp_path):
    portrait = cv2.imread(str(PORTRAIT), cv2.IMREAD_GRAYSCALE)
    with (
        MjpegServer([portrait, np.roll(portrait, 1, axis=1)]) as camera,
        running_device(tmp_path, "web.view_fps=0.25", source=camera.url) as address,
    ):
        for visit in a_visit(browser, address):
            log_in(visit.page, address, TOKEN)
            page = visit.go("live")
            page.locator("#boxes .face").first.wait_for()
            fewest = page.evaluate(
                """() => new Promise((done) => {
                  const boxes = document.getElementById("boxes");
                  let fewest = 1;
                  new MutationObserver(() => {
                    fewest = Math.min(fewest, boxes.querySelectorAll(".face").length);
                  }).observe(boxes, { childList: true });
                  let frames = 0;
                  new EventSource("/events").addEventListener("frame", function count() {
                    if (++frames === 3) { this.close(); done(fewest); }
                  });
                })"""
            )
            assert fewest == 1


def test_skipping_to_the_content_stays_in_its_place(visit):
    page = visit.go("history")
    page.evaluate(
        """() => new Promise((done) => {
          addEventListener("hashchange", () => setTimeout(done));
          document.querySelector(".skip").click();
        })"""
    )
    assert page.locator("#history").is_visible()
    assert page.locator("#places a[href='#history'][aria-current]").is_visible()


def test_without_javascript_there_is_a_still(browser, address, logged_in):
    options = {"java_script_enabled": False, "storage_state": logged_in}
    with contextlib.closing(browser.new_context(**options)) as context:
        page = context.new_page()
        with page.expect_response("**/still.jpg") as still:
            page.goto(address)
        assert still.value.status == 200
        assert still.value.body()[:2] == b"\xff\xd8"
        assert page.get_by_role("link", name="Load a newer picture").is_visible()


def test_history_tells_what_was_seen(visit):
    visit.go("live").locator("#boxes .face").first.wait_for()
    page = visit.go("history")
    rows = page.locator("#history-rows .row")
    rows.nth(3).wait_for()
    names = rows.locator("> span:first-child").all_text_contents()
    assert names[0] == "faces"
    assert {"happy", "neutral", "uncertain"} <= set(names)
    page.locator("#history-rows svg path[d^=M]").first.wait_for(state="attached")
    words = page.locator("#moment-text").text_content()
    page.locator("#moment").press("ArrowLeft")
    assert page.locator("#moment-text").text_content() != words
    assert (
        page.locator("#moment").get_attribute("aria-valuetext")
        == page.locator("#moment-text").text_content()
    )
    page.locator("#events li time").first.wait_for()


def test_a_photo_is_chosen(visit):
    page = visit.go("photo")
    page.locator("#choose").set_input_files(PORTRAIT)
    the_portrait_is_read(page)
    nothing_sticks_out(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save an annotated copy").click()
    assert saved.value.suggested_filename == "portrait-annotated.jpg"
    assert saved.value.path().read_bytes()[:2] == b"\xff\xd8"


def test_a_photo_is_dropped(visit):
    page = visit.go("photo")
    dropped = page.evaluate_handle(
        """(bytes) => {
          const dropped = new DataTransfer();
          const data = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
          dropped.items.add(new File([data], "dropped.jpg", { type: "image/jpeg" }));
          return dropped;
        }""",
        base64.b64encode(PORTRAIT.read_bytes()).decode(),
    )
    page.locator("#drop").dispatch_event("drop", {"dataTransfer": dropped})
    the_portrait_is_read(page)


def the_portrait_is_read(page):
    page.get_by_text("One face was found.").wait_for()
    face, stage = page.locator("#photo-boxes .face"), page.locator("#photo-stage")
    assert face.locator(".name").text_content() == page.locator("#photo-label").text_content()
    box, whole = face.bounding_box(), stage.bounding_box()
    scale = 400 / whole["width"]
    centre = (box["x"] + box["width"] / 2 - whole["x"]) * scale
    assert centre == pytest.approx(PORTRAIT_FACE.x + PORTRAIT_FACE.width / 2, abs=20)


def test_what_is_no_picture_is_said(visit):
    visit.expected = ("422",)
    page = visit.go("photo")
    page.locator("#choose").set_input_files(
        {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"no picture at all"}
    )
    page.locator("#photo-note.bad").wait_for()
    assert not page.locator("#photo-result").is_visible()


def test_a_picture_that_the_browser_cannot_show_is_said(visit):
    page = visit.go("photo")
    tiff = cv2.imencode(".tiff", a_picture(64, 48))[1].tobytes()
    page.locator("#choose").set_input_files(
        {"name": "scan.tiff", "mimeType": "image/tiff", "buffer": tiff}
    )
    page.get_by_text("This browser cannot show it").wait_for()


def test_of_two_photos_at_once_the_later_one_is_told(visit):
    visit.expected = ("422", "429")  # other tests have handed in photos, too
    page = visit.go("photo")
    page.locator("#choose").set_input_files(PORTRAIT)
    page.locator("#choose").set_input_files(
        {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"no picture at all"}
    )
    page.locator("#photo-note.bad").wait_for()
    assert not page.locator("#photo-result").is_visible()


def test_a_page_that_stays_open_forgets_old_events(visit):
    page = visit.go("live")
    kept = page.evaluate(
        """async () => {
          const { History } = await import("/page/history.js");
          const history = new History();
          for (let i = 0; i < 2000; i++) history.event({ id: String(i).padStart(9, "0"), kind: "x", at: i });
          return [history.events.size, history.events.has("000001999"), history.events.has("000000000")];
        }"""  # noqa: E501
    )
    assert kept[0] <= 400
    assert kept[1:] == [True, False]


def test_a_face_should_be_as_large_as_the_network_that_serves_sees_it(visit):
    def larger(route):
        answer = route.fetch()
        told = answer.json()
        models = [{**each, "side_px": 1000} for each in told["models"]]
        route.fulfill(response=answer, json={**told, "models": models})

    visit.page.route("**/device.json", larger)
    visit.go("live").get_by_text("px: 1000 are better").wait_for()


@pytest.mark.parametrize("size", [(640, 360), (667, 375)])
def test_the_whole_picture_is_seen_on_a_phone_held_sideways(visit, size):
    page = visit.go("live")
    page.set_viewport_size({"width": size[0], "height": size[1]})
    stage = page.locator("#stage").bounding_box()
    assert stage["y"] + stage["height"] < size[1]


def test_the_camera_is_switched_off_and_on(visit):
    page = visit.go("device")
    page.get_by_role("button", name="Switch the camera off").click()
    page.locator("#confirm").get_by_role("button", name="Leave it").click()
    page.locator("#confirm").wait_for(state="hidden")
    assert page.locator("#phase").text_content() == "Running"
    page.get_by_role("button", name="Switch the camera off").click()
    page.locator("#confirm-yes").click()
    page.get_by_role("button", name="Switch the camera on").wait_for()
    page.locator("#places").get_by_text("Live").click()
    page.locator("#trouble").get_by_text("The camera is released").wait_for()
    page.locator("#places").get_by_text("Device").click()
    page.get_by_role("button", name="Switch the camera on").click()
    page.locator("#confirm-yes").click()
    page.get_by_role("button", name="Switch the camera off").wait_for()


def test_the_model_that_was_chosen_is_the_one_that_is_asked_about(browser, tmp_path):
    with (
        running_device(tmp_path, "model.path=slot") as address,
        contextlib.closing(browser.new_context()) as context,
    ):
        made = Visit(context, address)
        log_in(made.page, address, TOKEN)
        page = made.go("device")
        last = page.locator("#other option").last.text_content()
        page.locator("#other").select_option(last)
        page.evaluate("document.getElementById('device-parts').firstChild.id = 'before'")
        # The page is made anew every few seconds while the doctor looks.
        page.locator("#before").wait_for(state="detached")
        assert page.locator("#other").input_value() == last
        page.get_by_role("button", name="Try", exact=True).click()
        assert page.locator("#confirm-title").text_content() == f"Try {last}?"
        page.locator("#confirm-no").click()
        assert made.complaints() == []


def test_the_device_tells_its_settings_and_what_leaves_it(visit):
    page = visit.go("device")
    page.get_by_text("What leaves this device").wait_for()
    page.locator("#settings-web summary").click()
    page.locator("#settings-web").get_by_text("web.view_fps").wait_for()
    row = page.locator("#settings-source tr", has_text="source.uri").first
    assert "demo" in row.text_content()
    assert TOKEN not in page.content()


def test_the_wrong_token_does_not_let_in(stranger, address):
    stranger.expected = ("401",)
    log_in(stranger.page, address, "not the token of this device")
    stranger.page.get_by_role("alert").get_by_text("not the token").wait_for()
    assert stranger.page.context.cookies() == []
    log_in(stranger.page, address, TOKEN)
    stranger.page.wait_for_url(address)


def test_who_logs_out_is_out(stranger, address):
    page = stranger.page
    log_in(page, address, TOKEN)
    (cookie,) = page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    assert page.context.cookies() == []
    page.goto(address)
    page.wait_for_url("**/login")


def test_a_log_in_that_has_ended_leads_to_the_log_in(stranger, address):
    stranger.expected = ("401",)
    page = stranger.page
    log_in(page, address, TOKEN)
    page.locator("#phase").get_by_text("Running").wait_for()
    end_log_in(address, page.context.cookies())
    page.locator("#places").get_by_text("Device").click()
    page.wait_for_url("**/login")


def end_log_in(address, cookies):
    """Log out elsewhere, with the same cookie."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc)
    with contextlib.closing(connection):
        told = "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in cookies)
        connection.request("POST", "/logout", headers={"Cookie": told})
        assert connection.getresponse().status == 303


@pytest.mark.parametrize("place", PLACES)
def test_the_keyboard_reaches_everything(visit, place):
    page = visit.go(place)
    if place == "live":
        page.locator("#boxes .face").first.wait_for()
    if place == "history":
        page.locator("#moment").wait_for()
    if place == "device":
        page.locator("#settings-web").wait_for()
    page.evaluate("document.activeElement.blur()")
    name = """(element) => element.id || element.closest(".face") && "face"
      || `${element.tagName} ${element.textContent.trim()}`"""
    wanted = page.evaluate(
        f"""(focusable) => [...document.querySelectorAll(focusable)]
          .filter((each) => each.checkVisibility()).map({name})""",
        FOCUSABLE,
    )
    reached = set()
    for _ in range(2 * len(wanted) + 4):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(f"({name})(document.activeElement)"))
    assert set(wanted) <= reached


def test_the_keyboard_stays_where_it_is_when_the_doctor_has_found_out(visit):
    found = None  # the doctor takes long on a busy machine, so it is not waited for

    def tell(route):
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "findings": found})

    visit.page.route("**/device.json", tell)
    page = visit.go("device")
    page.locator("#settings-web summary").press("Enter")
    assert page.get_by_text("The doctor is looking").is_visible()
    found = [{"grade": "serious", "check": "power", "text": "is weak", "fix": "use another"}]
    page.locator(".findings .bad").get_by_text("power: is weak Use another").wait_for()
    assert page.locator("#settings-web[open] summary:focus").count() == 1


def test_the_keyboard_changes_place_and_answers_a_question(visit):
    page = visit.go("")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.locator("#places a[href='#device']").press("Enter")
    page.wait_for_function("() => document.activeElement.textContent === 'Device'")
    button = page.get_by_role("button", name="Switch the camera off")
    button.press("Enter")
    page.locator("#confirm[open]").wait_for()
    page.keyboard.press("Escape")
    page.locator("#confirm").wait_for(state="hidden")


def test_axe_finds_no_serious_fault(visit, address):
    axe = pytest.importorskip("axe_playwright_python", reason="no axe-core: make setup")
    script = files(axe).joinpath("axe.min.js").read_text(encoding="utf-8")
    for place in PLACES:
        page = visit.go(place)
        fill(page, place)
        no_serious_fault(page, script)
    with contextlib.closing(visit.page.context.browser.new_page()) as page:
        page.goto(f"{address}login")
        no_serious_fault(page, script)


def fill(page, place):
    """Bring into a place what it may show."""
    if place == "live":
        page.locator("#boxes .face").first.wait_for()
    if place == "photo":
        page.locator("#choose").set_input_files(PORTRAIT)
        page.locator("#photo-result").wait_for()
    if place == "device":
        page.locator("#settings-source summary").click()
    if place == "history":
        page.locator("#moment").wait_for()


def no_serious_fault(page, script):
    page.evaluate(script)
    for theme, rules in (("light", ""), ("dark", "{ runOnly: ['color-contrast'] }")):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        found = page.evaluate(f"axe.run({rules}).then(({{ violations }}) => violations)")
        grave = [each for each in found if each["impact"] in {"serious", "critical"}]
        assert not grave, theme + json.dumps(grave, indent=1)[:4000]


@pytest.mark.parametrize("place", ["live", "history", "device"])
def test_nothing_sticks_out(visit, place):
    page = visit.go(place)
    fill(page, place)
    nothing_sticks_out(page)


def test_the_longest_label_stays_in_its_place(visit):
    page = visit.go("live")
    page.locator("#chosen-bars .bar").first.wait_for()
    assert page.evaluate(
        """() => {
          const places = [...document.querySelectorAll("#chosen-bars .bar span:first-child")];
          places.push(document.querySelector("#chosen-label"));
          places.forEach((place) => { place.textContent = "m".repeat(40); });
          return places.every((place) => place.scrollWidth <= place.clientWidth);
        }"""
    )


def nothing_sticks_out(page):
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
