"""Networks that plain int8 breaks, and what mends them."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from toy_run import a_contract, toy_pictures, write_run

from fer_convert.api import write
from fer_convert.conversion import Plan, convert
from fer_convert.rescue.rescuing import STEPS, rescue, with_rescue
from fer_convert.source.run import open_run
from fer_convert.targets import Target
from fer_edge.shared.model.model_file import parse_model

# They look at the same conversions, which take two minutes.
pytestmark = pytest.mark.xdist_group("rescued-networks")


@pytest.fixture(scope="module")
def broken(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("broken")
    np.savez(folder / "toy.npz", **toy_pictures(700, seed=1))
    script = Path(__file__).with_name("rescue_networks.py")
    done = subprocess.run(
        [sys.executable, str(script), str(folder)],
        env={"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {
        path.stem: write_run(folder / f"run-{path.stem}", path, a_contract())
        for path in folder.glob("*.keras")
    }


def attempt(run):
    # As TensorFlow's converter sets its ranges: clipping by default would spare the spike.
    conversion = convert(open_run(run), Plan(range_percentile=100))
    assert conversion.verdicts[Target.INT8].failures, "the network is meant to break"
    outcome = rescue(conversion)
    return outcome, with_rescue(conversion, outcome)


@pytest.fixture(scope="module")
def rescued(broken):
    """All of them at once, for most of the time is TensorFlow's start."""
    with ThreadPoolExecutor(len(broken)) as pool:
        return dict(zip(broken, pool.map(attempt, broken.values()), strict=True))


def test_clipping_mends_a_rare_spike(rescued):
    outcome, conversion = rescued["spike"]
    assert outcome.delivered is not None, outcome.to_json()
    assert [(a.step, a.passed) for a in outcome.attempts] == [
        ("calibration-size", False),
        ("clipping", True),
    ]
    (artefact,) = conversion.artefacts
    assert artefact.file_name == "emotion.int8.tflite"
    told = parse_model(artefact.data, where="").contract.provenance["conversion"]["rescue"]
    assert [entry["passed"] for entry in told["attempts"]] == [False, True]
    assert told["attempts"][1]["settings"]["percentile"] < 100
    assert told["parts"] == {"tuning": 336, "validation": 84}
    assert conversion.to_json()["rescue"]["delivered"] == "clipping"
    delivered = parse_model(artefact.data, where="").contract.provenance["conversion"]
    kept = told["attempts"][1]["settings"]["percentile"]
    assert delivered["int8_ranges"]["percentile"] == kept, "its own, and not int8's before it"
    assert "largest_correction" in delivered["int8_ranges"]
    assert delivered["calibration"]["count"] == told["attempts"][1]["settings"]["pictures"]
    assert conversion.to_json()["calibration"] == delivered["calibration"]


def test_sixteen_bits_mend_a_loud_channel(rescued):
    outcome, conversion = rescued["loud"]
    assert outcome.delivered is not None, outcome.to_json()
    assert [attempt.step for attempt in outcome.attempts] == list(STEPS)[:3]
    (artefact,) = conversion.artefacts
    assert artefact.file_name == "emotion.int16x8.tflite"


def test_what_did_not_pass_does_not_stay_beside_what_did(rescued, tmp_path):
    _, conversion = rescued["loud"]
    asked_for = "emotion.int8.tflite", "emotion.int16x8.tflite", "report.json", "report.html"
    for name in (*asked_for, "emotion_model.h"):
        (tmp_path / name).write_text("of an earlier conversion")
    write(conversion, conversion.to_json(), tmp_path, c_array=False, replaces=asked_for)
    assert {path.name for path in tmp_path.iterdir()} == {
        "emotion.int16x8.tflite", "report.json", "report.html", "emotion_model.h",
    }  # fmt: skip


def test_what_nothing_mends_is_told_in_full(rescued):
    outcome, conversion = rescued["deafening"]
    assert outcome.delivered is None
    assert [attempt.step for attempt in outcome.attempts] == list(STEPS)
    told = json.loads(json.dumps(conversion.to_json()["rescue"]))
    assert told["delivered"] is None
    assert told["best"] in STEPS
    for entry in told["attempts"]:
        assert entry["passed"] is False
        assert entry["seconds"] > 0
        assert entry["verdict"]["failures"]
        assert {"accuracy", "against_float32"} <= set(entry["held_out"])
        assert entry["tried_on_validation"]
