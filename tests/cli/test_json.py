"""The JSON that scripts build on: names and types as the documentation promises."""

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
    assert list(line) == ["image", "width", "height", "faces"]
    assert (line["image"], line["width"], line["height"]) == (str(portrait), 400, 400)
    (face,) = line["faces"]
    assert list(face) == ["box", "label", "confidence", "scores"]
    assert all(type(number) is int for number in face["box"])
    assert tuple(face["scores"]) == SEVEN
    assert sum(face["scores"].values()) == pytest.approx(1, abs=0.001)
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
    assert list(result) == [*promised, "unreadable", "left_out", *more]
    assert result["n"] == 4
    assert type(result["accuracy"]) is type(result["macro_recall"]) is float
    assert set(result["recall"]) == {"angry", "happy"}
    assert tuple(result["labels"]) == SEVEN
    assert [len(row) for row in result["confusion"]] == [7] * 7
    assert sum(map(sum, result["confusion"])) == 4
    assert result["model_sha256"] == read_model(tiny).contract.flatbuffer_sha256


def test_inspect(tiny):
    (result,) = json_lines(ran("inspect", "--json", tiny))
    assert list(result) == ["path", "flatbuffer_bytes", "members", "contract"]
    assert result["contract"] == json.loads(read_model(tiny).contract.to_json())
    assert result["members"]["contract.json"] > 0
    assert result["flatbuffer_bytes"] == len(read_model(tiny).flatbuffer)


def test_models():
    (result,) = json_lines(ran("models", "--json"))
    assert [one["name"] for one in result] == shipped_models()
    assert all(
        list(one) == [
            "name", "labels", "network_bytes", "model_sha256", "n", "accuracy",
            "accuracy_interval", "macro_recall", "calibration_error", "labels_from",
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
        "frames", "frames_with_face", "fps", "first_result_seconds", "labels", "stages_ms",
        "face_search", "observations", "overview", "pictures",
    ]  # fmt: skip
    assert result["frames"] == 120
    assert 60 < result["frames_with_face"] < 120, "the face leaves and returns"
    assert sum(result["labels"].values()) >= result["frames_with_face"]
    assert list(result["stages_ms"]) == ["detect", "classify", "age"]
    assert all(set(stage) == {"p50", "p90", "p99"} for stage in result["stages_ms"].values())
    left = {result["observations"], result["overview"], *result["pictures"]}
    assert left == {str(path) for path in out.iterdir()}
    assert len(json_lines((out / "observations.jsonl").read_text())) == 120


def test_run(portrait, tiny):
    (line,) = json_lines(fer_edge("run", "--source", portrait.parent, "--model", tiny).stdout)
    assert list(line) == ["schema", "frame", "captured_at", "faces", "timings_ms", "name"]
    assert (line["schema"], line["frame"], line["name"]) == (1, 0, "portrait.jpg")
    (face,) = line["faces"]
    assert list(face) == [
        "box", "label", "confidence", "scores", "score", "track_id", "stable",
    ]  # fmt: skip
    assert list(line["timings_ms"]) == ["detect", "classify", "age"]
    assert all(milliseconds > 0 for milliseconds in line["timings_ms"].values())


def test_config_show():
    (result,) = json_lines(ran("config", "show", "--json"))
    assert result["model.path"] == {"value": DEFAULT_MODEL, "origin": "default"}
    assert {key.partition(".")[0] for key in result} == {
        "source", "detector", "tracker", "model", "smoothing", "output", "events", "mqtt",
        "daemon", "web",
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
