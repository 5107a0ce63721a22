"""`fer-convert` as its users see it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from code_words import code_words, words_of_page
from toy_run import SEVEN, a_contract, write_data_set, write_run

from fer_edge.shared.labels import label_set
from fer_edge.shared.model.model_file import read_model

TARGETS = ("int8", "float32", "float16", "dynamic", "int16x8")
MODELS = tuple(f"emotion.{target}.tflite" for target in TARGETS)
FILES = (*MODELS, "report.json", "report.html")


def fer_convert(*arguments):
    program = "from fer_convert.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def first(runs, tmp_path_factory):
    """The toy run, converted: the folder, and what was printed."""
    out = tmp_path_factory.mktemp("first") / "out"
    return out, fer_convert(runs["toy"], *(f"--{target}" for target in TARGETS), "--out", out)


def test_prints_a_table_and_writes_the_files(first):
    out, done = first
    assert (done.returncode, done.stderr) == (0, "")
    head, float32, int8, _, _, _, measured, *others = done.stdout.splitlines()
    assert head.split()[-1] == "bytes"
    assert float32.startswith("float32 ")
    assert int8.startswith("int8 ")
    assert len(head) == len(float32) == len(int8)
    assert measured == (
        "measured on 210 held-out pictures of samples/heldout.npz, "
        "calibrated on 420 of samples/representative.npz"
    )
    assert [line for line in others if line.startswith("cost, int8: ")]
    wrote = [line for line in others if line.startswith("wrote ")]
    assert wrote == [f"wrote {out / name}" for name in FILES]
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)


def test_the_files_are_whole_and_the_report_speaks_of_them(first):
    out, _ = first
    report = json.loads((out / "report.json").read_text())
    assert report["held_out"]["n"] == 210
    for target in TARGETS:
        model = read_model(out / f"emotion.{target}.tflite")
        entry = report["targets"][target]
        assert entry["file"] == f"emotion.{target}.tflite"
        assert entry["bytes"] == Path(model.path).stat().st_size
        assert entry["model_sha256"] == model.sha256
        assert entry["n"] == 210
        assert set(entry["recall"]) == set(SEVEN)
        # float16 weights become float32 again at run time.
        bridges = {"DEQUANTIZE"} if target == "float16" else set()
        network = {"CONV_2D", "FULLY_CONNECTED", "MEAN", "SOFTMAX"}
        assert set(entry["operators"]) == network | bridges
    shifts = report["targets"]["int8"]["against_float32"]
    assert [error["operator"] for error in report["targets"]["int8"]["layer_errors"]]
    assert set(shifts) == {"agreement", "mean_shift", "worst_shift"}
    assert "against_float32" not in report["targets"]["float32"]


def test_the_same_run_and_seed_give_the_same_bytes(first, converted):
    out, _ = first
    again = {artefact.file_name: artefact.data for artefact in converted.artefacts}
    assert {name: (out / name).read_bytes() for name in MODELS} == again
    assert json.loads((out / "report.json").read_text()) == converted.to_json()


def test_an_earlier_conversion_is_not_replaced_unasked(first, runs):
    out, _ = first
    done = fer_convert(runs["toy"], "--out", out)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "emotion.int8.tflite, report.json, report.html already" in done.stderr
    assert "--force" in done.stderr


def test_a_lone_keras_file_with_ones_own_pictures(networks, tmp_path):
    run = write_run(tmp_path / "run", networks / "toy.keras", a_contract())
    for archive in (run / "samples").iterdir():
        archive.unlink()
    data = write_data_set(tmp_path / "mine", SEVEN, count=420)
    given = ("--calibration-data", data, "--seed", 5, "--out", tmp_path / "out", "--json")
    done = fer_convert(run / "model.keras", *given)
    # A fifth of 420 pictures is too few to vouch for anything, and the default is not to.
    assert done.returncode == 3
    assert "error: the gate could not measure int8: 84 held-out pictures" in done.stderr
    assert "--accept-unmeasured" in done.stderr
    done = fer_convert(run / "model.keras", *given, "--force", "--accept-unmeasured")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "emotion.int8.tflite", "report.html", "report.json",
    ]  # fmt: skip
    contract = read_model(tmp_path / "out" / "emotion.int8.tflite").contract
    calibration = contract.provenance["conversion"]["calibration"]
    assert (calibration["count"], calibration["seed"]) == (336, 5)
    assert calibration["source"] == "mine"
    assert done.stdout.count("\n") == 1
    report = json.loads(done.stdout)
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())
    assert "file" in report["targets"]["int8"]
    assert "file" not in report["targets"]["float32"]


def test_the_page_stands_alone_and_says_what_the_report_says(first):
    out, _ = first
    page = (out / "report.html").read_text()
    report = json.loads((out / "report.json").read_text())
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    root = ET.fromstring(page)
    words = " ".join(root.itertext())
    for target in TARGETS:
        assert f"{100 * report['targets'][target]['accuracy']:.2f}" in words
        assert report["targets"][target]["model_sha256"] in words
    drawn = [figure.find("{http://www.w3.org/2000/svg}svg") for figure in root.iter("figure")]
    assert len(drawn) == 5
    assert all(svg is not None and svg.get("aria-label") for svg in drawn)
    assert "int8 has passed" in words


def test_neither_page_nor_table_speaks_python(first):
    out, done = first
    # The toy's layers have the names that Keras gives.
    layers = {"conv2d_1", "batch_normalization", "batch_normalization_1", "re_lu", "re_lu_1",
              "global_average_pooling2d"}  # fmt: skip
    words = words_of_page((out / "report.html").read_text())
    assert not code_words(words, known=layers)
    assert "leave out the lowest and the highest 0.001 % of the values of each activation" in words
    assert "; biases were corrected by" in words
    assert not code_words(done.stdout.replace(str(out), ""), known=layers)


def test_c_array_writes_the_pair(runs, tmp_path):
    out = tmp_path / "out"
    done = fer_convert(runs["toy"], "--c-array", "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in out.iterdir()} == {
        "emotion.int8.tflite", "emotion_model.h", "emotion_model.cc", "report.json", "report.html",
    }  # fmt: skip
    assert fer_convert(runs["toy"], "--c-array", "--float32", "--out", out).returncode == 2


def one_line(done, exit_code):
    assert done.returncode == exit_code, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    return done.stderr


def test_errors_are_one_line_with_the_exit_code_of_the_documentation(runs, networks, tmp_path):
    out = tmp_path / "out"
    no_pictures = write_run(tmp_path / "run", networks / "toy.keras", a_contract())
    (no_pictures / "samples" / "representative.npz").unlink()
    few = write_run(tmp_path / "few", networks / "toy.keras", a_contract(), representative=280)
    assert "does not exist" in one_line(fer_convert(tmp_path / "no", "--out", out), 78)
    assert "holds no model.keras" in one_line(fer_convert(tmp_path, "--out", out), 78)
    assert "representative.npz" in one_line(fer_convert(no_pictures, "--out", out), 1)
    assert "280 pictures" in one_line(fer_convert(few, "--out", out), 1)
    assert "cannot be written" in one_line(fer_convert(runs["toy"], "--out", "/proc/x"), 1)
    assert not out.exists()


def test_a_refused_network_leaves_nothing_behind(networks, tmp_path):
    out = tmp_path / "out"
    eight = a_contract(labels=label_set("ferplus").labels)
    run = write_run(tmp_path / "run", networks / "toy.keras", eight)
    said = one_line(fer_convert(run, "--out", out), 78)
    assert "answers [N, 7]; expected [N, 8] (softmax over the 8 labels neutral, happy" in said
    assert not out.exists()


@pytest.mark.parametrize("arguments", [(), ("run",), ("run", "--out", "x", "--int4")])
def test_wrong_usage(arguments):
    assert fer_convert(*arguments).returncode == 2


def test_too_small_a_calibration_count_is_wrong_usage():
    done = fer_convert("run", "--out", "x", "--calibration-count", 299)
    assert done.returncode == 2
    assert "300" in done.stderr


def test_help_needs_no_tensorflow():
    program = (
        "import sys, click.testing, fer_convert.cli as cli\n"
        "print(click.testing.CliRunner().invoke(cli.convert, ['--help']).output)\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'cv2', 'ai_edge_litert'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "--calibration-data" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
