"""Every broken or odd file that lies beside the checkout on some machines."""

import subprocess
import sys
from pathlib import Path

import pytest
from builders import PORTRAIT, a_contract
from command_line import PROGRAM, clean_environment, fer_edge, json_lines
from peak_memory import MOST_MB, peak_of
from tiny_model import tiny_model

from fer_edge.shared.data.pictures import read_grey

ROOT = Path(__file__).parents[2]
HOSTILE = ROOT.parent / "shared" / "data" / "hostile"
CASES = ROOT.parent / "shared" / "cases"
VIDEO_SUFFIXES = {".mp4", ".mkv"}
MOST_SECONDS = 150

FILES = sorted(path for path in HOSTILE.rglob("*") if path.is_file())
MODELS = [path for path in FILES if path.suffix == ".tflite"]
VIDEOS = [path for path in FILES if path.suffix in VIDEO_SUFFIXES]
PICTURES = [path for path in FILES if path not in {*MODELS, *VIDEOS}]
OTHERS = sorted(path for path in CASES.rglob("*") if path.is_file())
"""Of cases that were filed, with pictures, videos and models among them."""

pytestmark = pytest.mark.skipif(not FILES, reason="the hostile files are not here (shared/data)")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.tflite"
    path.write_bytes(tiny_model(a_contract()))
    return path


def name_of(path):
    return path.name[:40]


def test_all_pictures_in_one_call(tiny):
    # A process of its own measures, because children of this one may have been larger.
    script = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(done.returncode)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, *PROGRAM, "classify", "--json", "--model", tiny, *PICTURES],
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
        env=clean_environment(),
    )
    *refused, peak = done.stderr.splitlines()
    read = [line["image"] for line in json_lines(done.stdout)]
    assert done.returncode == 1
    assert all(line.startswith("error: ") for line in refused)
    assert not [line for line in refused if "defect" in line or "Traceback" in line]
    named = [path for path in map(str, PICTURES) for line in refused if f" {path} " in line]
    assert sorted([*read, *named]) == list(map(str, PICTURES)), "each once, read or refused"
    assert read == sorted(read), "in the order of the arguments"
    assert len(read) > 100
    assert int(peak.split()[1]) / 1024 < MOST_MB


def test_all_of_them_as_a_source_stay_within_the_units_memory(tiny, tmp_path):
    """One folder of links to all pictures: who reads them for months holds them one by one."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, path in enumerate([*PICTURES, *OTHERS]):
        if path.suffix not in {".tflite", *VIDEO_SUFFIXES}:
            (folder / f"{number:04d}{path.suffix}").symlink_to(path)
    code, said, peak = peak_of("run", "--source", folder, "--model", tiny, tmp_path=tmp_path)
    assert code == 0, said[-500:]
    assert "Traceback" not in said
    assert "defect" not in said
    assert peak < MOST_MB


@pytest.mark.parametrize(
    "path",
    [path for path in OTHERS if path.suffix in {".tflite", ".gif", ".tif", ".jpg", ".mp4"}],
    ids=lambda path: f"{path.parent.name}/{path.name}"[-40:],
)
def test_nor_does_a_case_that_was_filed(path, tiny, tmp_path):
    options = ["--model", path, PORTRAIT] if path.suffix == ".tflite" else ["--model", tiny, path]
    code, said, peak = peak_of("classify", *options, tmp_path=tmp_path)
    assert code in {0, 1, 78}, said
    assert "defect" not in said
    assert peak < MOST_MB


def test_whole_pictures_of_every_kind_are_read():
    whole = [
        "orientation_ok/orientation_rectangle.jpg", "images_pillow/hopper_16bit_plain.pgm",
        "images_pillow/mode_16bit.png", "images_pillow/tiff_16bit_RGB.tiff",
        "images_pillow/pil_sample_cmyk.jpg", "images_pillow/hopper_zero_comment_subblocks.gif",
        "images_pillow/frozenpond.mpo", "images_pillow/exif.png",
        "images_pillow/bmpsuite_rgb32bf-xbgr.bmp", "libjpeg_bugs/random_8x8.ppm",
    ]  # fmt: skip
    for name in whole:
        assert read_grey(HOSTILE / name).size, name


@pytest.mark.parametrize("command", ["inspect", "selftest", "classify"])
@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_every_model_is_refused(model, command):
    arguments = (
        ["classify", PORTRAIT, "--model", model] if command == "classify" else [command, model]
    )
    done = fer_edge(*arguments)
    assert done.returncode == 78
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {model}: ")
    assert done.stderr.count("\n") == 1
    assert "fer-convert RUN" in done.stderr


@pytest.mark.parametrize("video", VIDEOS, ids=name_of)
def test_every_video_ends_in_order(video, tiny, tmp_path):
    lines = tmp_path / "lines"
    code, said, peak = peak_of(
        *("run", "--source", video, "--model", tiny, "--max-frames", 40, "--output", lines),
        tmp_path=tmp_path,
    )
    assert code in {0, 1}
    assert (lines.exists() and json_lines(lines.read_text())) or said.startswith("error: ")
    assert "Traceback" not in said
    assert "defect" not in said
    assert peak < MOST_MB


@pytest.mark.parametrize("name", ["mp4_empty.mp4", "text_named.jpg"])
def test_what_is_no_video_is_refused(name, tiny):
    done = fer_edge("run", "--source", HOSTILE / "derived_broken" / name, "--model", tiny)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert name in done.stderr
