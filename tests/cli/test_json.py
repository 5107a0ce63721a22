"""The JSON that scripts build on: names and types as the documentation promises."""

import hashlib
import json

import pytest
from builders import SEVEN, a_picture, encoded, write_files
from command_line import fer_edge, json_lines

from fer_edge import DEFAULT_MODEL
from fer_edge.models import open_model, shipped_models
from fer_edge.shared.model.model_file import read_model


def ran(*arguments):
    done = fer_edge(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_classify(portrait, tiny):
    (line,) = json_lines(ran("classify", "--json", "--model", tiny, portrait))
    assert list(line) == ["image", "width", "height", "faces", "baseline"]
    assert line["baseline"] == "none", "nothing is known of whose face a single picture shows"
    assert (line["image"], line["width"], line["height"]) == (str(portrait), 400, 400)
    (face,) = line["faces"]
    assert list(face) == ["box", "label", "confidence", "scores", "relative"]
    assert all(type(number) is int for number in face["box"])
    for scores in (face["scores"], face["relative"]):
        assert tuple(scores) == SEVEN
        assert sum(scores.values()) == pytest.approx(1, abs=0.001)
    assert face["confidence"] == face["relative"][face["label"]] == max(face["relative"].values())


def test_classify_without_balance_says_what_the_network_does(portrait, tiny):
    plain = ["classify", "--json", "--model", tiny, "--set", "expression.balance=0", portrait]
    (line,) = json_lines(ran(*plain))
    (face,) = line["faces"]
    assert list(face) == ["box", "label", "confidence", "scores"]
    assert face["confidence"] == face["scores"][face["label"]] == max(face["scores"].values())


def test_classify_says_that_there_is_no_face(tmp_path, tiny):
    (tmp_path / "wall.png").write_bytes(encoded(a_picture() // 64))
    (line,) = json_lines(ran("classify", "--json", "--model", tiny, tmp_path / "wall.png"))
    assert line["faces"] == []


def test_classify_takes_crops_whole(tmp_path, tiny):
    (tmp_path / "crop.png").write_bytes(encoded(a_picture(70, 50)))
    (line,) = json_lines(
        ran("classify", "--json", "--crops", "--model", tiny, tmp_path / "crop.png")
    )
    assert [face["box"] for face in line["faces"]] == [[0, 0, 70, 50]]


def test_classify_keeps_the_order_of_its_arguments(tmp_path, tiny):
    names = [f"{n}.png" for n in (3, 1, 2)]
    write_files(tmp_path, {name: encoded(a_picture()) for name in names})
    paths = [tmp_path / name for name in names]
    lines = json_lines(ran("classify", "--json", "--crops", "--model", tiny, *paths))
    assert [line["image"] for line in lines] == [str(path) for path in paths]


def test_evaluate(data_set, tiny):
    (result,) = json_lines(ran("evaluate", "--json", "--model", tiny, data_set))
    promised = ["n", "accuracy", "macro_recall", "recall", "confusion", "labels", "model_sha256"]
    more = ["copies", "accuracy_interval", "recall_intervals", "calibration_error", "skipped"]
    last = ["yardstick", "baseline", "balance", "remarks"]
    assert list(result) == [*promised, "unreadable", "left_out", *more, *last]
    assert (result["baseline"], result["balance"]) == ("none", 0.2)
    assert result["n"] == 4
    assert type(result["accuracy"]) is type(result["macro_recall"]) is float
    assert set(result["recall"]) == {"angry", "happy"}
    assert tuple(result["labels"]) == SEVEN
    assert [len(row) for row in result["confusion"]] == [7] * 7
    assert sum(map(sum, result["confusion"])) == 4
    assert result["model_sha256"] == read_model(tiny).sha256


def test_evaluate_people(tmp_path, portrait, tiny):
    rows = ["file,person,expression", "portrait.jpg,1,happy", "portrait.jpg,1,neutral"]
    (tmp_path / "people.csv").write_text("\n".join(rows))
    (result,) = json_lines(
        ran(
            "evaluate", "--json", "--model", tiny, portrait.parent,
            "--people", tmp_path / "people.csv", "--baseline", "participant",
        )
    )  # fmt: skip
    assert list(result) == [
        "n", "accuracy", "macro_recall", "recall", "confusion", "labels", "model_sha256",
        "yardstick", "baseline", "balance", "people", "accuracy_interval", "not_found", "alone",
        "left_out", "unreadable", "remarks",
    ]  # fmt: skip
    assert (result["n"], result["people"], result["not_found"]) == (2, 1, 0)
    assert result["accuracy_interval"] is None, "of one person"
    assert (result["baseline"], result["alone"]) == ("participant", 1)


def test_calibrate_and_what_is_made_of_it(tmp_path, portrait, tiny):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").write_bytes(portrait.read_bytes())
    me = tmp_path / "people" / "me.json"
    known = ["--participants", me.parent, "--participant", "me"]
    done = fer_edge("calibrate", "--json", "--model", tiny, "--source", tmp_path / "photos", *known)
    (result,) = json_lines(done.stdout)
    assert list(result) == [
        "file", "seconds", "frames", "steadiness", "looks_like", "log_probabilities",
    ]  # fmt: skip
    assert (result["file"], result["frames"], result["steadiness"]) == (str(me), 1, 1.0)
    (line,) = json_lines(ran("classify", "--json", "--model", tiny, *known, portrait))
    assert line["baseline"] == "participant"
    assert line["faces"][0]["label"] == "neutral", "the very face that was calibrated to"


def test_inspect(tiny):
    (result,) = json_lines(ran("inspect", "--json", tiny))
    assert list(result) == [
        "path", "flatbuffer_bytes", "members", "contract", "sha256", "ships", "passed", "trial",
    ]  # fmt: skip
    assert (result["ships"], result["passed"]) == (False, True)
    assert result["sha256"] == hashlib.sha256(tiny.read_bytes()).hexdigest()
    assert result["contract"] == json.loads(read_model(tiny).contract.to_json())
    assert result["members"]["contract.json"] > 0
    assert result["flatbuffer_bytes"] == len(read_model(tiny).flatbuffer)


def test_models():
    (result,) = json_lines(ran("models", "--json"))
    assert [one["name"] for one in result] == shipped_models()
    assert all(
        list(one) == [
            "name", "labels", "network_bytes", "model_sha256", "n", "accuracy",
            "accuracy_interval", "macro_recall", "calibration_error", "labels_from", "yardstick",
        ]
        for one in result
    )  # fmt: skip
    assert all(0.5 < one["accuracy"] < 1 and one["n"] > 3000 for one in result)


def test_selftest(tiny):
    (result,) = json_lines(ran("selftest", "--json", tiny))
    assert list(result) == [
        "model", "model_sha256", "n", "exact", "mismatches", "worst_difference", "tolerance",
        "passed",
    ]  # fmt: skip
    assert result["passed"] is True
    assert result["mismatches"] == 0


def test_demo(tmp_path):
    out = tmp_path / "demo"
    (result,) = json_lines(ran("demo", "--json", "--out", out))
    assert list(result) == [
        "frames", "frames_with_face", "fps", "first_result_seconds", "labels", "shown_seconds",
        "stages_ms", "face_search", "observations", "overview", "pictures", "baseline",
    ]  # fmt: skip
    assert result["frames"] == result["frames_with_face"] == 300
    assert 330 < sum(result["labels"].values()) < 570, "one of two faces leaves and returns"
    assert {"neutral", "happy", "surprise", "angry", "uncertain"} <= set(result["labels"])
    assert result["shown_seconds"]["surprise"] > 1
    assert list(result["stages_ms"]) == ["detect", "classify", "age"]
    assert all(set(stage) == {"p50", "p90", "p99"} for stage in result["stages_ms"].values())
    left = {result["observations"], result["overview"], *result["pictures"]}
    assert left == {str(path) for path in out.iterdir()}
    lines = json_lines((out / "observations.jsonl").read_text())
    assert [len(line["faces"]) for line in lines if line["clip_seconds"] == 5.0] == [1]
    assert len(lines) == 300


def test_run(portrait, tiny):
    (line,) = json_lines(fer_edge("run", "--source", portrait.parent, "--model", tiny).stdout)
    assert list(line) == [
        "schema",
        "frame",
        "captured_at",
        "faces",
        "timings_ms",
        "baseline",
        "name",
    ]
    assert (line["schema"], line["frame"], line["name"]) == (1, 0, "portrait.jpg")
    (face,) = line["faces"]
    assert [key for key in face if key != "roll"] == [
        "box", "label", "confidence", "scores", "relative", "score", "track_id", "stable",
    ], "and roll where the technique knows it"  # fmt: skip
    assert list(line["timings_ms"]) == ["detect", "classify", "age"]
    assert all(milliseconds > 0 for milliseconds in line["timings_ms"].values())


def test_config_show():
    (result,) = json_lines(ran("config", "show", "--json"))
    assert result["model.path"] == {"value": DEFAULT_MODEL, "origin": "default"}
    assert {key.partition(".")[0] for key in result} == {
        "source", "detector", "tracker", "model", "expression", "baseline", "smoothing", "output",
        "events", "mqtt", "daemon", "web",
    }  # fmt: skip


def test_sources():
    (result,) = json_lines(ran("sources", "--json"))
    assert isinstance(result, list)
    fields = {"source", "name", "kind", "usable", "driver", "formats", "problem"}
    assert all(set(camera) == fields for camera in result)


def test_the_shipped_model_is_the_default():
    (shown,) = json_lines(ran("inspect", "--json"))
    shipped = open_model(DEFAULT_MODEL)
    assert shown["contract"]["flatbuffer_sha256"] == shipped.contract.flatbuffer_sha256
    assert shown["contract"]["input"]["dtype"] == "int8"
