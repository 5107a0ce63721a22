"""Photos that are handed to the page: what is read in them, and what they cannot do."""

import asyncio
import json
import os
import struct
import zlib

import numpy as np
import pytest
from builders import PORTRAIT, a_picture, encoded
from tiny_broker import wait_until

from fer_edge import Reader
from fer_edge.commands.photo_child import answer
from fer_edge.shared.data.pictures import decode_colour, read_grey
from fer_edge.shared.opencv import cv2
from fer_edge.sinks.web.messages import Request
from fer_edge.sinks.web.photo import PhotoLimits, Photos

SETTINGS = {"baseline.mode": "none"}


def handed_in(photos, body, path="/photo", headers=None):
    """Return status, headers and body of what a photo gets."""
    (route,) = [route for route in photos.routes() if route.path == path]
    if headers is None:
        headers = {"content-length": str(len(body))}
    request = Request(path, headers, route.method, body)
    response = asyncio.run(route.handle(request))
    return response.status, response.headers, response.body


def who_does(code, **limits):
    """Return photos that are read by another program than the real one."""
    program = ("-c", f"import os, sys, time; data = sys.stdin.buffer.read(); {code}")
    return Photos({}, PhotoLimits(**limits), program=program)


def answer_to(data, *, annotated=False):
    """Return what the process that reads photos would tell, without starting one."""
    wish = {"settings": SETTINGS, "most_pixels": 25_000_000, "annotated": annotated}
    return answer(wish, data)


def said_of(data):
    return json.loads(answer_to(data))


def a_bomb(side):
    """Return a PNG of a few bytes that claims a square of pixels."""
    header = struct.pack("!IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    end = struct.pack("!I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + struct.pack("!I", len(header)) + chunk + end


def test_a_photo_is_read_as_classify_reads_it():
    status, _, body = handed_in(Photos(SETTINGS), PORTRAIT.read_bytes())
    assert status == 200
    with Reader() as reader:
        expected = reader.read(PORTRAIT).to_dict()
    told = json.loads(body)
    assert [face.pop("stable") for face in told["faces"]] == ["happy"]
    assert told == expected | {"image": "photo"}


def test_the_annotated_copy_is_a_picture_of_bounded_size():
    large = answer_to(encoded(a_picture(2100, 1400), ".jpg"), annotated=True)
    assert decode_colour(large, where="it").shape == (700, 1050, 3)
    small = answer_to(PORTRAIT.read_bytes(), annotated=True)
    assert decode_colour(small, where="it").shape == (400, 400, 3)


def test_boxes_stand_where_the_face_is_although_the_picture_was_shrunk():
    grey = cv2.resize(read_grey(PORTRAIT), (2400, 2400), interpolation=cv2.INTER_CUBIC)
    drawn = answer_to(encoded(grey, ".jpg"), annotated=True)
    ((x, y, width, height),) = [
        face["box"] for face in said_of(encoded(grey, ".jpg"))["photo"]["faces"]
    ]
    picture = decode_colour(drawn, where="it").astype(int)
    coloured = np.argwhere(np.ptp(picture, axis=2) > 60)  # the portrait itself is grey here
    (top, left), (bottom, right) = coloured.min(axis=0), coloured.max(axis=0)
    assert abs(left - x / 2) < 12
    assert abs(right - (x + width) / 2) < 12
    assert abs(bottom - (y + height) / 2) < 12
    assert top <= y / 2 + 12, "the label stands above"


def test_the_annotated_copy_is_answered_as_a_picture_and_nothing_else_is():
    jpeg = who_does("os.write(1, b'\\xff\\xd8\\xff' + data.splitlines()[1])")
    assert handed_in(jpeg, b"x", "/photo/annotated")[::2] == (200, b"\xff\xd8\xffx")
    page = who_does("print('<script>')")
    assert handed_in(page, b"x", "/photo/annotated")[0] == 422


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no picture", "cannot be decoded"),
        (PORTRAIT.read_bytes()[:300], "cannot be decoded"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "cannot be decoded"),
    ],
)
def test_what_is_no_picture_is_refused(data, words):
    error = said_of(data)["error"]
    assert error["status"] == 422
    assert words in error["message"]
    assert error["fix"]


