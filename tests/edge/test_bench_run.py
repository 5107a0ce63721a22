"""A whole benchmark, on little work: what the report holds, and what a stop leaves of it."""

import io
import json
import re
import resource
import threading
import time
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from builders import a_picture, encoded, write_files
from pi_machine import PI5_WATTS, a_system
from techniques import EACH
from tiny_model import tiny_contract, tiny_model

from fer_edge.assemble.parts import make_detector, make_pipeline
from fer_edge.commands.bench.measure.accuracy import accuracy_of_contract
from fer_edge.commands.bench.measure.frames import FrameTally, process_frames
from fer_edge.commands.bench.measure.plan import Bench, BenchPlan
from fer_edge.commands.bench.measure.run import SourceLostError, run_bench
from fer_edge.commands.bench.measure.scenes import SCENES, captured_now, chunks, make_scene
from fer_edge.commands.bench.measure.sustained import run_sustained
from fer_edge.commands.bench.measure.vitals import VitalsWatch
from fer_edge.commands.bench.report.page import make_page, write_report
from fer_edge.commands.bench.report.text import format_report
from fer_edge.models import open_model
from fer_edge.settings import DetectorSettings, ModelSettings, resolve
from fer_edge.shared.errors import ModelError, OutputError
from fer_edge.shared.records import Observation
from fer_edge.shared.terminal.progress import ERASE_LINE, ProgressLine
from fer_edge.sources.folder import PictureFolder
from fer_edge.state.machine import System
from fer_edge.testing.fakes import MjpegServer

CHEAP = {"detector.max_side_px": "64", "detector.min_face_px": "32", "detector.confirm": ""}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for dtype in ("int8", "float32"):
        (folder / f"{dtype}.tflite").write_bytes(tiny_model(tiny_contract(dtype)))
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    pictures = {f"{n}.png": encoded(a_picture(seed=n)) for n in range(7)}
    return write_files(tmp_path_factory.mktemp("clip"), pictures)


def a_plan(tiny, *, clip="", models=("int8",), **changes):
    paths = [str(tiny / f"{name}.tflite") for name in models]
    flags = {**CHEAP, "model.path": paths[0], "source.uri": str(clip)}
    settings = resolve(flags=flags, environment={}, file={}).settings
    chosen = tuple(ModelSettings(path=path) for path in paths)
    return BenchPlan(settings, chosen, clip=str(clip), seconds=0.02, **changes)


@pytest.fixture(scope="module")
def report(tiny, clip, tmp_path_factory):
    """A run on a Pi 5 of files."""
    plan = a_plan(tiny, clip=clip, models=("int8", "float32"), sizes=((64, 48), (96, 64)))
    return run_bench(Bench(plan, a_system(tmp_path_factory.mktemp("pi"))))


def test_the_promised_fields(report):
    assert {"machine", "model", "network", "stages", "pipeline", "memory", "valid"} <= set(report)
    assert report["network"]["p50_ms"] > 0
    pipeline = report["pipeline"]
    assert {"frames", "fps", "cpu_ms_per_frame", "wall_ms", "frames_with_face"} <= set(pipeline)
    assert {"p50", "p90", "p99"} <= set(pipeline["wall_ms"])
    assert report["memory"]["rss_mb"] > 20
    assert report["valid"] is True
    json.dumps(report, allow_nan=False)


def test_every_level_has_all_figures(report):
    levels = [report["network"], report["network_with_preprocessing"]]
    levels += [*report["detector"].values(), *report["stages"].values()]
    assert len(levels) == 2 + 2 + 3
    for level in levels:
        named = [level[f"{name}_ms"] for name in ("p50", "p90", "p95", "p99", "max")]
        assert named == sorted(named)
        assert level["n"] >= 1
        low, high = level["intervals_ms"]["p50"]
        assert low is None or low <= level["p50_ms"]
        assert high is None or high >= level["p50_ms"]


def test_levels_contain_one_another(report):
    assert report["network"]["p50_ms"] < report["network_with_preprocessing"]["p50_ms"]
    stages = report["stages"]
    assert stages["detect"]["p50_ms"] <= report["pipeline"]["wall_ms"]["p50"] * 1.5


