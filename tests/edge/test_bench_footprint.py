"""The process whose memory bench measures."""

from fer_edge.commands.bench.measure.footprint import measure_footprint
from fer_edge.settings import Settings


def test_it_runs_no_program_of_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('this is not the json of Python')")
    monkeypatch.chdir(tmp_path)
    found = measure_footprint(Settings())
    assert 0 < found["python_mb"] < found["imported_mb"] < found["rss_mb"]
