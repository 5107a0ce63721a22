"""`fer_edge.read`, `read_all` and `Reader`: what they take, what they return, what they refuse."""

import io
import json
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from builders import PORTRAIT, PORTRAIT_FACE, a_contract, a_picture, encoded, write_files
from command_line import clean_environment
from command_line import fer_edge as run_fer_edge
from PIL import Image
from tiny_model import tiny_model

import fer_edge
from fer_edge.shared.errors import CalibrationError, ModelError, PictureError, SettingsError
from fer_edge.shared.opencv import cv2
from fer_edge.sources.demo_clip import DemoClip

BGR = cv2.imread(str(PORTRAIT))
GREY = cv2.imread(str(PORTRAIT), cv2.IMREAD_GRAYSCALE)


def python(code, **options):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120,
        env=clean_environment(), **options,
    )  # fmt: skip


def test_importing_it_loads_nothing_heavy():
    code = (
        "import sys; before = set(sys.modules); import fer_edge; print(*set(sys.modules) - before)"
    )
    loaded = set(python(code).stdout.split())
    assert loaded == {"fer_edge"}, "not even a module of the standard library"


def test_reading_prints_nothing_and_leaves_opencv_its_threads():
    code = f"""
import cv2
cv2.setNumThreads(3)
import fer_edge
assert list(fer_edge.read({str(PORTRAIT)!r}))
assert [p.error for p in fer_edge.read_all([{str(PORTRAIT)!r}, "not-there.jpg"])][1]
assert cv2.getNumThreads() == 3
"""
    done = python(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_threads_may_load_at_once_and_standard_error_is_there_afterwards():
    code = f"""
import sys, threading
import fer_edge
from fer_edge.api.quiet import quiet
second_is_in, first_is_out = threading.Event(), threading.Event()
def second():
    with quiet():
        second_is_in.set()
        first_is_out.wait(60)
threads = [threading.Thread(target=fer_edge.read, args=({str(PORTRAIT)!r},)) for _ in range(3)]
threads.append(threading.Thread(target=second))
with quiet():
    for one in threads: one.start()
    second_is_in.wait(0.5)
first_is_out.set()
for one in threads: one.join()
print("it is heard", file=sys.stderr)
"""
    done = python(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "it is heard\n")


def test_every_public_name_is_there():
    assert set(fer_edge.__all__) <= set(dir(fer_edge))
    for name in fer_edge.__all__:
        assert getattr(fer_edge, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'raed'"):
        _ = fer_edge.raed


def check_portrait(picture):
    (face,) = picture
    assert (face.label, face.stable, face.track_id) == ("happy", "happy", None)
    assert face.box.iou(PORTRAIT_FACE) > 0.5
    assert face.confidence == face.answer.scores["happy"] > 0.9
    assert face.score > 0
    assert sum(face.scores.values()) == pytest.approx(1)
    assert picture[0] is face
    assert picture.faces == picture[:] == (face,)


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (str(PORTRAIT), {}),
        (PORTRAIT, {}),
        (BGR, {}),
        (GREY, {}),
        (GREY[:, :, None], {}),
        (BGR[:, :, ::-1], {"colour": "rgb"}),
        (np.dstack([BGR, GREY]), {"colour": "bgr"}),
        (np.dstack([BGR[:, :, ::-1], GREY]), {"colour": "rgb"}),
        (Image.open(PORTRAIT), {}),
        (Image.open(PORTRAIT).convert("L"), {}),
        (Image.open(PORTRAIT).convert("P"), {}),
    ],
    ids=["name", "path", "bgr", "grey", "one channel", "rgb", "bgra", "rgba", "Pillow", "L", "P"],
)  # fmt: skip
def test_a_picture_in_every_form(reader, image, options):
    picture = reader.read(image, **options)
    check_portrait(picture)
    assert (picture.width, picture.height) == (400, 400)
    assert picture.image.dtype == np.uint8
    assert picture.image.shape in {(400, 400), (400, 400, 3)}
    if picture.image.ndim == 3 and not (isinstance(image, Image.Image) and image.mode == "P"):
        assert np.abs(picture.image.astype(int) - BGR).mean() < 3, "blue, green, red"