def test_a_clip_is_processed_once_as_a_whole(report):
    assert report["pipeline"]["frames"] == 7
    assert report["pipeline"]["wall_ms"]["n"] == 7
    assert report["pipeline"]["frames_with_face"] == 0
    assert report["settings"]["source"].startswith("clip")


def test_models_stand_side_by_side(report):
    precisions = [model["precision"] for model in report["models"]]
    assert precisions == ["int8", "float32"]
    assert all(model["golden_match"] and model["xnnpack"] for model in report["models"])
    assert all(model["network"]["n"] >= 30 for model in report["models"])
    assert report["model"]["sha256"] == report["models"][0]["sha256"]


def test_memory_only_grows_from_step_to_step(report):
    memory = report["memory"]
    steps = [memory[name] for name in ("python_mb", "imported_mb", "loaded_mb", "rss_mb")]
    assert steps == sorted(steps)
    assert memory["peak_mb"] >= memory["rss_mb"]


def test_energy_where_the_board_can_tell(report):
    assert report["energy"]["mean_watts"] == pytest.approx(PI5_WATTS, rel=0.01)


def test_a_disturbed_run_says_so(report):
    assert set(report["waiting"]) == set(report["samples"])
    assert all(0 <= share < 1 for share in report["waiting"].values())
    disturbed = {**report, "waiting": {"network": 0.4}}
    assert "other programs had the processor for up to 40%" in format_report(disturbed)
    assert "up to 40%" in make_page(disturbed)
    assert "DISTURBED: " in format_report(disturbed)
    assert "valid" not in format_report(disturbed).partition("DISTURBED")[2]
    assert "<b>Disturbed</b>" in make_page(disturbed)
    quiet = {**report, "waiting": {"network": 0.01}, "valid": True, "invalid_because": []}
    assert format_report(quiet).rpartition("\n\n")[2].startswith("valid")


def test_samples_are_kept_for_comparisons(report):
    assert set(report["samples"]) == {
        "network", "network_with_preprocessing", "detector 64x48", "detector 96x64",
        "pipeline", "pipeline cpu",
    }  # fmt: skip
    assert len(report["samples"]["pipeline"]) == 7


class Told(io.StringIO):
    """A terminal that hands on what is written to it."""

    def __init__(self, hear):
        super().__init__()
        self._hear = hear

    def write(self, text):
        self._hear(text.removeprefix(ERASE_LINE))


def told(hear):
    return ProgressLine(Told(hear), shown=True)


def test_a_run_that_throttled_is_not_valid(tiny, clip, tmp_path):
    system = a_system(tmp_path)
    flags = tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled"
    flags.parent.mkdir(parents=True)
    flags.write_text("0\n")

    def heat(text):
        if text == "pipeline":
            flags.write_text("40004\n")

    found = run_bench(Bench(a_plan(tiny, clip=clip), system, progress=told(heat)))
    assert found["valid"] is False
    assert found["invalid_because"] == ["throttled during the run"]
    assert "NOT VALID: throttled during the run" in format_report(found)
    assert "Not valid" in make_page(found)


@pytest.mark.parametrize("moment", ["networks", "detector", "pipeline"])
def test_a_stop_keeps_what_was_measured(tiny, clip, moment):
    stop = threading.Event()

    def progress(text):
        if text == moment:
            stop.set()

    plan = a_plan(tiny, clip=clip, minutes=1.0, single_stream_seconds=60.0)
    found = run_bench(Bench(plan, System(), stop, told(progress)))
    assert found["valid"] is False
    assert found["interrupted"][0] == f"{moment} (partly)"
    assert found["interrupted"][-2:] == ["sustained", "single stream"]
    assert found["memory"]["rss_mb"] > 20
    assert (found["network"] is None) is (moment == "networks")
    assert found["pipeline"] is None
    for text in (format_report(found), make_page(found)):
        assert "interrupted" in text


def test_minutes_and_a_single_stream(tiny, clip):
    plan = a_plan(tiny, clip=clip, minutes=2.5 / 60, single_stream_seconds=0.1)
    found = run_bench(Bench(plan, System()))
    sustained = found["sustained"]
    assert len(sustained["points"]) >= 2
    assert sustained["frames"] == sustained["wall_ms"]["n"] > 7
    assert sustained["memory_slope_mb_per_hour"] is None, "too few points for a slope"
    assert sustained["energy"] is None
    single = found["single_stream"]
    assert single["queries"] >= 1024
    assert single["p90_ms"] <= single["p90_upper_99_ms"]
    assert any("600 s" in rule for rule in single["rules_not_followed"])
    assert any("1024 queries" in rule for rule in single["rules_followed"])
    assert "no MLPerf result" in format_report(found)
    assert "<h2>Sustained" in make_page(found)


