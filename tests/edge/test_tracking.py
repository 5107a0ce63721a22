"""Following faces: found, held, lost, told apart, and at what cost."""

import contextlib
import logging
import threading
import time

import numpy as np
import pytest
from builders import a_picture
from moving_faces import a_wall, as_frames, with_face
from techniques import EACH, needs_weights

from fer_edge.assemble.parts import make_tracker
from fer_edge.pipeline.protocols import Tracker
from fer_edge.settings import resolve
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Frame

KIND = {"detector.kind": "haar"}


@pytest.fixture(params=EACH, autouse=True)
def kind(request, monkeypatch):
    """Make every test hold for both techniques."""
    monkeypatch.setitem(KIND, "detector.kind", request.param)
    return request.param


def a_tracker(*, frames="clip", **changes):
    flags = {**KIND, **{f"tracker.{key}": str(value) for key, value in changes.items()}}
    settings = resolve(flags=flags, environment={}, file={}).settings
    return make_tracker(settings, frames=frames)


def follow(tracker, pictures, *, first=0):
    """Return the faces of each picture."""
    return [tracker.update(frame) for frame in as_frames(pictures, first=first)]


def walk(xs, *, y=200, wall=None, face_px=90):
    """Return pictures of a face that stands at each x in turn, and its boxes."""
    wall = a_wall() if wall is None else wall
    seen = [with_face(wall, x, y, face_px=face_px) for x in xs]
    return [picture for picture, _ in seen], [box for _, box in seen]


@pytest.fixture(params=["clip", "live", "pictures"])
def any_tracker(request, kind):
    tracker = a_tracker(frames=request.param)
    yield tracker
    tracker.close()


class TestEveryTracker:
    """What the protocol promises, for every way that frames come."""

    def test_it_keeps_the_protocol(self, any_tracker):
        assert isinstance(any_tracker, Tracker)
        assert any_tracker.left_out == 0

    def test_a_face_that_stays_is_found_within_a_second(self, any_tracker, request):
        (picture,), (box,) = walk([320])
        # Beside the frames it takes as long as the machine needs, and nobody waits for it.
        live = request.node.callspec.params["any_tracker"] == "live"
        faces = []
        for frame in as_frames([picture] * (1000 if live else 30)):
            faces = any_tracker.update(frame)
            if faces and live:
                break
            time.sleep(0.02 * live)
        assert len(faces) == 1
        assert faces[0].box.iou(box) > 0.6

    def test_it_leaves_the_picture_as_it_is(self, any_tracker):
        pictures, _ = walk(range(300, 340, 2))
        kept = [picture.copy() for picture in pictures]
        follow(any_tracker, pictures)
        assert all(np.array_equal(a, b) for a, b in zip(pictures, kept, strict=True))

    @pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 2), (30, 30), (480, 640)])
    def test_pictures_of_any_shape(self, any_tracker, shape):
        assert follow(any_tracker, [np.full(shape, 140, np.uint8)] * 3) == [[], [], []]

    def test_frames_may_change_their_size(self, any_tracker):
        (small,), _ = walk([320])
        large = cv2.resize(small, (1280, 960))
        for number, picture in enumerate([small, large, small[:100, :100], large]):
            follow(any_tracker, [picture] * 2, first=2 * number)

    def test_it_may_be_closed_twice(self, any_tracker):
        any_tracker.close()
        any_tracker.close()


def test_a_face_is_reported_in_the_first_frame_of_a_clip():
    pictures, boxes = walk([320])
    (face,) = follow(a_tracker(), pictures)[0]
    assert face.box.iou(boxes[0]) > 0.6


@pytest.mark.parametrize("step", [0, 3, 8, 15])
def test_a_face_that_walks_is_held_in_every_frame_without_lag(step):
    pictures, boxes = walk([120 + step * n for n in range(int(400 / max(step, 10)))])
    seen = follow(a_tracker(), pictures)
    assert all(len(faces) == 1 for faces in seen)
    assert len({faces[0].track_id for faces in seen}) == 1
    # The find's box differs from the drawn one by a constant, and it must stay that.
    off = [
        faces[0].box.x + faces[0].box.width / 2 - box.x
        for faces, box in zip(seen, boxes, strict=True)
    ]
    assert max(off) - min(off) < 8


