"""Finding faces: what both techniques promise, which one is used, and weights that are wrong."""

import hashlib
import os
import shutil

import numpy as np
import pytest
from builders import PORTRAIT, PORTRAIT_FACE, a_picture
from moving_faces import a_wall, with_face
from techniques import EACH, needs_weights

from fer_edge.assemble.parts import make_detector, make_scout
from fer_edge.pipeline.protocols import Detector
from fer_edge.settings import DetectorSettings, resolve
from fer_edge.shared.data.pictures import read_grey
from fer_edge.shared.errors import EXIT_CONFIG, DependencyError, FerError, ModelError
from fer_edge.shared.faces import choice, weights
from fer_edge.shared.faces.choice import choose
from fer_edge.shared.faces.found import Found
from fer_edge.shared.opencv import cv2
from fer_edge.stages.search.scout import Scout, SearchRequest

YUNET = DetectorSettings(kind="yunet")


@pytest.fixture(scope="module")
def portrait():
    return read_grey(PORTRAIT)


@pytest.fixture(scope="module", params=EACH)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def detector(kind):
    return make_detector(DetectorSettings(kind=kind))


@pytest.fixture(scope="module")
def scout(kind):
    flags = {"detector.kind": kind}
    return make_scout(resolve(flags=flags, environment={}, file={}).settings)


def a_request(scout, grey, *, region=None, known=()):
    return SearchRequest(grey, [(one, region) for one in scout.ranges], known, 1, 0.0)


class TestEveryDetector:
    """Single pictures."""

    def test_it_keeps_the_protocol(self, detector):
        assert isinstance(detector, Detector)

    def test_the_portrait_has_one_face_where_it_is(self, detector, portrait):
        (face,) = detector.detect(portrait)
        assert face.box.iou(PORTRAIT_FACE) > 0.6
        assert face.score > 0.5

    def test_boxes_are_square_and_in_pixels_of_the_picture(self, detector, portrait):
        large = cv2.resize(portrait, None, fx=3, fy=3)
        (face,) = detector.detect(large)
        assert face.box.width == face.box.height
        assert face.box.iou(PORTRAIT_FACE.scaled(3)) > 0.6

    def test_landmarks_lie_in_the_box_where_there_are_any(self, detector, portrait):
        (face,) = detector.detect(portrait)
        for x, y in face.landmarks or ():
            assert face.box.x < x < face.box.x + face.box.width
            assert face.box.y < y < face.box.y + face.box.height

    def test_the_surest_comes_first(self, detector):
        wall, _ = with_face(a_wall(), 160, 240, face_px=120)
        both, _ = with_face(wall, 480, 240, face_px=60)
        scores = [face.score for face in detector.detect(both)]
        assert len(scores) == 2
        assert scores == sorted(scores, reverse=True)

    @pytest.mark.parametrize("level", [0, 140, 255])
    @pytest.mark.parametrize("shape", [(480, 640), (1, 1), (1, 3000), (3000, 2), (30, 30)])
    def test_a_plain_wall_has_no_face(self, detector, shape, level):
        assert detector.detect(np.full(shape, level, np.uint8)) == []

    def test_noise_has_no_face_and_the_picture_is_let_be(self, detector):
        noise = a_picture(320, 240)
        kept = noise.copy()
        assert detector.detect(noise) == []
        np.testing.assert_array_equal(noise, kept)

    def test_sizes_may_change_from_picture_to_picture(self, detector, portrait):
        before = detector.detect(portrait)
        detector.detect(a_wall(1280, 200))
        assert detector.detect(portrait) == before


class TestEveryScout:
    """Frames that follow one another."""

    def test_it_keeps_the_protocol(self, scout):
        assert isinstance(scout, Scout)
        assert len(set(scout.ranges)) == len(scout.ranges) > 0

    def test_a_new_face_is_found_and_sure(self, scout):
        picture, box = with_face(a_wall(), 330, 230)
        report = scout.search(a_request(scout, picture))
        (find,) = report.finds
        assert find.sure
        assert find.face.box.iou(box) > 0.6
        assert report.found_in in scout.ranges
        assert report.nominal_ms > 0

    def test_a_known_face_is_no_find(self, scout):
        picture, box = with_face(a_wall(), 330, 230)
        assert scout.search(a_request(scout, picture, known=[box])).finds == []

    def test_a_part_of_the_picture_is_searched_for_less(self, scout):
        both, _ = with_face(a_wall(), 160, 240)
        both, right = with_face(both, 480, 240)
        report = scout.search(a_request(scout, both, region=right))
        assert [find.face.x > 320 for find in report.finds] == [True]
        assert report.nominal_ms < scout.search(a_request(scout, both)).nominal_ms

    @pytest.mark.parametrize("look", ["check", "confirm"])
    def test_a_window_around_a_face_shows_it(self, scout, look):
        picture, box = with_face(a_wall(), 330, 230)
        near = Found(box.x + box.width / 2 + 8, box.y + box.height / 2 - 6, box.width * 1.1, 1.0)
        found = getattr(scout, look)(picture, near)
        assert found.box.iou(box) > 0.6

    @pytest.mark.parametrize("look", ["check", "confirm"])
    def test_a_window_without_a_face_shows_none(self, scout, look):
        picture, _ = with_face(a_wall(), 130, 130)
        assert getattr(scout, look)(picture, Found(500, 350, 90, 1.0)) is None
        assert getattr(scout, look)(picture, Found(5000, 350, 90, 1.0)) is None


