"""Every Python example of the guide and of the README runs, and does what stands beside it."""

import re
import sys
import textwrap
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders import (
    PORTRAIT,
    a_face,
    a_frame,
    a_picture,
    a_reading,
    an_observation,
    encoded,
    write_files,
)

import fer_edge
from fer_edge.shared.opencv import cv2
from fer_edge.testing.fake_picamera2 import PiRig

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs/guide/python.md"
LIBRARIES = ("pandas", "supervision")


def examples(page):
    """Yield heading and code of each Python block of a page."""
    heading = ""
    for found in re.finditer(
        r"^#+ ([^\n]*)$|^( *)```python\n(.*?)^ *```", page.read_text("utf-8"), re.M | re.S
    ):
        if found[1] is not None:
            heading = found[1]
        else:
            yield heading, textwrap.dedent(found[3])


ALL = [
    pytest.param(code, id=f"{page.parent.name}/{page.stem}: {heading} {number}")
    for page in (GUIDE, ROOT / "README.md", ROOT / "edge/README.md")
    for number, (heading, code) in enumerate(examples(page))
]


@pytest.fixture
def desk(tmp_path, clip, monkeypatch):
    """A folder with the files that the examples name, and a Pi's camera."""
    write_files(
        tmp_path,
        {
            "photo.jpg": PORTRAIT.read_bytes(),
            "photos/1.jpg": PORTRAIT.read_bytes(),
            "photos/2.txt": b"no picture",
            "clip.mp4": clip.read_bytes(),
            "edge/fer_edge/assets/portrait.jpg": PORTRAIT.read_bytes(),
        },
    )
    picture = cv2.imread(str(PORTRAIT), cv2.IMREAD_GRAYSCALE)
    rig = PiRig(draw=lambda _number, width, height: cv2.resize(picture, (width, height)))
    for name, module in rig.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(code):
    """Run an example with a clip in the place of a camera, and few frames of the Pi's."""
    for library in LIBRARIES:
        if f"import {library}" in code:
            pytest.importorskip(library)
    code = code.replace("watch(0)", 'watch("clip.mp4")').replace("range(100)", "range(4)")
    names = {"__name__": "__main__"}
    exec(compile(code, "example", "exec"), names)
    return names


def test_there_are_examples():
    assert len(ALL) >= 12


@pytest.mark.parametrize("code", ALL)
def test_an_example_runs(desk, code, capsys):
    names = run(code)
    if "post_callback" in code:
        deadline, printed = time.monotonic() + 30, ""
        while "View" not in printed:
            assert time.monotonic() < deadline
            time.sleep(0.02)
            printed += capsys.readouterr().out
    if "pi" in names:
        names["pi"].close()
    said = capsys.readouterr().out
    assert "Traceback" not in said
    if "smile" not in code and "print(" in code and "post_callback" not in code:
        assert said
    for written in re.findall(r'"(seen\.jpg|out\.mp4)"', code):
        assert (desk / written).stat().st_size > 1000


def example(heading, number=0):
    return [code for found, code in examples(GUIDE) if found == heading][number]


def test_the_first_one_says_what_it_sees(desk, capsys):
    run(example("A picture"))
    assert re.match(r"happy (0\.9\d+|1\.0) Box\(x=1", capsys.readouterr().out)


def test_the_bad_file_is_told(desk, capsys):
    run(example("Many pictures"))
    one, two = capsys.readouterr().out.splitlines()
    assert one == "photos/1.jpg ['happy']"
    assert two.startswith("not read: photos/2.txt cannot be decoded")


def test_the_video_has_every_frame(desk):
    run(example("An annotated video"))
    video = cv2.VideoCapture("out.mp4")
    assert (video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS)) == (50, 25)


def a_view(second, **labels):
    """Return what is seen at a second, by number of the face."""
    faces = tuple(
        a_reading(face=a_face(track_id=int(name.removeprefix("face"))), stable=label)
        for name, label in labels.items()
    )
    return fer_edge.View(faces, 30.0, an_observation(), a_frame(captured_at=1000.0 + second))


def test_smiles_are_counted_by_the_minute(monkeypatch, capsys):
    """The script of twelve lines: two smiles in the first minute, one in the second."""
    seen = [
        a_view(0, face1="neutral"), a_view(5, face1="happy"), a_view(6, face1="happy"),
        a_view(9, face1="uncertain"), a_view(20, face2="happy", face1="neutral"), a_view(40),
        a_view(60.5), a_view(70, face3="happy"), a_view(71, face3="happy"), a_view(121),
    ]  # fmt: skip

    @contextmanager
    def watch(source):
        assert source == 0
        yield iter(seen)

    monkeypatch.setattr(fer_edge, "watch", watch)
    code = example("Count the smiles of a minute")
    assert len([line for line in code.splitlines() if line]) <= 12
    exec(compile(code, "example", "exec"), {})
    assert capsys.readouterr().out == "2 smiles in a minute\n1 smiles in a minute\n"


def test_a_notebooks_example_of_a_picture_without_faces(desk):
    (desk / "photo.jpg").write_bytes(encoded(a_picture(), ".jpg"))
    run(example("A picture"))


@pytest.mark.parametrize("faces", [0, 1])
def test_supervision_is_given_boxes_of_any_number_of_faces(desk, monkeypatch, faces):
    """It refuses boxes that are not (N, 4), and draws nothing of them where N is 0."""
    given = []
    drawing = SimpleNamespace(annotate=lambda image, *_, **__: image)
    stand_in = SimpleNamespace(
        Detections=lambda xyxy, class_id: given.append((xyxy.shape, class_id.shape)),
        BoxAnnotator=lambda: drawing,
        LabelAnnotator=lambda: drawing,
    )
    monkeypatch.setitem(sys.modules, "supervision", stand_in)
    if not faces:
        (desk / "photo.jpg").write_bytes(encoded(a_picture(), ".jpg"))
    run(example("With supervision"))
    assert given == [((faces, 4), (faces,))]