@pytest.mark.parametrize("apart", [0.3, 1.0, 3.0, 20.0])
def test_faces_that_stay_keep_their_numbers_however_rarely_frames_come(apart):
    rng = np.random.default_rng(0)
    wall = np.full((480, 640), 120, np.uint8)
    for x in (120, 320, 520):
        wall, _ = with_face(wall, x, 240, face_px=90)
    tracker, numbers, most = a_tracker(frames="live"), [], 0
    with contextlib.closing(tracker):
        for n in range(40):
            noise = rng.normal(0, 3, wall.shape)
            picture = np.clip(wall + noise, 0, 255).astype(np.uint8)
            at = n * apart
            faces = tracker.update(Frame(n, 1e9 + at, round(at * 1e9), picture))
            time.sleep(0.05)  # in which the search ends that goes on beside the frames
            numbers += [face.track_id for face in faces]
            most = max(most, len(faces))
    assert most == 3
    assert numbers.count(max(numbers)) > 25, "who is found late stays as well"
    assert len(set(numbers)) <= 4, "the second frame may come too late to tell who it is"


def test_a_face_that_comes_nearer_is_held_and_its_box_grows():
    seen = [with_face(a_wall(), 320, 220, face_px=80 + n) for n in range(60)]
    found = follow(a_tracker(), [picture for picture, _ in seen])
    assert all(len(faces) == 1 for faces in found)
    assert found[-1][0].box.iou(seen[-1][1]) > 0.6
    assert found[-1][0].box.width > 1.4 * found[5][0].box.width


def test_the_same_clip_gives_the_same_faces():
    pictures, _ = walk([200 + 4 * n for n in range(50)])
    assert follow(a_tracker(), pictures) == follow(a_tracker(), pictures)


def test_a_face_hidden_for_a_moment_keeps_its_number_and_stays_reported():
    pictures, _ = walk([320] * 60)
    for hidden in pictures[30:38]:
        hidden[100:330, 220:420] = a_picture(200, 230, seed=4)
    seen = follow(a_tracker(), pictures)
    assert all(len(faces) == 1 for faces in seen)
    assert len({faces[0].track_id for faces in seen}) == 1


def test_a_face_that_left_is_no_longer_reported_and_gets_its_number_back():
    before, _ = walk([320] * 20)
    after, _ = walk([340] * 20)
    seen = follow(a_tracker(), [*before, *[a_wall()] * 25, *after])
    assert seen[20 + 16] == []
    assert seen[44] == []
    assert seen[-1][0].track_id == seen[0][0].track_id


@pytest.mark.parametrize("border", ["left", "right", "top", "bottom"])
def test_a_face_that_stays_at_a_border_stays_reported(border, kind):
    # Haar's square is the larger one, and a face without its chin is none to it.
    out = {"haar": 0.09, "yunet": 0.15}[kind] * 90 - 45
    edge = {"left": (-out, 240), "right": (640 + out, 240), "top": (320, -out)}
    x, y = edge.get(border, (320, 480 + out))
    way = [min(1.0, n / 15) for n in range(45)]
    places = [(320 + part * (x - 320), 240 + part * (y - 240)) for part in way]
    seen = follow(a_tracker(), [with_face(a_wall(), *place)[0] for place in places])
    assert all(len(faces) == 1 for faces in seen)
    assert len({faces[0].track_id for faces in seen}) == 1


def test_a_face_whose_middle_has_left_is_no_longer_reported():
    pictures, _ = walk([min(700, 320 + 20 * n) for n in range(40)])
    assert follow(a_tracker(), pictures)[-1] == []


def test_a_face_that_returns_much_later_is_another_one():
    pictures, _ = walk([320] * 10)
    seen = follow(a_tracker(remember_seconds=1), [*pictures, *[a_wall()] * 60, *pictures])
    assert seen[-1][0].track_id != seen[0][0].track_id


def test_who_is_in_the_same_place_after_a_long_gap_may_be_another():
    pictures, _ = walk([320] * 5)
    tracker = a_tracker(remember_seconds=60, trust_seconds=60)
    before = follow(tracker, pictures)
    after = follow(tracker, pictures, first=5 + 30 * 6)
    assert len(after[-1]) == 1
    assert after[-1][0].track_id > before[-1][0].track_id


