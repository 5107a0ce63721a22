"""Standard output is data, whatever becomes of it: full disks, readers that leave, odd names."""

import os
import resource
import subprocess

import pytest
from builders import a_picture, encoded, write_files
from command_line import fer_edge, json_lines, start_fer_edge

PIPE = subprocess.PIPE
NOT_UTF8 = os.fsdecode(b"caf\xe9.png")


@pytest.fixture
def pictures(tmp_path):
    return write_files(tmp_path / "in", {f"{n:02}.png": encoded(a_picture()) for n in range(30)})


def sent_to(path, *arguments, **options):
    with path.open("w") as stdout:
        process = start_fer_edge(*arguments, stdout=stdout, stderr=PIPE, **options)
        _, said = process.communicate(timeout=120)
    return process.returncode, said


@pytest.fixture(params=["inspect", "classify", "run", "config show"])
def printing(request, pictures, tiny, portrait):
    """Commands that print more than a hundred bytes."""
    return {
        "inspect": ["inspect", tiny],
        "classify": ["classify", "--json", "--model", tiny, portrait],
        "run": ["run", "--model", tiny, "--source", pictures],
        "config show": ["config", "show"],
    }[request.param]


@pytest.fixture(params=["", "1"], ids=["buffered", "unbuffered"])
def environment(request):
    return {"PYTHONUNBUFFERED": request.param}


def test_a_full_device_behind_stdout(tmp_path, printing, environment):
    (tmp_path / "full").symlink_to("/dev/full")
    code, said = sent_to(tmp_path / "full", *printing, environment=environment)
    assert code == 1
    assert "cannot be written (No space left on device); expected space on the disk" in said
    assert said.count("\n") == 1


def test_a_file_behind_stdout_that_cannot_grow(tmp_path, printing, environment):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    code, said = sent_to(tmp_path / "out", *printing, environment=environment, preexec_fn=limit)
    assert code == 1
    assert "cannot be written (File too large); expected space on the disk" in said
    assert said.count("\n") == 1
    assert (tmp_path / "out").stat().st_size <= 100


def test_a_full_disk_behind_a_file_of_observations(pictures, tiny):
    done = fer_edge("run", "--model", tiny, "--source", pictures, "--output", "/dev/full")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "an observation cannot be written (No space left on device)" in done.stderr


@pytest.mark.parametrize("command", ["classify", "run"])
def test_a_reader_that_leaves_ends_the_program_quietly(pictures, tiny, command):
    first, *_ = sorted(pictures.iterdir())
    for number in range(1000):  # more lines than a pipe takes in while nobody reads
        (pictures / f"again-{number}.png").symlink_to(first)
    arguments = {
        "classify": ["classify", "--crops", "--json", *sorted(pictures.iterdir())],
        "run": ["run", "--source", pictures],
    }[command]
    process = start_fer_edge(*arguments, "--model", tiny, stdout=PIPE, stderr=PIPE)
    assert json_lines(process.stdout.readline())
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(120) == 141, said  # what a shell shows of a program that SIGPIPE ended
    assert said == ""


@pytest.mark.parametrize("command", ["classify", "inspect", "run"])
def test_a_closed_stdout_is_no_fault(pictures, tiny, portrait, command):
    arguments = {
        "classify": ["classify", portrait, "--model", tiny],
        "inspect": ["inspect", tiny],
        "run": ["run", "--source", pictures, "--model", tiny],
    }[command]
    process = start_fer_edge(*arguments, stderr=PIPE, preexec_fn=lambda: os.close(1))
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "error" not in said


@pytest.mark.parametrize("json_flag", [["--json"], []])
def test_a_name_that_is_no_text(tmp_path, tiny, json_flag):
    (tmp_path / NOT_UTF8).write_bytes(encoded(a_picture()))
    done = fer_edge(
        "classify", "--crops", *json_flag, "--model", tiny, NOT_UTF8, "missing-" + NOT_UTF8,
        cwd=tmp_path, environment={"PYTHONIOENCODING": "utf-8:strict"},
    )  # fmt: skip
    assert done.returncode == 1
    assert "caf\\udce9.png" in done.stdout
    assert "missing-caf\\udce9.png does not exist" in done.stderr


def test_progress_is_not_for_files(data_set, tiny):
    assert fer_edge("evaluate", data_set, "--model", tiny).stderr == ""


def test_what_was_read_is_told_though_its_copy_cannot_be_written(tmp_path, tiny, portrait):
    (tmp_path / "copies" / f"{portrait.stem}-annotated.jpg").mkdir(parents=True)
    done = fer_edge(
        "classify", portrait, "--json", "--annotate", "copies", "--model", tiny, cwd=tmp_path
    )
    assert done.returncode == 1
    assert len(json_lines(done.stdout)[0]["faces"]) == 1
    assert "-annotated.jpg is a folder" in done.stderr


def test_annotated_copies_never_replace_a_picture(tmp_path, tiny, portrait):
    original = portrait.read_bytes()
    (tmp_path / "face.jpg").write_bytes(original)
    done = fer_edge("classify", "face.jpg", "--annotate", ".", "--model", tiny, cwd=tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "face.jpg").read_bytes() == original
    assert {path.name for path in tmp_path.iterdir()} == {"face.jpg", "face-annotated.jpg"}


def test_evaluate_for_people(data_set, tiny):
    shown = fer_edge("evaluate", data_set, "--model", tiny).stdout
    assert "pictures           4\n" in shown
    assert "accuracy" in shown
    assert "macro recall" in shown
    (header,) = [line for line in shown.splitlines() if line.startswith("true \\ read as")]
    assert header.split()[-7:] == [
        "angry",
        "disgust",
        "fear",
        "happy",
        "sad",
        "surprise",
        "neutral",
    ]


def test_inspect_for_people(tiny):
    shown = fer_edge("inspect", tiny).stdout
    assert "labels        angry, disgust, fear, happy, sad, surprise, neutral\n" in shown
    assert "input         grey 48x48, int8, scale 1, zero point -128\n" in shown


def test_selftest_for_people(tiny):
    assert fer_edge("selftest", tiny).stdout == "ok: 16 of 16 golden vectors match exactly\n"


def test_settings_shown_are_a_settings_file(tmp_path):
    shown = fer_edge("config", "show", "--set", "detector.min_face_px=55")
    (tmp_path / "edge.toml").write_text(shown.stdout)
    assert fer_edge("config", "check", "edge.toml", cwd=tmp_path).stdout == "ok: edge.toml\n"
    again = fer_edge("config", "show", "--json", "--config", "edge.toml", cwd=tmp_path)
    (settings,) = json_lines(again.stdout)
    assert settings["detector.min_face_px"] == {"value": 55, "origin": "edge.toml"}


def test_config_show_hides_passwords():
    secret = "rtsp://me:hunter2@host/stream"
    for flags in ([], ["--json"]):
        shown = fer_edge("config", "show", "--set", f"source.uri={secret}", *flags)
        assert shown.returncode == 0
        assert "hunter2" not in shown.stdout