def test_an_array_is_not_copied_and_a_plot_is(reader):
    image = BGR.copy()
    picture = reader.read(image)
    assert picture.image is image
    drawn = picture.plot()
    assert drawn.shape == image.shape
    assert (drawn != image).any()
    assert (image == BGR).all()
    assert reader.read(GREY).plot().shape == (400, 400, 3)


def test_a_photograph_of_pillow_is_turned_upright(reader, tmp_path):
    turned = Image.open(PORTRAIT).transpose(Image.Transpose.ROTATE_90)
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    check_portrait(reader.read(tmp_path / "turned.jpg"))
    check_portrait(reader.read(Image.open(tmp_path / "turned.jpg")))


def test_no_face_is_no_error(reader):
    picture = reader.read(np.zeros((64, 64, 3), np.uint8))
    assert len(picture) == 0
    assert not picture
    assert list(picture) == []
    assert picture.plot().shape == (64, 64, 3)
    assert "no face" in repr(picture)


def test_a_label_that_is_only_a_guess_is_uncertain():
    with fer_edge.Reader(settings={"smoothing.least_probability": 1.0}) as strict:
        (face,) = strict.read(PORTRAIT)
    assert (face.stable, face.label) == ("uncertain", "happy")


def test_crops_are_taken_whole():
    with fer_edge.Reader(crops=True) as reader:
        (face,) = reader.read(BGR[70:160, 180:270])
    assert face.box.as_list() == [0, 0, 90, 90]
    assert face.label == "happy"