def test_a_short_gap_ends_no_track():
    pictures, _ = walk([320] * 5)
    tracker = a_tracker()
    before = follow(tracker, pictures)
    after = follow(tracker, pictures, first=5 + 30 * 3)
    assert after[-1][0].track_id == before[-1][0].track_id


def test_frames_of_another_size_are_another_view():
    (small,), (box,) = walk([320])
    tracker = a_tracker()
    before = follow(tracker, [small] * 5)
    after = follow(tracker, [cv2.resize(small, (1280, 960))] * 5, first=5)
    assert all(face.box.iou(box.scaled(2)) > 0.5 for faces in after for face in faces)
    assert len(after[-1]) == 1
    assert after[-1][0].track_id > before[-1][0].track_id


def test_a_search_sent_before_a_change_of_size_brings_no_face():
    (small,), (box,) = walk([320])
    with contextlib.closing(a_tracker(frames="live")) as tracker:
        for index in range(200):
            large = index % 2 == 1
            picture = cv2.resize(small, (1280, 960)) if large else small
            frame = Frame(index, 0.0, time.monotonic_ns(), picture)
            for face in tracker.update(frame):
                assert face.box.iou(box.scaled(2) if large else box) > 0.4
            time.sleep(0.002)


def test_another_scene_ends_all_tracks_at_once():
    pictures, _ = walk([200] * 10)
    other = [np.full((480, 640), 20, np.uint8)] * 3
    seen = follow(a_tracker(), [*pictures, *other])
    assert [len(faces) for faces in seen] == [1] * 10 + [0] * 3


def test_two_faces_that_cross_keep_their_numbers():
    """The one behind is hidden by the one in front, as heads are."""
    pictures = []
    for n in range(70):
        behind, _ = with_face(a_wall(), 560 - 7 * n, 200, face_px=80)
        picture, _ = with_face(behind, 80 + 7 * n, 215, face_px=95)
        pictures.append(picture)
    seen = follow(a_tracker(), pictures)
    first = {face.track_id: face.box.x for face in seen[20]}
    last = {face.track_id: face.box.x for face in seen[-1]}
    assert len(first) == len(last) == 2
    assert set(first) == set(last)
    order = sorted(first, key=first.__getitem__)
    assert sorted(last, key=last.__getitem__) == order[::-1], "they have changed sides"


def test_another_clip_is_followed_from_its_first_frame_with_new_numbers():
    pictures, _ = walk([200 + 4 * n for n in range(30)])
    tracker = a_tracker()
    first = follow(tracker, pictures)
    second = follow(tracker, pictures)
    assert [[face.box for face in faces] for faces in second] == [
        [face.box for face in faces] for faces in first
    ]
    assert second[0][0].track_id != first[0][0].track_id


def test_the_same_frame_again_and_again_has_the_same_face():
    (picture,), _ = walk([320])
    tracker = a_tracker()
    frame = next(as_frames([picture]))
    boxes = [tracker.update(frame)[0].box for _ in range(20)]
    moved = next(as_frames([picture], first=1))
    assert tracker.update(moved)[0].box.iou(boxes[-1]) > 0.85


