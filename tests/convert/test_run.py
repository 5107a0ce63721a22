"""Opening a training run."""

import pytest
from toy_run import SEVEN, a_contract, write_data_set, write_run

from fer_convert.run import open_run
from fer_edge.contract import InputSpec
from fer_edge.errors import EXIT_CONFIG, DataError, ModelError


@pytest.fixture
def run(tmp_path):
    """Return a run folder whose network is never loaded."""
    network = tmp_path / "network"
    network.write_bytes(b"not loaded here")
    return write_run(tmp_path / "run", network, a_contract())


def test_a_folder_and_its_model_are_the_same_run(run):
    assert open_run(run) == open_run(run / "model.keras")
    assert open_run(run).contract == a_contract()


def test_the_run_has_its_own_pictures(run):
    pool, held_out = open_run(run).read_pictures(None, seed=0)
    assert (len(pool), len(held_out)) == (420, 210)
    assert pool.source == "samples/representative.npz"
    assert held_out.source == "samples/heldout.npz"


def test_other_calibration_data_keeps_the_held_out_pictures(run, tmp_path):
    data = write_data_set(tmp_path / "mine", SEVEN, count=35)
    pool, held_out = open_run(run).read_pictures(data, seed=0)
    assert pool.source == "mine"
    assert held_out.source == "samples/heldout.npz"


def test_a_lone_keras_file_needs_calibration_data(run, tmp_path):
    lone = tmp_path / "lone"
    lone.mkdir()
    (run / "model.keras").rename(lone / "mine.keras")
    (run / "contract.json").rename(lone / "contract.json")
    opened = open_run(lone / "mine.keras")
    with pytest.raises(DataError, match="--calibration-data FOLDER_OR_ZIP"):
        opened.read_pictures(None, seed=0)
    data = write_data_set(tmp_path / "mine", SEVEN, count=35)
    pool, held_out = opened.read_pictures(data, seed=0)
    assert (len(pool), len(held_out)) == (28, 7)


def test_nothing_to_compare_on(run, tmp_path):
    (run / "samples" / "heldout.npz").unlink()
    data = write_data_set(tmp_path / "mine", SEVEN, count=14)
    with pytest.raises(DataError, match="no pictures to compare on"):
        open_run(run).read_pictures(data, seed=0)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda run: (run / "model.keras").unlink(), r"holds no model\.keras.*let `fer-train fit"),
        (lambda run: (run / "contract.json").unlink(), r"contract\.json cannot be read \(No such"),
        (lambda run: (run / "contract.json").write_bytes(b"\xff"), r"\(not UTF-8\)"),
        (lambda run: (run / "contract.json").write_text("{"), "the contract is not JSON"),
        (lambda run: (run / "contract.json").write_text("{}"), "contract version None"),
        (
            lambda run: (run / "contract.json").write_text(
                a_contract(input=InputSpec(dtype="int8")).to_json()
            ),
            "describes a network of int8 pictures",
        ),
    ],
)
def test_a_folder_that_is_no_finished_run(run, spoil, said):
    spoil(run)
    with pytest.raises(ModelError, match=said) as caught:
        open_run(run)
    assert caught.value.exit_code == EXIT_CONFIG


def test_something_else(run, tmp_path):
    with pytest.raises(ModelError, match="does not exist"):
        open_run(tmp_path / "nothing")
    with pytest.raises(ModelError, match=r"is no \.keras file"):
        open_run(run / "contract.json")