@needs_weights
class TestYunet:
    """What it does besides."""

    def test_a_far_face_is_found_by_the_second_look(self):
        picture, box = with_face(a_wall(), 330, 230, face_px=30)
        once = DetectorSettings(kind="yunet", yunet_second_side_px=0)
        assert make_detector(once).detect(picture) == []
        (face,) = make_detector(YUNET).detect(picture)
        assert face.box.iou(box) > 0.4

    def test_the_package_that_carries_the_weights_is_not_imported(self, portrait):
        import sys

        make_detector(YUNET).detect(portrait)
        assert weights.PACKAGE not in sys.modules


class TestChoice:
    """Which technique is used."""

    def test_haar_where_it_is_asked_for(self):
        assert choose("haar").kind == "haar"

    @needs_weights
    def test_yunet_by_itself_where_its_weights_are(self):
        chosen = choose()
        assert (chosen.kind, chosen.weights.known) == ("yunet", True)
        assert chosen.words.startswith("yunet (")

    def test_haar_where_there_are_no_weights_and_what_to_type(self, monkeypatch):
        monkeypatch.setattr(choice, "packaged_weights", lambda: None)
        chosen = choose()
        assert chosen.kind == "haar"
        assert "pip install 'fer-edge[yunet]'" in chosen.why

    @pytest.mark.parametrize("version", ["4.6.0", "4.14.0"])
    def test_haar_where_opencv_cannot_run_yunet(self, monkeypatch, version):
        class Old:
            __version__ = version

        if version == "4.6.0":
            Old.FaceDetectorYN = object
        monkeypatch.setattr(choice, "cv2", Old)
        assert choose().words == f"haar (OpenCV {version} cannot run YuNet)"

    def test_yunet_without_weights_says_what_to_type(self, monkeypatch):
        monkeypatch.setattr(weights, "packaged_weights", lambda: None)
        with pytest.raises(ModelError, match="not installed") as caught:
            choose("yunet")
        assert "pip install" in str(caught.value)
        assert caught.value.exit_code == EXIT_CONFIG


class TestWrongWeights:
    """Each kind of wrong file is one clear error."""

    def refused(self, path, *, kind="yunet"):
        with pytest.raises(FerError) as caught:
            make_detector(DetectorSettings(kind=kind, file=str(path)))
        error = caught.value
        assert error.exit_code == EXIT_CONFIG
        assert "\n" not in str(error)
        assert "detector.kind = 'haar'" in error.fix
        return str(error)

    @pytest.mark.parametrize("kind", ["yunet", "auto"])
    def test_a_file_that_is_not_there(self, tmp_path, kind):
        assert "No such file" in self.refused(tmp_path / "none.onnx", kind=kind)

    def test_a_folder(self, tmp_path):
        assert "it is a folder, not a file" in self.refused(tmp_path)

    def test_a_pipe_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.onnx")
        assert "it is a pipe, not a file" in self.refused(tmp_path / "pipe.onnx")

    def test_an_empty_file(self, tmp_path):
        (tmp_path / "empty.onnx").touch()
        assert "only 0 bytes" in self.refused(tmp_path / "empty.onnx")

    def test_no_onnx_at_all(self, tmp_path):
        (tmp_path / "a.onnx").write_bytes(bytes(range(256)) * 40)
        assert "is no YuNet" in self.refused(tmp_path / "a.onnx")

    @needs_weights
    def test_one_cut_short(self, tmp_path):
        whole = weights.packaged_weights().read_bytes()
        (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
        assert "is no YuNet" in self.refused(tmp_path / "cut.onnx")

    @needs_weights
    def test_the_package_s_own_when_damaged(self, tmp_path, monkeypatch):
        copy = shutil.copy(weights.packaged_weights(), tmp_path / weights.FILE_NAME)
        data = bytearray(copy.read_bytes())
        data[len(data) // 2] ^= 1
        copy.write_bytes(data)
        monkeypatch.setattr(weights, "packaged_weights", lambda: copy)
        with pytest.raises(ModelError, match="damaged") as caught:
            choose()
        assert hashlib.sha256(data).hexdigest()[:16] in str(caught.value)

    @needs_weights
    def test_the_right_file_elsewhere_is_taken(self, tmp_path, portrait):
        copy = shutil.copy(weights.packaged_weights(), tmp_path / "mine.onnx")
        settings = DetectorSettings(kind="auto", file=str(copy))
        assert choose("auto", str(copy)).weights.path == copy
        assert len(make_detector(settings).detect(portrait)) == 1

    @needs_weights
    def test_an_opencv_without_the_class(self, monkeypatch):
        from fer_edge.shared.faces import yunet

        class Old:
            __version__ = "4.5.1"

        monkeypatch.setattr(yunet, "cv2", Old)
        with pytest.raises(DependencyError, match=r"OpenCV 4\.5\.1 cannot run YuNet"):
            make_detector(YUNET)
