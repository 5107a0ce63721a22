"""`fer_edge.watch`: cameras, clips, folders, and pictures of one's own."""

import sys
import threading

import numpy as np
import pytest
from builders import PORTRAIT, a_picture, encoded, write_files

import fer_edge
from fer_edge.shared.errors import (
    PictureError,
    SettingsError,
    SourceUnavailableError,
    VideoError,
)
from fer_edge.shared.opencv import cv2
from fer_edge.testing.fake_picamera2 import PiRig
from fer_edge.testing.fakes import MjpegServer

BGR = cv2.imread(str(PORTRAIT))


def test_every_frame_of_a_clip_in_colour(clip):
    with fer_edge.watch(clip) as watched:
        views = list(watched)
        assert watched.dropped == 0
    assert [view.frame_index for view in views] == list(range(50))
    assert [round(view.clip_seconds * 25) for view in views] == list(range(50))
    last = views[-1]
    assert sorted(face.stable for face in last) == ["happy", "neutral"]
    assert len({face.track_id for face in last}) == 2
    assert last.image.shape == last.plot().shape == (480, 640, 3)
    blue, _, red = last.image[300:, 400:550].reshape(-1, 3).mean(0)
    assert red > 1.3 * blue, "the space suit is orange"
    assert last.age_ms > 0
    assert last.fps > 0
    assert last.captured_at > 1.7e9


def test_a_clip_tells_its_rate_and_ends_by_itself(clip):
    watched = fer_edge.watch(clip, model="edge-nano-ferplus")
    assert next(watched).frame_index == 0
    assert watched.rate == 25
    assert "happy" in watched.labels
    assert sum(1 for _ in watched) == 49
    assert watched.rate == 25, "also afterwards"
    with pytest.raises(StopIteration):
        next(watched)
    watched.close()


def test_without_a_source_it_is_what_the_settings_say(clip, tmp_path, monkeypatch):
    with fer_edge.watch(settings={"source.uri": str(clip)}) as watched:
        assert next(watched).frame_index == 0
    file = tmp_path / "settings.toml"
    file.write_text(f"[source]\nuri = {str(clip)!r}\n")
    with fer_edge.watch(settings=file) as watched:
        assert next(watched).frame_index == 0
    monkeypatch.setenv("FER_EDGE_SOURCE_URI", str(clip))
    with fer_edge.watch() as watched:
        assert next(watched).frame_index == 0


def test_leaving_early_lets_go(clip):
    with fer_edge.watch(clip) as watched:
        for _ in watched:
            break
    assert list(watched) == []


def test_the_pictures_of_a_folder_in_colour(tmp_path):
    write_files(tmp_path, {"a.jpg": PORTRAIT.read_bytes(), "b.png": encoded(a_picture())})
    with fer_edge.watch(tmp_path) as folder:
        first, second = folder
    assert [len(first), len(second)] == [1, 0]
    assert first[0].stable == "happy", "never None"
    assert first.to_dict()["name"] == "a.jpg"
    assert np.abs(first.image.astype(int) - BGR).max() == 0


def test_the_newest_frame_of_a_camera_in_colour():
    picture = cv2.imread(str(PORTRAIT), cv2.IMREAD_GRAYSCALE)
    with MjpegServer([picture]) as camera, fer_edge.watch(camera.url) as watched:
        views = [next(watched) for _ in range(6)]
        assert watched.rate == 0
        assert watched.health.phase == "delivering"
    assert views[-1].image.shape == (400, 400, 3)
    assert views[-1].clip_seconds is None
    numbers = [view.frame_index for view in views]
    assert numbers == sorted(set(numbers))


