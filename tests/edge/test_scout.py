"""The search for new faces: where, when, and for how much."""

import itertools

import numpy as np
import pytest
from builders import PORTRAIT, a_picture, masked
from moving_faces import a_wall, as_frames, with_face
from techniques import EACH

from fer_edge.assemble.parts import make_tracker
from fer_edge.settings import resolve
from fer_edge.shared.data.pictures import read_grey
from fer_edge.shared.faces.legibility import why_unreadable
from fer_edge.shared.records import Box
from fer_edge.stages.search.background import AtOnce, Background
from fer_edge.stages.search.haar_scout import LARGE, MEDIUM, SMALL, HaarScout
from fer_edge.stages.search.motion import MotionMap
from fer_edge.stages.search.schedule import Budget
from fer_edge.stages.search.scout import SearchRequest


@pytest.fixture(scope="module")
def scout():
    return HaarScout(most=8, min_face_px=20)


def a_request(grey, *, ranges=(LARGE, MEDIUM, SMALL), region=None, known=(), turn=1):
    return SearchRequest(grey, [(one, region) for one in ranges], known, turn, 0.0)


def centre(find):
    return find.face.x, find.face.y


@pytest.mark.parametrize("turn", [0, 1], ids=["default first", "alt2 first"])
@pytest.mark.parametrize(
    ("face_px", "found_in"), [(300, LARGE), (110, LARGE), (44, MEDIUM), (30, SMALL)]
)
def test_faces_of_every_size_are_found_and_sure(scout, face_px, found_in, turn):
    picture, box = with_face(a_wall(), 330, 230, face_px=face_px)
    report = scout.search(a_request(picture, turn=turn))
    assert len(report.finds) == 1
    assert report.finds[0].sure
    assert abs(report.finds[0].face.x - (box.x + box.width / 2)) < 0.15 * face_px
    assert report.finds[0].face.side == pytest.approx(face_px, rel=0.25)
    assert report.found_in is found_in or face_px == 44


def test_who_puts_on_a_mask_is_known_to_be_covered_and_who_takes_it_off_is_not(scout):
    bare = read_grey(PORTRAIT)
    picture = masked(bare)
    (find,) = scout.search(a_request(picture)).finds
    assert why_unreadable(picture, find.face.as_face()) == "covered"
    again = scout.check(bare, find.face)
    assert why_unreadable(bare, again.as_face()) is None
    assert why_unreadable(picture, scout.check(picture, again).as_face()) == "covered"


def test_a_frame_four_times_as_large_has_the_same_faces_at_the_same_cost(scout):
    small, _ = with_face(a_wall(), 330, 230, face_px=90)
    large = np.kron(small, np.ones((4, 4), np.uint8))
    one, other = scout.search(a_request(small)), scout.search(a_request(large))
    assert other.finds[0].face.side == pytest.approx(4 * one.finds[0].face.side, rel=0.15)
    assert other.nominal_ms == pytest.approx(one.nominal_ms, rel=0.05)


def test_only_the_region_is_searched_and_paid_for(scout):
    both, _ = with_face(a_wall(), 160, 240)
    both, _ = with_face(both, 480, 240)
    right = Box(340, 100, 280, 280)
    report = scout.search(a_request(both, region=right))
    assert [centre(find)[0] > 320 for find in report.finds] == [True]
    assert report.nominal_ms < scout.search(a_request(both)).nominal_ms


def test_known_faces_are_not_found_again(scout):
    picture, box = with_face(a_wall(), 330, 230)
    assert scout.search(a_request(picture, known=[box])).finds == []


def test_nothing_is_found_where_there_is_no_face(scout):
    for level in (0, 140, 255):
        assert scout.search(a_request(np.full((480, 640), level, np.uint8))).finds == []
    assert not any(f.sure for f in scout.search(a_request(a_picture(640, 480))).finds)


def test_smaller_faces_than_asked_for_are_not_searched():
    assert HaarScout(most=8, min_face_px=20).ranges == [LARGE, MEDIUM, SMALL]
    assert HaarScout(most=8, min_face_px=60).ranges == [LARGE, MEDIUM]
    assert HaarScout(most=8, min_face_px=100).ranges == [LARGE]


class TestMotion:
    """Which part of the picture changed."""

    def test_the_first_frame_and_another_scene_are_cuts(self):
        motion = MotionMap(1)
        assert motion.update(a_wall()).cut
        assert not motion.update(a_wall()).cut
        assert motion.update(np.full((480, 640), 20, np.uint8)).cut

    def test_a_frame_of_another_size_is_a_cut(self):
        motion = MotionMap(1)
        motion.update(a_wall())
        assert motion.update(a_wall(320, 240)).cut

    def test_the_changed_region_lies_around_what_moved_until_asked(self):
        motion = MotionMap(2)
        motion.update(a_wall())
        motion.changed_region(0)
        motion.changed_region(1)
        picture, box = with_face(a_wall(), 400, 200)
        motion.update(picture)
        motion.update(picture)
        for asker in (0, 1):
            region = motion.changed_region(asker)
            assert region.iou(box) > 0.15
            assert region.area < 0.25 * 640 * 480
            assert motion.changed_region(asker) is None

    def test_changes_at_a_known_person_do_not_count(self):
        motion = MotionMap(1)
        motion.update(a_wall())
        motion.changed_region(0)
        motion.update(with_face(a_wall(), 400, 200)[0])
        assert motion.changed_region(0, except_in=[Box(200, 0, 440, 480)]) is None

    def test_noise_is_no_change(self):
        rng = np.random.default_rng(1)
        motion = MotionMap(1)
        motion.update(a_wall())
        motion.changed_region(0)
        for _ in range(30):
            noise = rng.normal(0, 5, (480, 640))
            motion.update(np.clip(a_wall() + noise, 0, 255).astype(np.uint8))
        assert motion.changed_region(0) is None


