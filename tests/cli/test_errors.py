"""Bad input: one clear line on stderr, the documented exit code, nothing on stdout."""

import pytest
from builders import PORTRAIT, a_contract, encoded, write_files
from command_line import error_line, fer_edge
from tiny_model import tiny_flatbuffer, tiny_model

from fer_edge.models import shipped_models
from fer_edge.shared.model.model_file import write_model
from fer_edge.testing.fakes import numbered_picture

LONG = "a" * 300
UNAVAILABLE, CONFIG = 69, 78


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("missing.jpg", None, "does not exist"),
        ("folder", {}, "is a folder"),
        ("empty.jpg", b"", "is empty"),
        ("text.jpg", b"this is text, not a picture", "cannot be decoded"),
        ("header.png", b"\x89PNG\r\n\x1a\n", "cannot be decoded"),
        ("half.jpg", PORTRAIT.read_bytes()[:150], "cannot be decoded"),
        (f"{LONG}.jpg", None, "File name too long"),
    ],
)
def test_picture(tmp_path, tiny, name, content, found):
    path = tmp_path / name
    if content == {}:
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    line = error_line(fer_edge("classify", "--json", "--model", tiny, path), code=1)
    assert found in line
    assert name in line


def a_damaged_model():
    data = bytearray(tiny_model())
    data[len(data) // 2] ^= 1
    return bytes(data)


SHIPPED = ", ".join(shipped_models())
MODELS = {
    "missing.tflite": (None, "does not exist"),
    "nonsense": (
        None,
        f"expected a shipped model ({SHIPPED}) or a .tflite file",
    ),
    f"{LONG}.tflite": (None, "File name too long"),
    LONG: (None, "no model"),
    "empty.tflite": (b"", "the file is empty"),
    "text.tflite": (b"this is text, not a model", "not a TFLite model"),
    "magic.tflite": (b"\x1c\0\0\0TFL3", "without contract"),
    "no-contract.tflite": (tiny_flatbuffer(a_contract()), "without contract"),
    "truncated.tflite": (tiny_model()[:-100], "damaged"),
    "flipped.tflite": (a_damaged_model(), "damaged"),
    "other-labels.tflite": (
        write_model(tiny_flatbuffer(a_contract()), a_contract(labels=("sad", "happy", "fear")), {}),
        "the model's tensors are int8[1, 48, 48, 1] scale 1 zero point -128 -> int8[1, 7]",
    ),
    "no-network.tflite": (
        write_model(b"\x1c\0\0\0TFL3" + bytes(100), a_contract(), {}),
        "the TFLite runtime refuses the model",
    ),
}


@pytest.mark.parametrize("name", MODELS, ids=lambda name: name[:20])
def test_model(tmp_path, name):
    content, found = MODELS[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = fer_edge("classify", "--model", name, PORTRAIT, cwd=tmp_path)
    assert found in error_line(done, code=CONFIG)


@pytest.mark.parametrize("command", ["inspect", "selftest"])
@pytest.mark.parametrize("name", ["missing.tflite", "truncated.tflite", "no-contract.tflite"])
def test_model_elsewhere(tmp_path, command, name):
    content, found = MODELS[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert found in error_line(fer_edge(command, name, cwd=tmp_path), code=CONFIG)


def test_model_that_is_a_folder(tmp_path):
    assert "is a folder" in error_line(fer_edge("inspect", tmp_path), code=CONFIG)


@pytest.mark.parametrize(
    ("source", "code", "found"),
    [
        ("97", UNAVAILABLE, "/dev/video97 does not exist"),
        ("/dev/no-such-camera", UNAVAILABLE, "does not exist"),
        ("http://127.0.0.1:9/stream", UNAVAILABLE, "http://127.0.0.1:9/stream"),
        ("rtsp://no-host.invalid/stream", UNAVAILABLE, "no-host.invalid"),
        ("ftp://host/film", CONFIG, "is no stream that can be opened"),
        ("", CONFIG, "no source"),
        ("missing.mp4", 1, "does not exist"),
        ("empty.mp4", 1, "is empty"),
        ("text.mp4", 1, "holds text"),
        ("noise.mp4", 1, "not one frame can be decoded"),
        ("empty-folder", 1, "holds no pictures"),
        (f"{LONG}.mp4", 1, "File name too long"),
    ],
)
def test_source(tmp_path, tiny, source, code, found):
    files = {"empty.mp4": b"", "text.mp4": b"a film", "noise.mp4": bytes(range(256)) * 9}
    write_files(tmp_path, files)
    (tmp_path / "empty-folder").mkdir()
    done = fer_edge("run", "--source", source, "--model", tiny, cwd=tmp_path)
    assert found in error_line(done, code=code)


def test_data_set_with_an_unknown_folder(data_set, tiny):
    (data_set / "angry").rename(data_set / "angri")
    line = error_line(fer_edge("evaluate", data_set, "--model", tiny), code=1)
    assert "folder angri: unknown label 'angri'" in line
    assert "did you mean 'angry'? Rename it" in line


@pytest.mark.parametrize("name", ["missing", LONG], ids=["missing", "too long"])
def test_data_set_that_is_not_there(tiny, tmp_path, name):
    line = error_line(fer_edge("evaluate", name, "--model", tiny, cwd=tmp_path), code=1)
    assert name in line


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--set", "detector.cascad=alt"), "did you mean 'detector.cascade'"),
        (("--set", "detector.cascade=best"), "expected one of alt2, alt, default"),
        (("--set", "model.threads=0"), "a whole number from 1 to 64"),
        (("--config", "missing.toml"), "missing.toml cannot be read as settings"),
        (("--config", "bad.toml"), "bad.toml cannot be read as settings"),
    ],
)
def test_setting(tmp_path, arguments, found):
    (tmp_path / "bad.toml").write_text("[source\n")
    for command in (("config", "show"), ("classify", PORTRAIT), ("run",)):
        assert found in error_line(fer_edge(*command, *arguments, cwd=tmp_path), code=CONFIG)


def test_setting_in_the_environment():
    done = fer_edge("config", "show", environment={"FER_EDGE_MODEL_PAHT": "x"})
    line = error_line(done, code=CONFIG)
    assert "environment FER_EDGE_MODEL_PAHT" in line
    assert "did you mean 'model.path'" in line


def test_output_that_cannot_be_written(tiny, tmp_path):
    source, output = PORTRAIT.parent, tmp_path / "no-folder" / "lines.jsonl"
    done = fer_edge("run", "--source", source, "--model", tiny, "--output", output)
    assert "check the path given as output.file" in error_line(done, code=1)


def test_demo_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    done = fer_edge("demo", "--out", tmp_path / "file" / "demo")
    assert "cannot be made (Not a directory)" in error_line(done, code=1)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("dance",),
        ("classify",),
        ("classify", "--colour", "x.jpg"),
        ("run", "--max-frames", "0"),
        ("run", "--set", "detector.cascade"),
    ],
)
def test_wrong_usage(arguments):
    done = fer_edge(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Usage: fer-edge" in done.stderr


def test_no_traceback_unless_asked_for(tmp_path):
    quiet = fer_edge("inspect", "missing.tflite", cwd=tmp_path)
    loud = fer_edge("-v", "inspect", "missing.tflite", cwd=tmp_path)
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in loud.stderr
    assert loud.stderr.endswith(quiet.stderr)
    assert loud.returncode == quiet.returncode == CONFIG


def test_a_name_with_a_line_break_stays_on_one_line(tmp_path):
    line = error_line(fer_edge("inspect", "two\nlines\r.tflite", cwd=tmp_path), code=CONFIG)
    assert "two lines" in line


def test_one_line_for_each_picture_refused_and_the_others_are_done(tmp_path, tiny):
    good = encoded(numbered_picture(9))
    write_files(
        tmp_path, {"1.png": good, "2.png": b"", "3.png": good, "4.png": b"?", "5.png": good}
    )
    names = [f"{number}.png" for number in range(1, 7)]
    done = fer_edge("classify", "--crops", "--model", tiny, *names, cwd=tmp_path)
    assert done.returncode == 1
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == names[:5:2]
    refused = done.stderr.splitlines()
    assert len(refused) == 3
    assert all(name in line for name, line in zip(names[1::2], refused, strict=True))