def test_pixels_are_counted_before_they_are_decoded():
    error = said_of(a_bomb(6000))["error"]
    assert (error["status"], error["expected"]) == (413, "at most 25 megapixels")
    assert "6000x6000" in error["message"]


def test_a_model_that_is_gone_is_said():
    wish = {"settings": {"model.path": "gone"}, "most_pixels": 1_000_000, "annotated": False}
    error = json.loads(answer(wish, PORTRAIT.read_bytes()))["error"]
    assert error["status"] == 503
    assert "no model 'gone'" in error["message"]


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("os.abort()", 422, "crashed the decoder (signal 6)"),
        ("os._exit(3)", 422, "exit code 3"),
        ("time.sleep(600)", 422, "longer than 0.4 s"),
        ("[os.write(1, bytes(65536)) for _ in range(1 << 20)]", 422, "without an end"),
        ("print('no JSON')", 422, "exit code 0"),
        ("print('[]')", 422, "exit code 0"),
        ("print('{}')", 500, "a defect"),
        ('print(\'{"defect": "KeyError"}\')', 500, "a defect"),
        ('print(\'{"error": {"status": 200, "message": "m"}}\')', 422, "m"),
    ],
)
def test_whatever_becomes_of_the_process_is_said(code, status, words):
    limits = {"read_seconds": 0.4} if "sleep" in code else {}
    answered, _, body = handed_in(who_does(code, **limits), b"x")
    assert answered == status
    assert words in json.loads(body)["message"]


def test_the_process_knows_no_secret(monkeypatch):
    monkeypatch.setenv("FER_EDGE_SECRET_WEB_TOKEN", "correct horse battery staple")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/fer-edge.service")
    telling = who_does("import json; print(json.dumps({'photo': {'names': ' '.join(os.environ)}}))")
    names = json.loads(handed_in(telling, b"x")[2])["names"].split()
    assert "PYTHONPATH" in names
    assert not [name for name in names if name.startswith(("FER_EDGE_", "CREDENTIALS_"))]


def test_an_empty_photo():
    status, _, body = handed_in(Photos({}), b"")
    assert (status, json.loads(body)["message"]) == (422, "the photo is empty")
    assert handed_in(Photos({}), b"", headers={})[0] == 411


def test_too_many_photos_are_put_off():
    now = 1000.0
    photos = Photos({}, PhotoLimits(burst=2), program=("-c", "print('{}')"), clock=lambda: now)
    assert [handed_in(photos, b"x")[0] for _ in range(3)] == [500, 500, 429]
    assert handed_in(photos, b"x")[1]["Retry-After"] == "2"
    now += 2.0
    assert [handed_in(photos, b"x")[0] for _ in range(2)] == [500, 429]


def test_one_photo_is_read_at_a_time():
    photos = who_does("print('{\"photo\": {\"at\": [%f, ' % time.monotonic(), end=''); "
                      "time.sleep(0.05); print('%f]}}' % time.monotonic())")  # fmt: skip
    handle = photos.routes()[0].handle

    async def both():
        request = Request("/photo", {}, "POST", b"x")
        return await asyncio.gather(handle(request), handle(request))

    (_, ended), (began, _) = sorted(json.loads(one.body)["at"] for one in asyncio.run(both()))
    assert ended <= began


def has_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_who_goes_away_leaves_no_process(tmp_path):
    mark = tmp_path / "pid"
    photos = who_does(f"open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(600)")

    async def leave():
        task = asyncio.create_task(photos.routes()[0].handle(Request("/photo", {}, "POST", b"x")))
        while not (mark.exists() and mark.read_text()):
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(leave())
    wait_until(lambda: has_gone(int(mark.read_text())))