class TestBudget:
    """Milliseconds per second."""

    def test_it_starts_full_and_holds_over_time(self):
        budget = Budget(50, burst_ms=100)
        spent = 0.0
        for frame in range(3000):
            if budget.allows(frame / 30):
                budget.spend(40)
                spent += 40
        assert spent <= 100 * 50 + 100 + 40
        assert spent > 0.9 * 100 * 50

    def test_it_does_not_save_more_than_its_cap(self):
        budget = Budget(50, burst_ms=100)
        budget.allows(0)
        assert budget.allows(1000)
        budget.spend(101)
        assert not budget.allows(1000)

    def test_a_clock_that_goes_back_gives_nothing(self):
        budget = Budget(50, burst_ms=10)
        budget.allows(100)
        budget.spend(20)
        assert not budget.allows(1)
        assert not budget.allows(1.1)


def spent_on(pictures, kind, **changes):
    """Return nominal milliseconds per second that the search took."""
    flags = {f"tracker.{key}": str(value) for key, value in changes.items()}
    flags["detector.kind"] = kind
    settings = resolve(flags=flags, environment={}, file={}).settings
    tracker = make_tracker(settings, frames="clip")
    spent = []
    search = tracker._runner._search

    def count(request):
        report = search(request)
        spent.append(report.nominal_ms)
        return report

    tracker._runner._search = count
    seconds = 0.0
    for frame in as_frames(pictures):
        tracker.update(frame)
        seconds = (frame.index + 1) / 30
    return sum(spent) / seconds


def restless(count):
    """Return pictures in which everything moves and nobody is."""
    field = a_picture(900, 700, seed=3)
    return [
        field[n % 200 : n % 200 + 480, (2 * n) % 200 : (2 * n) % 200 + 640] for n in range(count)
    ]


def a_restless_crowd(count):
    wall = a_wall(1280, 720)
    for n in range(12):
        wall, _ = with_face(wall, 100 + 210 * (n % 6), 160 + 240 * (n // 6), face_px=60)
    return [np.roll(wall, 5 * n, axis=1) for n in range(count)]


@pytest.mark.parametrize("kind", EACH)
@pytest.mark.parametrize("scene", [restless, a_restless_crowd], ids=["nobody", "a crowd"])
def test_the_budget_holds(scene, kind):
    pictures = scene(300)
    burst = 1.5 * 40 / 10
    assert spent_on(pictures, kind, budget_ms_per_second=40) <= 40 + burst + 15


@pytest.mark.parametrize("kind", EACH)
def test_an_empty_room_costs_next_to_nothing(kind):
    assert spent_on(itertools.repeat(a_wall(), 600), kind) < 12


@pytest.mark.parametrize("kind", EACH)
def test_one_person_who_moves_costs_little_more(kind):
    pictures = [with_face(a_wall(), 320 + 40 * np.sin(n / 6), 200)[0] for n in range(600)]
    assert spent_on(pictures, kind) < 15


def test_the_runners_bring_the_same_report(scout):
    picture, _ = with_face(a_wall(), 330, 230)
    at_once, beside = AtOnce(scout.search), Background(scout.search)
    reports = []
    for runner in (at_once, beside):
        assert runner.fetch() is None
        runner.send(a_request(picture))
        assert runner.busy
        while (fetched := runner.fetch()) is None:
            pass
        assert not runner.busy
        report, spent_ms = fetched
        assert spent_ms > 0
        reports.append(report.finds)
        runner.close()
    assert reports[0] == reports[1] != []


@pytest.mark.parametrize("kind", EACH)
def test_default_settings_find_a_face_that_slides_in_quickly(kind):
    """Measured on real faces in benchmarks/tracking.py; here that it is not many frames."""
    settings = resolve(flags={"detector.kind": kind}, environment={}, file={}).settings
    tracker = make_tracker(settings, frames="clip")
    whole_at = found_at = None
    for frame in as_frames(
        with_face(a_wall(), max(330, 760 - 14 * (n - 30)), 220)[0] for n in range(120)
    ):
        x = max(330, 760 - 14 * (frame.index - 30))
        if whole_at is None and x <= 640 - 70:
            whole_at = frame.index
        if tracker.update(frame):
            found_at = frame.index
            break
    assert found_at is not None
    assert whole_at is None or found_at - whole_at <= 15, "who is found sooner is found quickly"