def test_frames_come_at_the_pace_of_a_camera(tiny, clip):
    plan = a_plan(tiny, clip=clip, frames_per_second=40.0)
    found = run_bench(Bench(plan, System()))
    assert found["pipeline"]["fps"] <= 80, "and not as fast as they can be read"


class SearchBeside:
    """A pipeline that works on in a thread while the next frame is waited for."""

    contract = tiny_contract("int8")

    def __init__(self, seconds):
        self._seconds = seconds

    def process(self, frame):
        threading.Thread(target=self._search, daemon=True).start()
        return Observation(frame.index, frame.captured_at, ())

    def _search(self):
        end = time.thread_time() + self._seconds
        while time.thread_time() < end:
            pass


def test_at_a_pace_the_search_beside_the_frames_is_in_the_cpu_time(tiny):
    bench, tally = Bench(a_plan(tiny, frames_per_second=25.0)), FrameTally()
    before = time.process_time_ns()
    process_frames(bench, SearchBeside(0.01), [a_picture()] * 15, tally, first_index=0)
    spent = time.process_time_ns() - before
    assert sum(tally.cpu_ns) == pytest.approx(spent, rel=0.05)
    assert tally.to_json()["cpu_ms_per_frame"] > 5
    assert tally.to_json()["waiting_share"] >= 0


def test_minutes_keep_the_pace(tiny):
    bench = Bench(a_plan(tiny, frames_per_second=2.0, minutes=3 / 60))
    with VitalsWatch(bench.system) as watch:
        found = run_sustained(SearchBeside(0.01), [a_picture()], watch, bench, first_index=0)
    assert len(found["points"]) >= 3, "in several pieces"
    assert found["frames"] <= 2.0 * found["minutes"] * 60 + 2, "one at once, one that was late"
    assert found["cpu_ms_per_frame"] > 5


def test_a_camera_is_measured_live(tiny):
    with MjpegServer(frames_per_second=100) as server:
        found = run_bench(Bench(a_plan(tiny, clip=server.url), System()))
    assert found["pipeline"]["frames"] >= 1
    assert found["pipeline"]["dropped"] >= 0
    assert found["pipeline"]["frame_age_ms"]["p50_ms"] > 0
    assert found["settings"]["source"] == "http", "an address may hold a password"
    assert "frames dropped" in format_report(found)


def test_a_camera_that_stops_leaves_what_was_measured(tiny):
    with MjpegServer(frames_per_second=50) as server:

        def stall(text):
            if text.startswith("camera: "):
                server.behaviour = "stall"

        plan = a_plan(tiny, clip=server.url, minutes=1.0, single_stream_seconds=60.0)
        source = replace(plan.settings.source, read_timeout_seconds=0.5)
        plan = replace(plan, settings=replace(plan.settings, source=source))
        with pytest.raises(SourceLostError) as lost:
            run_bench(Bench(plan, System(), progress=told(stall)))
    found = lost.value.report
    assert lost.value.exit_code == 69
    assert found["network"]["p50_ms"] > 0
    assert found["pipeline"]["frames"] == len(found["samples"]["pipeline"]) >= 1
    assert found["interrupted"] == ["pipeline (partly)", "sustained", "single stream"]
    assert found["valid"] is False
    assert found["invalid_because"][-1] == lost.value.found
    for text in (format_report(found), make_page(found)):
        assert "interrupted: pipeline (partly)" in text


def test_accuracy_is_measured_where_there_are_pictures(tiny, clip, tmp_path):
    data = write_files(
        tmp_path, {f"{label}/0.png": encoded(a_picture(48, 48)) for label in ("sad", "happy")}
    )
    found = run_bench(Bench(a_plan(tiny, clip=clip, data=data), System()))
    assert found["accuracy"]["source"] == "measured"
    assert found["accuracy"]["n"] == 2


