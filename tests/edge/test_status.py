"""What people see of a run."""

import dataclasses
import io
import re
from collections import Counter

import pytest
from builders import a_frame, a_reading, an_observation

from fer_edge.commands.listings import format_settings, settings_to_json
from fer_edge.commands.run_display import LiveStatus, format_shown, format_tally
from fer_edge.pipeline.loop import RunTally
from fer_edge.settings import resolve
from fer_edge.shared.errors import OutputError
from fer_edge.shared.report.drawing import write_picture
from fer_edge.shared.terminal.progress import ProgressLine
from fer_edge.state.records import CameraHealth, DaemonState

SEEN = an_observation(timings={"detect": 20.0, "classify": 1.0, "age": 30.0})


def a_tally(frames=3):
    tally = RunTally(seconds=0.5)
    for _ in range(frames):
        tally.add(SEEN)
    return tally


def test_the_live_line_rewrites_itself():
    terminal = io.StringIO()
    status = LiveStatus(ProgressLine(terminal, shown=True))
    status.update(a_frame(), SEEN, a_tally())
    assert terminal.getvalue() == "\r\x1b[K1 face: happy  6.0 FPS  30 ms"
    status.update(a_frame(), SEEN, a_tally(4))
    assert terminal.getvalue().count("face") == 1, "not more often than can be read"
    status.clear()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_the_live_line_of_a_frame_without_face():
    terminal = io.StringIO()
    LiveStatus(ProgressLine(terminal, shown=True)).update(
        a_frame(), an_observation(readings=(), timings=SEEN.timings), a_tally()
    )
    assert terminal.getvalue().endswith("no face  6.0 FPS  30 ms")


def test_the_live_line_tells_stable_labels_and_how_the_camera_does():
    terminal = io.StringIO()
    status = LiveStatus(ProgressLine(terminal, shown=True))
    status.tell(a_state("running", phase="delivering", grade="good"))
    readings = a_reading(stable="uncertain"), a_reading(stable="sad")
    status.update(a_frame(), dataclasses.replace(SEEN, readings=readings, left_out=1), a_tally())
    assert terminal.getvalue().endswith(
        "2 faces: uncertain, sad, 1 more left out  6.0 FPS  30 ms  camera good"
    )


def test_the_live_line_says_how_far_a_clip_is():
    terminal = io.StringIO()
    status = LiveStatus(
        ProgressLine(terminal, shown=True), clip="clip.mp4", clip_seconds=lambda: 40.0
    )
    status.tell(a_state("waiting", phase="opening"))
    assert terminal.getvalue().endswith("opening clip.mp4")
    terminal.truncate(0)
    status = LiveStatus(
        ProgressLine(terminal, shown=True), clip="clip.mp4", clip_seconds=lambda: 40.0
    )
    status.update(a_frame(clip_seconds=12.2), SEEN, a_tally())
    shown = terminal.getvalue()
    assert re.search(r"clip 12 s of 40 s, 0:00 left  1 face: happy  6\.0 FPS  30 ms$", shown)


def test_a_picture_of_a_folder_is_named():
    terminal = io.StringIO()
    status = LiveStatus(ProgressLine(terminal, shown=True), clip="folder")
    status.update(a_frame(name="a.jpg"), SEEN, a_tally())
    assert terminal.getvalue().endswith("\x1b[Ka.jpg  1 face: happy  6.0 FPS  30 ms")


def test_where_only_counts_may_be_told_no_line_tells_of_a_face():
    terminal = io.StringIO()
    LiveStatus(ProgressLine(terminal, shown=True), tells_faces=lambda: False).update(
        a_frame(), SEEN, a_tally()
    )
    assert terminal.getvalue().endswith("6.0 FPS  30 ms")
    told = format_tally(a_tally(), tells_faces=False)
    assert "face" not in told.partition("stage")[0]
    assert "happy" not in told


def a_state(phase, /, **camera):
    return DaemonState(phase, "1", 1, 0.0, 9.0, "0", "tiny", "", CameraHealth(**camera))


def test_the_live_line_says_what_the_camera_waits_for():
    terminal = io.StringIO()
    status = LiveStatus(ProgressLine(terminal, shown=True))
    status.tell(a_state("waiting", phase="opening", seconds_since_frame=2.2))
    status.tell(
        a_state("waiting", phase="waiting", seconds_since_frame=7.6, problem="the cable is out")
    )
    assert terminal.getvalue().split("\r\x1b[K")[1:] == [
        "camera opening for 2 s", "camera waiting for 8 s: the cable is out",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("phase", "camera"),
    [("running", "delivering"), ("waiting", "ended"), ("stopping", "delivering")],
)
@pytest.mark.parametrize("clip", ["", "clip.mp4"])
def test_the_live_line_is_left_to_the_frames_where_there_are_any(phase, camera, clip):
    terminal = io.StringIO()
    LiveStatus(ProgressLine(terminal, shown=True), clip=clip).tell(a_state(phase, phase=camera))
    assert terminal.getvalue() == ""