@pytest.mark.parametrize(
    ("image", "found", "fix"),
    [
        (BGR / 255, "an array of float64 and shape (400, 400, 3)", "pass (image * 255).astype"),
        (BGR.astype(np.float32), "float32", "image.astype(np.uint8), if its values are 0 to 255"),
        (BGR.astype(np.uint16) << 8, "uint16", "(image >> 8).astype(np.uint8)"),
        (GREY > 9, "bool", "image.astype(np.uint8) * 255"),
        (BGR.astype(np.int64), "int64", "image.astype(np.uint8)"),
        (BGR.transpose(2, 0, 1), "shape (3, 400, 400)", "image.transpose(1, 2, 0)"),
        (BGR[None], "shape (1, 400, 400, 3)", "one by one"),
        (BGR[:0], "which is empty", "check the crop"),
        (GREY[0], "shape (400,)", "one picture"),
        (np.dstack([BGR, GREY]), "does not say whether blue or red", "colour='rgb'"),
        (None, "None was given", "cv2.imread returns"),
        (b"", "type bytes", "cv2.imdecode"),
        ([BGR], "type list", "read_all"),
        (7, "type int", "pass one of these"),
        (Image.new("I;16", (9, 9)), "of mode I;16", "convert"),
        ("https://host/a.jpg", "https://... is an address", "download"),
        ("not-there.jpg", "does not exist", "check the path"),
        (PORTRAIT.parent / "interlaced.mkv", "is a video", "fer_edge.watch"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_no_picture_is_refused_with_what_to_pass(reader, image, found, fix):
    with pytest.raises(PictureError) as refused:
        reader.read(image)
    assert found in str(refused.value)
    assert fix in str(refused.value)
    assert isinstance(refused.value, ValueError | fer_edge.FerError)


def test_the_order_of_a_files_channels_is_not_asked(reader):
    with pytest.raises(PictureError, match="leave it out"):
        reader.read(PORTRAIT, colour="rgb")
    with pytest.raises(PictureError, match="'bgr' or 'rgb'"):
        reader.read(BGR, colour="RGB")


def test_one_bad_file_does_not_end_many(reader, tmp_path):
    write_files(tmp_path, {"a.jpg": PORTRAIT.read_bytes(), "b.jpg": b"no picture",
                           "c.jpg": encoded(a_picture())})  # fmt: skip
    paths = [tmp_path / name for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg")]
    seen = list(reader.read_all(paths))
    assert [picture.path for picture in seen] == [str(path) for path in paths]
    assert [len(picture) for picture in seen] == [1, 0, 0, 0]
    assert [picture.error is not None for picture in seen] == [False, True, False, True]
    assert "cannot be decoded" in str(seen[1].error)
    assert "does not exist" in json.loads(seen[3].to_json())["error"]
    with pytest.raises(PictureError, match="cannot be decoded"):
        _ = seen[1].image
    with pytest.raises(PictureError):
        seen[1].plot()


def test_the_line_is_the_commands(tmp_path):
    model = tmp_path / "tiny.tflite"
    model.write_bytes(tiny_model(a_contract()))
    printed = run_fer_edge("classify", "--json", "--model", model, PORTRAIT).stdout
    picture = fer_edge.read(PORTRAIT, model=model)
    assert picture.to_json() + "\n" == printed
    assert picture.to_dict() == json.loads(printed)


def test_a_notebook_shows_it(reader):
    picture = reader.read(PORTRAIT)
    assert picture._repr_png_().startswith(b"\x89PNG")
    html = picture._repr_html_()
    assert 'src="data:image/jpeg;base64,' in html
    assert "<td>happy</td>" in html
    assert "no face" in reader.read(a_picture())._repr_html_()


def test_following_gives_numbers_and_steady_labels():
    with fer_edge.Reader() as reader:
        views = [reader.follow(BGR, at=second / 10) for second in range(6)]
        assert [view[0].track_id for view in views] == [1] * 6
        assert [view[0].stable for view in views] == ["uncertain", *["happy"] * 5]
        assert [view.clip_seconds for view in views] == [0, 0.1, 0.2, 0.3, 0.4, 0.5]
        assert views[-1].fps == pytest.approx(10)
        again = reader.follow(BGR, at=0.0)
        assert (again[0].track_id, again[0].stable) == (2, "uncertain"), "another clip"
        assert json.loads(again.to_json()) == again.to_dict()
        assert again.to_dict()["clip_seconds"] == 0


def test_a_buffer_may_be_used_again_for_the_next_frame():
    buffer = np.empty_like(GREY)
    with fer_edge.Reader() as reader:
        for second in range(4):
            buffer[:] = GREY
            view = reader.follow(buffer, at=second / 10)
            buffer[:] = 0
            assert [face.track_id for face in view] == [1]
    assert (view.image == GREY).all()


def test_without_a_time_frames_are_as_old_as_they_come():
    with fer_edge.Reader() as reader:
        view = reader.follow(BGR)
    assert view.clip_seconds is None
    assert "clip_seconds" not in view.to_dict()
    assert view.age_ms > 0


def test_a_closed_reader_says_so():
    reader = fer_edge.Reader()
    seen = reader.read(PORTRAIT)
    reader.close()
    reader.close()
    check_portrait(seen)
    with pytest.raises(ValueError, match="closed"):
        reader.read(PORTRAIT)


def test_threads_take_turns(reader):
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(reader.read(BGR))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 4
    for picture in seen:
        check_portrait(picture)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"settings": {"detector.min_face": 20}}, "did you mean 'detector.min_face_px'"),
        ({"settings": {"max_faces": 3}}, "did you mean 'tracker.max_faces'"),
        ({"settings": {"tracker.max_faces": None}}, "a text, a number, True or False"),
        ({"settings": "not-there.toml"}, "cannot be read as settings"),
        ({"detector": {"min_face_px": 1}}, "detector.min_face_px = '1' (from the program)"),
    ],
)
def test_settings_are_checked_as_those_of_the_command_line(options, said):
    with pytest.raises(SettingsError) as refused:
        fer_edge.Reader(**options)
    assert said in str(refused.value)


