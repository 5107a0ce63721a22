"""The fake camera that programs may test with."""

import itertools
import time

import pytest

from fer_edge.shared.errors import SourceUnavailableError
from fer_edge.testing.fakes import ScriptedSource, Stall, number_of, numbered_picture


def test_follows_its_script():
    failure = SourceUnavailableError("it broke", expected="it whole", fix="mend it")
    source = ScriptedSource([numbered_picture(7), failure, numbered_picture(8)])
    assert number_of(source.read(1.0).grey) == 7
    with pytest.raises(SourceUnavailableError, match="it broke"):
        source.read(1.0)
    assert (number_of((frame := source.read(1.0)).grey), frame.index) == (8, 1)
    assert source.read(1.0) is None


def test_a_stall_outlasts_short_reads_and_then_ends():
    source = ScriptedSource([Stall(0.3), numbered_picture(0)])
    began = time.monotonic()
    with pytest.raises(SourceUnavailableError, match=r"no frame within 0\.1 s"):
        source.read(0.1)
    assert source.read(10.0) is not None
    assert time.monotonic() - began >= 0.3


def test_a_script_may_be_endless():
    source = ScriptedSource(map(numbered_picture, itertools.count()), live=True)
    assert source.live
    assert [source.read(1.0).index for _ in range(5)] == [0, 1, 2, 3, 4]
