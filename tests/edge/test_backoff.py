"""Pauses between attempts."""

from random import Random

from fer_edge.pipeline.backoff import Backoff


def test_pauses_double_up_to_the_longest_and_begin_anew_after_a_success():
    backoff = Backoff(first_seconds=1, longest_seconds=8, draw=Random(1))
    pauses = [backoff.pause() for _ in range(6)]
    bounds = [1, 2, 4, 8, 8, 8]
    assert all(bound / 2 <= pause <= bound for bound, pause in zip(bounds, pauses, strict=True))
    backoff.reset()
    assert backoff.pause() <= 1


def test_two_devices_do_not_knock_at_the_same_moment():
    pauses = {
        Backoff(first_seconds=1, longest_seconds=60, draw=Random(seed)).pause()
        for seed in range(50)
    }
    assert len(pauses) == 50
