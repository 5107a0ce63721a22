"""Boxes and labels on pictures of every size and ground."""

import cv2
import numpy as np
import pytest
from builders import SEVEN, a_box, a_face, a_prediction, a_reading

from fer_edge.shared.model.words import as_name
from fer_edge.shared.records import Box
from fer_edge.shared.report.drawing import draw, drawable

WHITE = np.full((480, 640, 3), 255, np.uint8)
BLACK = np.zeros((480, 640, 3), np.uint8)


def a_label(box=None, *, label="happy", stable=None, track_id=None, probability=0.9):
    rest = (1 - probability) / 6
    prediction = a_prediction(
        probabilities=tuple(probability if each == label else rest for each in SEVEN)
    )
    face = a_face(box=box or a_box(x=200, y=150, width=100, height=100), track_id=track_id)
    return a_reading(face=face, prediction=prediction, stable=stable)


def colour_of(reading):
    """Return the colour of most that is drawn, beside black and white."""
    packed = draw(WHITE, [reading]).reshape(-1, 3).astype(int) @ (2**16, 2**8, 1)
    values, counts = np.unique(packed[packed != packed[0]], return_counts=True)
    seen = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1)
    vivid = seen.max(1) - seen.min(1) > 60
    return tuple(int(value) for value in seen[vivid][counts[vivid].argmax()])


def amount_of(colour, drawn):
    return int((drawn == np.array(colour, np.uint8)).all(-1).sum())


def changed(drawn, ground=BLACK):
    """Return where a picture was drawn on: left, top, right, bottom."""
    rows, columns = np.nonzero((drawn != ground).any(-1))
    return columns.min(), rows.min(), columns.max(), rows.max()


def test_a_copy_comes_back_in_colour():
    drawn = draw(WHITE, [a_label()])
    assert (WHITE == 255).all()
    assert drawn.shape == WHITE.shape
    assert draw(WHITE[..., 0], [a_label()]).shape == WHITE.shape
    assert (draw(WHITE, []) == WHITE).all()


@pytest.mark.parametrize("ground", [WHITE, BLACK], ids=["white", "black"])
def test_box_and_letters_stand_out_from_any_ground(ground):
    drawn = draw(ground, [a_label(track_id=1)])
    assert amount_of(colour_of(a_label(track_id=1)), drawn) > 2000
    plate = draw(ground, [a_label(track_id=1)])[128:149, 202:300]
    light = cv2.cvtColor(plate, cv2.COLOR_BGR2GRAY)
    assert light.max().astype(int) - light.min() > 120, "letters on their plate"


def test_a_followed_face_keeps_its_colour_and_another_has_another():
    moved = Box(20, 300, 60, 60)
    colours = [colour_of(a_label(track_id=number)) for number in range(1, 7)]
    assert colours == [
        colour_of(a_label(moved, track_id=number, label="sad", stable="sad"))
        for number in range(1, 7)
    ]
    assert len(set(colours)) == 6


def test_the_stable_label_is_drawn():
    steady = draw(BLACK, [a_label(label="sad", stable="happy", track_id=1)])
    assert (steady != draw(BLACK, [a_label(label="sad", stable="sad", track_id=1)])).any()


def test_uncertain_looks_uncertain():
    sure, unsure = (a_label(track_id=1, stable=stable) for stable in ("happy", "uncertain"))
    colour = colour_of(sure)
    edge = np.s_[150, 200:300]
    assert amount_of(colour, draw(BLACK, [sure])[edge]) > 90
    assert 30 < amount_of(colour, draw(BLACK, [unsure])[edge]) < 75, "dashes"
    plate = np.s_[128:146, 203:300]
    assert amount_of(colour, draw(BLACK, [unsure])[plate]) < 100, "a dark plate"
    guess = draw(BLACK, [a_label(stable="uncertain")])
    assert changed(guess)[2] > changed(draw(BLACK, [unsure]))[2], "of a picture the guess is told"


@pytest.mark.parametrize("count", [2, 6])
def test_labels_of_a_crowd_do_not_cover_one_another(count):
    crowd = [a_label(Box(150 + 12 * n, 180 + 8 * n, 90, 90), track_id=n) for n in range(count)]
    drawn = draw(BLACK, crowd)
    for reading in crowd:
        alone = amount_of(colour_of(reading), draw(BLACK, [reading]))
        assert amount_of(colour_of(reading), drawn) > 0.75 * alone


def test_of_two_faces_at_one_place_both_labels_are_seen():
    twins = [a_label(track_id=number) for number in (1, 2)]
    drawn = draw(BLACK, twins)
    for reading in twins:
        assert amount_of(colour_of(reading), drawn) > 1200


@pytest.mark.parametrize(
    "box",
    [Box(-40, -40, 90, 90), Box(600, 440, 90, 90), Box(590, -30, 90, 90), Box(-50, 400, 90, 120),
     Box(0, 0, 640, 480)],
    ids=str,
)  # fmt: skip
def test_a_label_lies_inside_the_picture_wherever_its_face_is(box):
    reading = a_label(box, track_id=1)
    usual = amount_of(colour_of(a_label(track_id=1)), draw(BLACK, [a_label(track_id=1)])[:150])
    drawn = draw(BLACK, [reading])
    colour = np.array(colour_of(a_label(track_id=1)), np.uint8)
    mask = (drawn == colour).all(-1).astype(np.uint8)
    plates = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((4, 4), np.uint8))
    assert plates.sum() > 0.4 * usual


def test_lines_and_letters_grow_with_the_picture():
    small = draw(BLACK, [a_label(track_id=1)])
    large_ground = np.zeros((2880, 3840, 3), np.uint8)
    large = draw(large_ground, [a_label(Box(1200, 900, 600, 600), track_id=1)])
    colour = colour_of(a_label(track_id=1))
    assert amount_of(colour, large) / amount_of(colour, small) == pytest.approx(36, rel=0.15)


@pytest.mark.parametrize("side", [1, 2, 8, 24, 48, 64, 160])
def test_in_a_tiny_picture_there_are_fewer_words(side):
    ground = np.zeros((side, side, 3), np.uint8)
    box = Box(side // 4, side // 4, side // 2, side // 2)
    drawn = draw(ground, [a_label(box, track_id=1), a_label(box, track_id=2, stable="uncertain")])
    assert drawn.shape == ground.shape
    if side >= 24:
        assert (drawn != ground).any()


@pytest.mark.parametrize(
    ("word", "letters"), [("Grüße", "Grusse"), ("søvnig", "sovnig"), ("łza", "lza"), ("é", "e")]
)
def test_words_keep_their_letters_where_accents_cannot_stand(word, letters):
    assert drawable(word) == as_name(word) == letters
