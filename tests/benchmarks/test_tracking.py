"""The benchmark of the whole pipeline, with few clips."""

import json

import pytest
import tracking
from builders import a_picture, encoded, write_files

from fer_edge.shared.opencv import cv2


@pytest.fixture
def data(tmp_path):
    """A folder of one clip without a face, and one picture without."""
    (tmp_path / "video").mkdir()
    listed = "file,fps,real_face\nfer_test.avi,10,0\n"
    (tmp_path / "video" / "clips.csv").write_text(listed)
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(tmp_path / "video" / "fer_test.avi"), codec, 10, (160, 120))
    for seed in range(3):
        writer.write(cv2.cvtColor(a_picture(160, 120, seed=seed), cv2.COLOR_GRAY2BGR))
    writer.release()
    write_files(tmp_path / "negatives", {"1.png": encoded(a_picture())})
    return tmp_path


def measured(monkeypatch, data, *options):
    threads = cv2.getNumThreads()
    given = ["--data", str(data), "--ours", "--kind", "haar", *options]
    monkeypatch.setattr("sys.argv", ["tracking.py", *given])
    try:
        tracking.main()
    finally:
        cv2.setNumThreads(threads)


def test_what_no_clip_serves_for_is_left_out_and_said(monkeypatch, data, capsys):
    measured(monkeypatch, data, "--clips", "fer", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["contenders"]["ours, haar"]["clips"].keys() == {"fer_test"}
    assert told["sizes"] == {}
    assert told["skipped"] == ["entry and sizes: no clip is named asl..."]


def test_no_clip_at_all_is_said(monkeypatch, data):
    with pytest.raises(SystemExit, match="no clip whose name holds 'sauce'"):
        measured(monkeypatch, data, "--clips", "sauce")