def crowd(count):
    wall = a_wall(1280, 720)
    for n in range(count):
        wall, _ = with_face(wall, 100 + 210 * (n % 6), 160 + 240 * (n // 6), face_px=80)
    return wall


def test_a_crowd_is_followed_face_by_face():
    seen = follow(a_tracker(), [crowd(6)] * 60)
    assert len(seen[-1]) == 6
    assert len({face.track_id for face in seen[-1]}) == 6


def test_a_limit_on_faces_is_said_once_and_in_the_number_left_out(caplog):
    tracker = a_tracker(max_faces=3)
    with caplog.at_level(logging.WARNING):
        seen = follow(tracker, [crowd(6)] * 90)
    assert max(map(len, seen)) == 3
    assert tracker.left_out > 0
    assert [record.message for record in caplog.records] == [
        "more than 3 faces: the others are left out; raise tracker.max_faces to follow more, at "
        "more time a frame"
    ]
    follow(tracker, [a_wall(1280, 720)] * 40, first=90)
    assert tracker.left_out == 0


def test_smaller_faces_than_asked_for_are_not_followed():
    picture, _ = with_face(a_wall(), 320, 200, face_px=45)
    assert follow(a_tracker(), [picture] * 40)[-1]
    assert not follow(a_tracker(min_face_px=90), [picture] * 40)[-1]


def test_blotches_that_look_like_faces_are_never_reported():
    blotches = [cv2.GaussianBlur(a_picture(640, 480, seed=n), (9, 9), 0) for n in range(3, 8)]
    spread = [cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX) for picture in blotches]
    shown = [picture for picture in spread for _ in range(45)]
    assert not any(follow(a_tracker(), shown))


def test_a_live_search_does_not_hold_up_the_frames(monkeypatch):
    tracker = a_tracker(frames="live")
    slow = tracker._runner._search

    go_on = threading.Event()

    def search(request):
        assert go_on.wait(20), "it is waited for"
        return slow(request)

    tracker._runner._search = search
    (picture,), _ = walk([320])
    tracker.update(Frame(0, 0.0, time.monotonic_ns(), picture))
    go_on.set()
    deadline = time.monotonic() + 20
    index = 0
    while not (faces := tracker.update(Frame(index, 0.0, time.monotonic_ns(), picture))):
        index += 1
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(faces) == 1
    tracker.close()


def test_a_live_search_that_fails_is_not_silent():
    tracker = a_tracker(frames="live")

    def search(request):
        raise ValueError("broken")

    tracker._runner._search = search

    def watch():
        for frame in as_frames([a_wall()] * 2000):
            tracker.update(frame)
            time.sleep(0.01)

    with pytest.raises(ValueError, match="broken"):
        watch()
    tracker.close()


def leaning(degrees):
    """Return a picture of the face with its head so far to one side."""
    picture, box = with_face(a_wall(), 320, 240)
    middle = (box.x + box.width / 2, box.y + box.height / 2)
    matrix = cv2.getRotationMatrix2D(middle, -degrees, 1)
    return cv2.warpAffine(picture, matrix, (640, 480), borderMode=cv2.BORDER_REPLICATE)


@needs_weights
class TestAFacesLife:
    """What only YuNet can follow."""

    @pytest.fixture(autouse=True)
    def kind(self, monkeypatch):
        monkeypatch.setitem(KIND, "detector.kind", "yunet")

    @pytest.mark.parametrize("most", [-45, 45])
    def test_a_head_that_leans_far_and_comes_back_keeps_its_number(self, most):
        swing = [most * np.sin(n / 75 * np.pi) for n in range(76)]
        seen = follow(a_tracker(), [*[leaning(0)] * 5, *map(leaning, swing), *[leaning(0)] * 10])
        assert all(len(faces) == 1 for faces in seen)
        assert len({faces[0].track_id for faces in seen}) == 1
        furthest = max(faces[0].roll * np.sign(most) for faces in seen)
        assert furthest > 30
        assert abs(seen[-1][0].roll) < 12

    def test_a_head_that_stays_to_one_side_stays_reported(self):
        seen = follow(a_tracker(), [*map(leaning, range(40)), *[leaning(40)] * 90])
        assert all(len(faces) == 1 for faces in seen)
        assert len({faces[0].track_id for faces in seen}) == 1

    def test_a_hand_before_the_mouth_ends_nothing_and_is_told(self):
        open_face, box = with_face(a_wall(), 320, 240)
        hidden = open_face.copy()
        hidden[box.y + 52 : box.y + 110, box.x - 8 : box.x + 98] = 170
        seen = follow(a_tracker(), [*[open_face] * 20, *[hidden] * 45, *[open_face] * 40])
        assert all(len(faces) == 1 for faces in seen)
        assert len({faces[0].track_id for faces in seen}) == 1
        assert seen[60][0].covered > 0.7
        assert seen[15][0].covered < 0.3
        assert seen[-1][0].covered < 0.3

    def test_half_a_face_at_the_picture_s_edge_is_found(self):
        picture, box = with_face(a_wall(), 12, 240, face_px=120)
        assert box.x < -40
        (face,) = follow(a_tracker(), [picture] * 15)[-1]
        assert face.box.iou(box) > 0.4
