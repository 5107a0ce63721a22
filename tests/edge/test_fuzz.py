"""What others send, drawn anew from fixed seeds; `benchmarks/hostile_input.py` draws thousands."""

import contextlib
import random
from collections.abc import Callable

import pytest
from hostile.camera import an_answer, pieces_of, read_over_http, split
from hostile.changes import spoil_settings
from hostile.child import Case
from hostile.peers import commands, listener, status_socket
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fer_edge.assemble.checking import check_settings
from fer_edge.commands.listings import format_settings
from fer_edge.settings import read_settings_file, resolve
from fer_edge.shared.errors import SettingsError

dice = st.randoms(use_true_random=False)
BOUNDED = {
    "derandomize": True,  # the same cases in every run
    "database": None,
    "deadline": None,  # other programs want the machine, too
    "suppress_health_check": list(HealthCheck),
}


@given(dice)
@settings(max_examples=150, **BOUNDED)
def test_a_splitter_finds_pictures_within_bounds_in_anything(rng: random.Random) -> None:
    split(pieces_of(an_answer(rng), rng))


@given(st.lists(st.binary(max_size=300), max_size=8))
@settings(max_examples=200, **BOUNDED)
def test_and_so_in_any_bytes(pieces: list[bytes]) -> None:
    split(pieces)


@given(dice)
@settings(max_examples=60, **BOUNDED)
def test_whatever_a_camera_answers_is_read_or_refused(rng: random.Random) -> None:
    read_over_http(an_answer(rng))


@pytest.fixture(scope="module")
def all_settings() -> str:
    return format_settings(resolve(flags={}, environment={}, file={}).rows())


@given(rng=dice)
@settings(max_examples=200, **BOUNDED)
def test_settings_are_taken_or_refused(tmp_path_factory, all_settings, rng: random.Random) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzzed.toml"
    file.write_bytes(spoil_settings(all_settings, rng))
    with contextlib.suppress(SettingsError):
        found = resolve(flags={}, environment={}, file=read_settings_file(file))
        check_settings(found.settings)


@pytest.mark.parametrize(
    ("make", "count"),
    [(status_socket, 30), (listener, 50), (commands, 20)],
    ids=["status socket", "listener", "MQTT commands"],
)
def test_whoever_connects_leaves_it_as_it_was(
    make: Callable[[random.Random], Case], count: int
) -> None:
    @given(dice)
    @settings(max_examples=count, **BOUNDED)
    def draw(rng: random.Random) -> None:
        make(rng).work()

    draw()