def test_the_live_line_says_that_it_is_switched_off():
    terminal = io.StringIO()
    LiveStatus(ProgressLine(terminal, shown=True)).tell(a_state("disabled", phase="off"))
    assert terminal.getvalue().endswith("switched off")


def test_a_live_line_never_wraps(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    terminal = io.StringIO()
    status = LiveStatus(ProgressLine(terminal, shown=True))
    status.tell(a_state("waiting", phase="waiting", problem="x" * 99))
    assert len(terminal.getvalue().split("\x1b[K")[1]) == 39


def test_no_live_line_in_a_file():
    file = io.StringIO()
    status = LiveStatus(ProgressLine(file))
    status.update(a_frame(), SEEN, a_tally())
    status.tell(a_state("waiting", phase="waiting"))
    status.clear()
    assert file.getvalue() == ""


def test_the_closing_table():
    lines = format_tally(a_tally(), dropped=5).splitlines()
    assert lines[:5] == [
        "frames       3 (3 with a face)",
        "speed        6.0 FPS",
        "expressions  happy 3",
        "baseline     none",
        "dropped      5 frames came faster than they were processed",
    ]
    assert lines[6].split() == ["stage", "(ms)", "mean", "p50", "p90", "p99", "max"]
    assert [line.split()[-1] for line in lines[7:]] == ["20.00", "1.00", "30.00"]


def test_the_closing_table_tells_for_how_long_each_stable_label_was_shown():
    tally = RunTally(seconds=2.0)
    for number, stable in enumerate(["uncertain", "uncertain", "sad", "sad", "sad", "happy"]):
        reading = a_reading(stable=stable)
        tally.add(an_observation(readings=(reading,), clip_seconds=number / 2))
    assert format_shown(tally) == "sad 1.5 s, uncertain 0.5 s, happy 0.5 s"
    assert tally.labels == Counter(sad=3, uncertain=2, happy=1)


def test_the_closing_table_ranks_by_what_it_shows():
    tally = RunTally()
    for at, stable in [(0, "sad"), (0.1, "sad"), (0.2, "sad"), (1.0, "happy"), (1.9, "happy")]:
        tally.add(an_observation(readings=(a_reading(stable=stable),), clip_seconds=at))
    assert format_shown(tally) == "happy 1.7 s, sad 0.2 s"


def test_the_closing_table_counts_pictures_for_they_take_no_time():
    tally = RunTally()
    for number, label in enumerate(["sad", "happy", "happy"]):
        reading = a_reading(stable=label)
        seen = an_observation(readings=(reading,), name=f"{number}.jpg", captured_at=number / 2)
        tally.add(seen)
    assert format_shown(tally) == "happy 2, sad 1"


def test_over_a_pause_nothing_is_taken_to_have_been_shown():
    tally = RunTally()
    for captured_at in (100.0, 100.5, 160.0, 160.25):
        tally.add(an_observation(captured_at=captured_at))
    assert format_shown(tally) == "happy 0.8 s"


def test_a_run_without_frames():
    assert format_tally(RunTally()) == (
        "frames       0 (0 with a face)\nspeed        0.0 FPS\nexpressions  none"
    )


def test_the_tally_forgets_the_oldest_timings_only():
    tally = a_tally(10_050)
    assert tally.frames == 10_050
    assert tally.labels == Counter(happy=10_050)
    assert tally.stages()["detect"].n == 10_000


@pytest.mark.parametrize("show", [format_settings, lambda rows: str(settings_to_json(rows))])
def test_settings_are_shown_without_passwords(show):
    rows = resolve(
        flags={"source.uri": "http://cam/video?pwd=hunter2"}, environment={}, file={}
    ).rows()
    assert "hunter2" not in show(rows)
    assert "http://cam/video" in show(rows)


@pytest.mark.parametrize("name", ["no/folder/x.jpg", "x.unknown"])
def test_a_picture_that_cannot_be_written(tmp_path, name):
    with pytest.raises(OutputError, match="cannot be written"):
        write_picture(tmp_path / name, a_frame().grey)
