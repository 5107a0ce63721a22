"""Folders of pictures: in order, and past what does not decode."""

import logging
import os

import numpy as np
import pytest

from fer_edge.shared.errors import EXIT_FAILED, VideoError
from fer_edge.shared.opencv import cv2
from fer_edge.sources.folder import PictureFolder
from fer_edge.testing.fakes import number_of, numbered_picture


def read_all(source):
    frames = []
    while (frame := source.read(1.0)) is not None:
        frames.append(frame)
    return frames


def test_goes_by_name_and_tells_it(pictures):
    frames = read_all(PictureFolder(pictures))
    assert [frame.name for frame in frames] == [f"{number}.png" for number in range(5)]
    assert [number_of(frame.grey) for frame in frames] == list(range(5))


def test_skips_logs_and_counts_what_does_not_decode(pictures, caplog):
    (pictures / "0.png").write_bytes(b"not a picture")
    (pictures / "3.png").write_bytes(b"")
    caplog.set_level(logging.WARNING)
    source = PictureFolder(pictures)
    assert [frame.name for frame in read_all(source)] == ["1.png", "2.png", "4.png"]
    assert source.skipped == 2
    assert len(caplog.messages) == 2
    assert all("\n" not in message for message in caplog.messages)
    assert "0.png" in caplog.messages[0]


def test_indices_count_only_what_was_delivered(pictures):
    (pictures / "2.png").write_bytes(b"not a picture")
    assert [frame.index for frame in read_all(PictureFolder(pictures))] == [0, 1, 2, 3]


def test_pictures_are_known_by_what_they_hold(pictures):
    (pictures / "0.png").rename(pictures / "0")
    (pictures / "1.png").rename(pictures / "1.photo")
    (pictures / "2.png").rename(pictures / "2.jfif")
    assert [frame.name for frame in read_all(PictureFolder(pictures))] == [
        "0", "1.photo", "2.jfif", "3.png", "4.png",
    ]  # fmt: skip


def test_passes_over_what_is_no_picture_file(pictures, caplog):
    (pictures / "notes.txt").write_text("not shown")
    (pictures / ".hidden.png").write_bytes(b"")
    (pictures / "folder.png").mkdir()
    (pictures / "gone.png").symlink_to(pictures / "nowhere.png")
    os.mkfifo(pictures / "pipe.png")  # reading it would block for ever
    source = PictureFolder(pictures)
    assert len(read_all(source)) == 5
    assert source.skipped == 0
    (message,) = caplog.messages
    for words in (
        "no picture: 1 (notes.txt)", "hidden: 1 (.hidden.png)", "no file: 2 (gone.png, pipe.png)",
        "a folder, which is not searched: 1 (folder.png)",
    ):  # fmt: skip
        assert words in message


def test_turns_pictures_upright(tmp_path):
    grey = np.zeros((40, 60), np.uint8)
    grey[:, 30:] = 255
    jpeg = cv2.imencode(".jpg", grey)[1].tobytes()
    tag = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"  # orientation 6: turn clockwise
    exif = b"Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01" + tag + b"\x00\x00\x00\x00"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (tmp_path / "turned.jpg").write_bytes(jpeg[:2] + segment + jpeg[2:])
    frame = PictureFolder(tmp_path).read(1.0)
    assert frame.grey.shape == (60, 40)
    assert frame.grey[:25].mean() < 10
    assert frame.grey[35:].mean() > 245


def test_a_picture_that_goes_away_is_skipped(pictures):
    source = PictureFolder(pictures)
    (pictures / "3.png").unlink()
    assert [frame.name for frame in read_all(source)] == ["0.png", "1.png", "2.png", "4.png"]
    assert source.skipped == 1


def test_refuses_a_folder_without_pictures(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing to see")
    with pytest.raises(VideoError, match=r"holds no pictures; not read: .*notes\.txt") as caught:
        PictureFolder(tmp_path)
    assert caught.value.exit_code == EXIT_FAILED


def test_refuses_a_folder_of_broken_pictures(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(b"broken")
    with pytest.raises(VideoError, match="none of its 3 pictures"):
        PictureFolder(tmp_path)


@pytest.mark.parametrize("name", ["missing", "file.png"])
def test_refuses_what_is_no_folder(tmp_path, name):
    cv2.imwrite(str(tmp_path / "file.png"), numbered_picture(1))
    with pytest.raises(VideoError, match=name):
        PictureFolder(tmp_path / name)


def test_hostile_pictures_end_the_batch_nowhere(shared_data, caplog):
    folder = shared_data / "hostile" / "images_pillow"
    source = PictureFolder(folder)
    assert len(read_all(source)) > 20
    assert source.skipped == sum(m.startswith("skipped: ") for m in caplog.messages) > 0