@pytest.mark.parametrize("path", ["face.jpg", Path("folder"), b"face.jpg"])
def test_one_path_is_not_several_pictures(reader, path):
    for several in (fer_edge.read_all, reader.read_all, reader.calibrate):
        with pytest.raises(PictureError, match=r"is one path.*give \[path\], or a folder's"):
            list(several(path))


def test_the_rows_of_one_picture_are_not_several_pictures(reader):
    with pytest.raises(PictureError, match=r"shape \(120, 160, 3\) is one picture.*\[picture\]"):
        list(reader.read_all(np.zeros((120, 160, 3), np.uint8)))


def test_a_picture_of_pillow_is_not_several_and_half_a_file_does_not_end_many(reader):
    whole = PORTRAIT.read_bytes()
    one = Image.open(io.BytesIO(whole))
    with pytest.raises(PictureError, match=r"is one picture.*\[picture\]"):
        list(reader.read_all(one))
    half = Image.open(io.BytesIO(whole[: len(whole) // 2]))
    bad, good = reader.read_all([half, PORTRAIT])
    assert "Pillow cannot read" in str(bad.error)
    assert good.error is None
    one.close()
    with pytest.raises(PictureError, match="open the file again"):
        reader.read(one)


def test_a_picture_can_be_sent_to_another_process(reader):
    for image in (PORTRAIT, BGR):
        picture = reader.read(image)
        for _ in range(2):  # before its colours are asked for, and after
            sent = pickle.loads(pickle.dumps(picture))
            assert sent.to_json() == picture.to_json()
            np.testing.assert_array_equal(sent.plot(), picture.plot())


def test_an_error_can_be_sent_to_another_process(reader):
    (picture,) = reader.read_all(["not-there.jpg"])
    sent = pickle.loads(pickle.dumps(picture))
    assert type(sent.error) is PictureError
    assert str(sent.error) == str(picture.error)


def test_a_model_that_is_not_there_is_told_without_words_of_the_command_line():
    with pytest.raises(ModelError, match="no model 'nix'") as refused:
        fer_edge.read(PORTRAIT, model="nix")
    assert "--model" not in str(refused.value)


def test_settings_in_every_form(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_EDGE_DETECTOR_KIND", "haar")  # whose setting it is
    file = tmp_path / "settings.toml"
    file.write_text("[detector]\nmin_face_px = 300\n")
    assert not fer_edge.Reader(settings=file).read(PORTRAIT)
    assert not fer_edge.Reader(settings={"detector.min_face_px": 300}).read(PORTRAIT)
    assert not fer_edge.Reader(detector={"min_face_px": 300}).read(PORTRAIT)
    monkeypatch.setenv("FER_EDGE_CONFIG", str(file))
    assert not fer_edge.Reader().read(PORTRAIT)
    assert fer_edge.Reader(settings={"detector.min_face_px": 30}).read(PORTRAIT)
    monkeypatch.delenv("FER_EDGE_CONFIG")
    monkeypatch.setenv("FER_EDGE_DETECTOR_MIN_FACE_PX", "300")
    assert not fer_edge.Reader().read(PORTRAIT)
    assert fer_edge.Reader(settings={"detector.min_face_px": 30}).read(PORTRAIT)


def test_what_follows_is_read_relative_to_a_face_at_rest():
    with DemoClip() as clip:
        at_rest = [clip.read(1.0).image[:, :320].copy() for _ in range(60)][-1]
    with fer_edge.Reader() as reader:
        assert reader.read(at_rest).baseline == "none"
        with pytest.raises(CalibrationError, match="smiles"):
            reader.calibrate([PORTRAIT])
        assert reader.calibrate([at_rest]).labels == reader.labels
        picture = reader.read(at_rest)
        assert picture.baseline == "participant"
        assert picture[0].relative is not None
        view = reader.follow(at_rest, at=0.0)
        assert view.to_dict()["baseline"] == "participant"
