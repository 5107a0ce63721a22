"""Finding faces."""

import types

import numpy as np
import pytest
from builders import PORTRAIT, PORTRAIT_FACE, a_picture, masked

from fer_edge.pipeline.protocols import Detector
from fer_edge.shared.data.pictures import read_grey
from fer_edge.shared.errors import EXIT_CONFIG, DependencyError, SettingsError
from fer_edge.shared.faces import haar
from fer_edge.shared.faces.haar import CASCADES, HaarDetector
from fer_edge.shared.faces.legibility import why_unreadable
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Box


@pytest.fixture(scope="module")
def portrait():
    return read_grey(PORTRAIT)


def at(picture, *, left, top, width, height):
    """Put a picture on a grey wall."""
    wall = np.full((height, width), 140, np.uint8)
    wall[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return wall


def moved(box, *, left=0, top=0):
    return Box(box.x + left, box.y + top, box.width, box.height)


def test_a_masked_face_is_found_and_known_to_be_covered(portrait):
    (bare,), picture = HaarDetector().detect(portrait), masked(portrait)
    assert why_unreadable(portrait, bare) is None
    (covered,) = HaarDetector().detect(picture)
    assert why_unreadable(picture, covered) == "covered"


@pytest.mark.parametrize("confirm", ["", "alt"])
@pytest.mark.parametrize("cascade", CASCADES)
def test_every_cascade_finds_the_portraits_face(portrait, cascade, confirm):
    first = HaarDetector(cascade=cascade, confirm=confirm).detect(portrait)[0]
    assert first.box.iou(PORTRAIT_FACE) > 0.6
    assert first.score > 2


def test_by_default_it_finds_that_face_alone(portrait):
    assert len(HaarDetector().detect(portrait)) == 1


@pytest.mark.parametrize("level", [0, 140, 255])
@pytest.mark.parametrize("shape", [(480, 640), (1, 1), (1, 3000), (3000, 2), (30, 30)])
def test_a_plain_wall_has_no_face(level, shape):
    assert HaarDetector().detect(np.full(shape, level, np.uint8)) == []


@pytest.mark.parametrize("factor", [2, 4])
def test_boxes_are_in_pixels_of_the_picture_however_large(portrait, factor):
    large = cv2.resize(portrait, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    (face,) = HaarDetector(max_side_px=400).detect(large)
    assert face.box.iou(PORTRAIT_FACE.scaled(factor)) > 0.6


def test_two_faces_are_both_found(portrait):
    wall = at(portrait, left=0, top=40, width=820, height=460)
    wall[20:420, 420:820] = portrait
    faces = HaarDetector().detect(wall)
    assert len(faces) == 2
    expected = [moved(PORTRAIT_FACE, top=40), moved(PORTRAIT_FACE, left=420, top=20)]
    assert all(any(face.box.iou(box) > 0.6 for face in faces) for box in expected)


def test_most_blotches_that_one_cascade_takes_for_faces_are_not_confirmed():
    blotches = [cv2.GaussianBlur(a_picture(640, 480, seed=n), (9, 9), 0) for n in range(3, 8)]
    spread = [cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX) for picture in blotches]
    alone, confirmed = (
        sum(len(detector.detect(picture)) for picture in spread)
        for detector in (HaarDetector(confirm=""), HaarDetector())
    )
    assert alone >= 8
    assert confirmed <= alone / 4


@pytest.mark.parametrize("corner", ["top left", "bottom right"])
def test_a_blurred_face_in_a_corner_is_confirmed(portrait, corner):
    face = cv2.GaussianBlur(portrait[68:160, 179:271], (0, 0), 4)
    place = Box(0, 0, 92, 92) if corner == "top left" else Box(548, 388, 92, 92)
    wall = at(face, left=place.x, top=place.y, width=640, height=480)
    (weak,) = HaarDetector(confirm="").detect(wall)
    assert weak.score < 10, "so that the second cascade is asked"
    assert weak.box.iou(place) > 0.6
    assert HaarDetector().detect(wall) == [weak]


def test_the_surest_comes_first(portrait):
    small, blurred = cv2.resize(portrait, (250, 250)), cv2.GaussianBlur(portrait, (0, 0), 4)
    for order in ([portrait, small, blurred], [blurred, small, portrait]):
        row = np.hstack([at(p, left=0, top=0, width=400, height=400) for p in order])
        scores = [face.score for face in HaarDetector(max_side_px=1200).detect(row)]
        assert len(set(scores)) == 3
        assert scores == sorted(scores, reverse=True)


def test_no_face_lies_inside_another(portrait):
    faces = HaarDetector(confirm="", min_neighbours=0).detect(portrait)
    boxes = [face.box for face in faces]
    for i, box in enumerate(boxes):
        for other in boxes[i + 1 :]:
            inside = min(box.area, other.area)
            assert box.iou(other) * (box.area + other.area) / (1 + box.iou(other)) <= inside / 2 + 1


def test_smaller_faces_than_asked_for_are_not_searched(portrait):
    assert HaarDetector(min_face_px=200).detect(portrait) == []


def test_it_leaves_the_picture_as_it_is(portrait):
    before = portrait.copy()
    HaarDetector().detect(portrait)
    np.testing.assert_array_equal(portrait, before)


def test_it_keeps_the_protocol():
    assert isinstance(HaarDetector(), Detector)
    assert HaarDetector().detect(a_picture()) == []


def test_an_unknown_cascade():
    with pytest.raises(SettingsError, match="unknown cascade 'best'; expected one of alt2, alt"):
        HaarDetector(cascade="best")


def without_class():
    return types.SimpleNamespace(__version__="5.0.0", data=cv2.data)


def without_files(folder):
    data = types.SimpleNamespace(haarcascades=str(folder))
    return types.SimpleNamespace(
        __version__="5.0.0", data=data, CascadeClassifier=cv2.CascadeClassifier, error=cv2.error
    )


def without_data():
    return types.SimpleNamespace(__version__="5.0.0", CascadeClassifier=cv2.CascadeClassifier)


def test_an_opencv_without_haar_says_what_to_install(monkeypatch, tmp_path):
    for unfit in (without_class(), without_files(tmp_path), without_data()):
        monkeypatch.setattr(haar, "cv2", unfit)
        with pytest.raises(DependencyError, match=r"OpenCV 5\.0\.0 has no Haar cascades") as caught:
            HaarDetector()
        assert "opencv-python-headless>=4.10,<5" in caught.value.fix
        assert caught.value.exit_code == EXIT_CONFIG


@pytest.mark.parametrize("content", ["", "no XML", "<opencv_storage></opencv_storage>"])
def test_a_damaged_cascade_file(monkeypatch, tmp_path, content):
    (tmp_path / CASCADES["alt2"]).write_text(content)
    monkeypatch.setattr(haar, "cv2", without_files(tmp_path))
    with pytest.raises(DependencyError, match=r"alt2\.xml cannot be loaded"):
        HaarDetector()