def test_accuracy_of_the_contract_is_marked_as_such():
    found = accuracy_of_contract(open_model("edge-small"))
    assert found is not None
    assert found["source"] == "contract"
    assert 0.5 < found["accuracy"] < 0.8
    assert found["n"] > 1000


def test_no_accuracy_is_made_up(report):
    assert report["accuracy"] is None
    assert "unknown" in format_report(report)


def test_a_model_that_is_not_there(tiny, clip):
    with pytest.raises(ModelError):
        run_bench(Bench(a_plan(tiny, clip=clip, models=("missing",)), System()))


@pytest.mark.parametrize("kind", EACH)
@pytest.mark.parametrize(("name", "faces"), list(zip(SCENES, (0, 1, 3), strict=True)))
def test_scenes_hold_as_many_faces_as_they_say(name, faces, kind):
    frames = make_scene(name)
    assert {frame.shape for frame in frames} == {(480, 640)}
    detector = make_detector(DetectorSettings(kind=kind))
    assert [len(detector.detect(frames[i])) for i in (0, len(frames) // 2)] == [faces, faces]


def test_a_long_clip_is_decoded_in_parts(clip):
    with PictureFolder(clip) as source:
        parts = list(chunks(source, timeout_seconds=1.0, max_bytes=3 * 64 * 48))
    assert [len(part) for part in parts] == [3, 3, 1]


def test_frames_are_numbered_through_and_captured_now(tiny):
    seen, free_since = [], [time.monotonic_ns()]
    pipeline = make_pipeline(a_plan(tiny).settings)

    class Spy:
        contract = pipeline.contract

        def process(self, frame):
            seen.append(frame)
            observation = pipeline.process(frame)
            free_since.append(time.monotonic_ns())
            return observation

    tally = FrameTally()
    process_frames(Bench(a_plan(tiny)), Spy(), [a_picture()] * 3, tally, first_index=5)
    assert [frame.index for frame in seen] == [5, 6, 7]
    ages = np.asarray(tally.stages["age"])
    assert (ages > 0).all()
    for frame, before in zip(seen, free_since, strict=False):
        assert frame.monotonic_ns >= before, "captured when the one before it was done"


def test_what_is_shown_has_colours_where_the_network_looks_at_them():
    grey = a_picture()
    assert captured_now(grey, 3).colour is None
    made = captured_now(grey, 3, colour=True)
    assert made.image.shape == (*grey.shape, 3)
    again = captured_now(made, 7)
    assert (again.index, again.colour) == (7, made.colour)
    assert again.monotonic_ns > made.monotonic_ns


def test_the_page_needs_nothing_beside_itself(report, tmp_path):
    write_report(report, tmp_path / "out")
    assert json.loads((tmp_path / "out/bench.json").read_text())["schema"] == 1
    page = (tmp_path / "out/bench.html").read_text()
    root = ET.fromstring(page)
    names = [element.tag for element in root.iter()]
    assert names.count("figure") == 3
    assert names.count("table") == 3
    assert names.count("dl") == 2
    assert not {"script", "link", "img"} & set(names)
    assert {link.get("href") for link in root.iter("a")} == {
        f"#{section.get('id')}" for section in root.iter("section")
    }
    assert not re.search(r"src=|url\(|@import", page)
    assert "Raspberry Pi 5 Model B" in page


def test_the_page_and_the_terminal_say_the_same(report):
    words = " ".join(" ".join(ET.fromstring(make_page(report)).itertext()).split())
    for line in format_report(report).splitlines():
        for cell in re.split(r"\s{2,}", line.strip()):
            said = re.sub(r"^(?:valid|DISTURBED: |NOT VALID: |note: )", "", cell)
            assert said in words


def test_names_are_escaped(report):
    evil = {**report, "machine": {**report["machine"], "board": "<script>alert(1)</script>"}}
    assert "<script>" not in make_page(evil)


def test_a_folder_that_cannot_be_written(report, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_report(report, tmp_path / "file")


def test_a_disk_that_is_full_leaves_the_report_of_before(report, tmp_path):
    write_report(report, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    later = {**report, "created_at": "later"}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before["bench.json"]) // 2, hard))
    try:
        with pytest.raises(OutputError, match=r"bench\.json cannot be written to"):
            write_report(later, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