def test_a_camera_is_turned_as_the_settings_say():
    settings = {"source.rotation": 90, "source.mirror": True}
    with (
        MjpegServer([a_picture(160, 120)]) as camera,
        fer_edge.watch(camera.url, settings=settings) as watched,
    ):
        view = next(watched)
    assert view.image.shape == (160, 120, 3)
    assert np.abs(view.image[..., 1].astype(int) - view.frame.grey).mean() < 3


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("/dev/video99", SourceUnavailableError),
        ("not-there.mp4", VideoError),
        ("http://", SettingsError),
        ("webcam", VideoError),
        (3.5, SettingsError),
    ],
)
def test_what_cannot_be_watched(source, error):
    with pytest.raises(error), fer_edge.watch(source) as watched:
        next(watched)


def test_a_word_that_is_no_file_is_answered_with_what_a_camera_is_called():
    with pytest.raises(VideoError, match="a camera is its number, such as 0"):
        next(fer_edge.watch("webcam"))


def test_pictures_of_ones_own():
    with fer_edge.watch((BGR for _ in range(6)), rate=10) as watched:
        views = list(watched)
    assert [view.clip_seconds for view in views] == [n / 10 for n in range(6)]
    assert views[-1][0].stable == "happy"
    assert views[0].image is BGR
    (view,) = fer_edge.watch([BGR[..., ::-1]], colour="rgb")
    assert view.clip_seconds is None
    assert (view.image == BGR).all()


def test_a_picture_of_ones_own_that_is_none():
    with fer_edge.watch([BGR, BGR / 255]) as watched:
        next(watched)
        with pytest.raises(PictureError, match=r"picture 1: an array of float64"):
            next(watched)
    with pytest.raises(SettingsError, match="leave them out"):
        fer_edge.watch("clip.mp4", rate=25)


def test_one_picture_is_no_clip():
    with pytest.raises(PictureError, match="is one picture"):
        fer_edge.watch(BGR)


def test_what_ones_own_pictures_raise_is_no_fault_of_a_camera():
    def mine():
        yield BGR
        raise KeyError("my own")

    with fer_edge.watch(mine()) as watched:
        next(watched)
        with pytest.raises(KeyError, match="my own"):
            next(watched)


@pytest.fixture
def pi(monkeypatch):
    picture = cv2.imread(str(PORTRAIT), cv2.IMREAD_GRAYSCALE)
    rig = PiRig(draw=lambda _number, width, height: cv2.resize(picture, (width, height)))
    for name, module in rig.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return rig


def test_a_pis_camera_in_colour(pi):
    with fer_edge.watch("picamera", settings={"source.width": 400, "source.height": 400}) as camera:
        views = [next(camera) for _ in range(4)]
    for view in views:
        assert view.image.shape == (400, 400, 3)
        colours = view.image.astype(int)
        assert np.abs(colours - colours.mean(-1, keepdims=True)).max() <= 2, "the fake has none"
        lightness = np.corrcoef(colours[..., 1].ravel(), view.frame.grey.ravel())[0, 1]
        assert lightness > 0.99


def test_beside_picamera2_and_in_its_callback(pi):
    from picamera2 import MappedArray, Picamera2

    main = {"format": "RGB888", "size": (400, 400)}
    seen, enough = [], threading.Event()
    with fer_edge.Reader() as reader:
        camera = Picamera2()
        camera.configure(camera.create_video_configuration(main=main))
        camera.start()
        assert len(reader.read(camera.capture_array())) == 1

        def look(request):
            if not enough.is_set():
                with MappedArray(request, "main") as mapped:
                    seen.append(reader.follow(mapped.array))
                enough.set() if len(seen) == 3 else None

        camera.post_callback = look
        assert enough.wait(60)
        camera.close()
    assert [face.track_id for face in seen[-1]] == [1]


def test_calibrated_to_whoever_is_there(clip):
    with fer_edge.watch(clip) as camera:
        assert next(camera).observation.baseline == "track"
        baseline = camera.calibrate(seconds=1.0)  # of the larger face, which is at rest
        assert baseline.seconds == 1.0
        assert next(camera).observation.baseline == "participant"
