"""A frozen and a black picture are faults; a dark room is none."""

import numpy as np
import pytest

from fer_edge.daemon.camera.picture_watch import PictureWatch
from fer_edge.testing.fakes import noisy_picture, numbered_picture

STILL = noisy_picture(0)
BLACK = np.full((120, 160), 16, np.uint8)


def a_watch(*, frozen=3.0, black=2.0, doubt=1.0):
    return PictureWatch(frozen_seconds=frozen, black_seconds=black, doubt_seconds=doubt)


def noise(seconds, *, level=120, first=0):
    return [noisy_picture(first + number, level=level) for number in range(round(seconds * 10))]


def show(watch, pictures, *, start=0.0):
    """Show ten pictures a second; return the verdicts."""
    return [watch.look(picture, start + number / 10) for number, picture in enumerate(pictures)]


def test_pictures_with_noise_are_good_for_ever():
    assert set(show(a_watch(), noise(10))) == {"good"}


def test_the_same_picture_for_too_long_has_failed():
    watch = a_watch()
    verdicts = show(watch, [STILL] * 40)
    assert verdicts[:30] == ["good"] * 30
    assert set(verdicts[30:]) == {"failed"}
    assert watch.problem == "the picture is frozen"


def test_one_pixel_that_changes_is_enough():
    other = STILL.copy()
    other[80, 50] ^= 1
    assert set(show(a_watch(), [STILL, other] * 30)) == {"good"}


def test_the_digits_of_a_clock_are_seen_in_a_still_picture():
    def with_clock(second):
        picture = STILL.copy()
        picture[100:110, 10:14] = 20 * second
        return picture

    pictures = [with_clock(second) for second in range(8) for _ in range(10)]
    assert set(show(a_watch(), pictures)) == {"good"}


@pytest.mark.parametrize("level", [0, 16, 30])
def test_a_black_picture_has_failed(level):
    watch = a_watch()
    verdicts = show(watch, [np.full((120, 160), level, np.uint8)] * 30)
    assert verdicts[:19] == ["good"] * 19
    assert verdicts[-1] == "failed"
    assert watch.problem == "the picture is black"


def test_a_black_picture_that_flickers_by_a_level_has_failed():
    watch = a_watch()
    other = BLACK.copy()
    other[::3, ::5] += 2
    assert show(watch, [BLACK, other] * 15)[-1] == "failed"
    assert watch.problem == "the picture is black"


def test_a_dark_room_is_dark_and_no_fault():
    watch = a_watch()
    assert set(show(watch, noise(10, level=6))) == {"good"}
    assert watch.dark
    show(watch, noise(1), start=10.0)
    assert not watch.dark


def test_a_grey_wall_without_noise_is_frozen_and_not_black():
    watch = a_watch()
    show(watch, [numbered_picture(30)] * 40)
    assert watch.problem == "the picture is frozen"


def test_light_that_goes_on_in_time_is_no_fault():
    pictures = [picture for at in range(4) for picture in ([BLACK] * 15 + noise(1, first=100 * at))]
    assert set(show(a_watch(), pictures)) == {"good"}


def test_zero_switches_each_off():
    assert set(show(a_watch(frozen=0, black=0), [BLACK] * 100)) == {"good"}
    assert show(a_watch(frozen=0), [BLACK] * 100)[-1] == "failed"
    assert set(show(a_watch(frozen=0), [STILL] * 100)) == {"good"}


class TestAfterItWasOpenedAgain:
    @pytest.fixture
    def watch(self):
        watch = a_watch()
        show(watch, [STILL] * 31)
        watch.start_anew()
        return watch

    def test_it_is_doubtful_until_two_pictures_differ(self, watch):
        assert show(watch, [STILL, STILL, noisy_picture(1)], start=10) == [
            "doubtful", "doubtful", "good",
        ]  # fmt: skip
        assert watch.problem == ""

    def test_another_picture_that_stands_still_proves_nothing(self, watch):
        verdicts = show(watch, [noisy_picture(7)] * 12, start=10)
        assert set(verdicts[:10]) == {"doubtful"}
        assert verdicts[10] == "failed", "sooner than the first time"

    def test_once_it_was_good_it_gets_its_whole_time_again(self, watch):
        show(watch, noise(1), start=10)
        verdicts = show(watch, [STILL] * 40, start=11)
        assert verdicts[:30] == ["good"] * 30
        assert verdicts[-1] == "failed"

    def test_a_black_one_stays_doubtful_while_it_is_black(self):
        watch = a_watch()
        show(watch, [BLACK] * 31)
        watch.start_anew()
        flickering = BLACK.copy()
        flickering[0, 0] += 1
        assert set(show(watch, [BLACK, flickering] * 4, start=10)) == {"doubtful"}
        assert show(watch, noise(1), start=11)[-1] == "good"

    def test_without_a_watch_for_frozen_ones_any_light_will_do(self):
        watch = a_watch(frozen=0)
        show(watch, [BLACK] * 31)
        watch.start_anew()
        assert show(watch, [STILL], start=10) == ["good"]


def test_a_size_that_changes_is_a_picture_that_changes():
    large = noisy_picture(0, width=320, height=240)
    assert set(show(a_watch(), [STILL, large] * 40)) == {"good"}


def test_a_picture_is_neither_kept_nor_changed():
    """A camera lends one buffer over and over: a picture that was kept would look frozen."""
    watch = a_watch()
    buffer = np.empty_like(STILL)
    for number in range(60):
        picture = noisy_picture(number % 2)
        buffer[:] = picture
        assert watch.look(buffer, number / 10) == "good"
        assert np.array_equal(buffer, picture)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (1, 3000)])
def test_pictures_of_any_shape(shape):
    assert show(a_watch(), [np.full(shape, 140, np.uint8)] * 31)[-1] == "failed"
