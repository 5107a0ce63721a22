"""Is B slower than A? Verdicts, and comparisons that are refused."""

import copy
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from fer_edge.commands.bench.compare.comparison import compare_reports, read_report
from fer_edge.commands.bench.measure.networks import network_alone
from fer_edge.commands.bench.measure.sampling import measure
from fer_edge.commands.bench.report.text import format_comparison
from fer_edge.models import open_model
from fer_edge.shared.errors import EXIT_REGRESSION, DataError, FerError, RegressionError

TOLERANCE = 0.05


def a_report(*, seed=0, factor=1.0, n=400, rss=80.0, **changes):
    rng = np.random.default_rng(seed)
    # Correlated, as measurements that follow one another are.
    wave = 1 + 0.02 * np.sin(np.arange(n) / 15 + seed)
    series = {
        name: (scale * factor * wave * rng.gamma(200, 1 / 200, n)).tolist()
        for name, scale in (("network", 0.1), ("pipeline", 5.0), ("pipeline cpu", 4.5))
    }
    return {
        "schema": 1,
        "machine": {"board": "Pi", "cpu": "A76", "kernel": "6.12", "libraries": {"numpy": "2"}},
        "model": {"name": "m", "sha256": "ab" * 32},
        "settings": {"source": "made scenes", "pipeline": {}},
        "memory": {"rss_mb": rss},
        "samples": series,
        "valid": True,
        "invalid_because": [],
        **changes,
    }


def compare(before, after, **options):
    return compare_reports(before, after, tolerance=TOLERANCE, **options)


def test_a_slower_run_is_a_regression():
    result = compare(a_report(), a_report(seed=1, factor=1.2))
    assert "pipeline ms, p50" in result.regressions
    assert "pipeline cpu ms, mean" in result.regressions
    slower = next(change for change in result.changes if change.name == "pipeline ms, p50")
    low, high = slower.interval
    assert low < 1.2 < high
    assert low > 1 + TOLERANCE
    with pytest.raises(RegressionError, match="worse than before") as caught:
        result.require()
    assert caught.value.exit_code == EXIT_REGRESSION
    assert "REGRESSION" in format_comparison(result)


def test_a_faster_run_is_an_improvement():
    result = compare(a_report(), a_report(seed=1, factor=0.8))
    assert result.regressions == []
    assert {change.verdict for change in result.changes} == {"improvement", "same"}
    result.require()


@pytest.mark.parametrize("seed", range(1, 11))
def test_two_runs_of_the_same_are_no_regression(seed):
    result = compare(a_report(), a_report(seed=seed))
    assert result.regressions == []
    result.require()


def test_what_other_programs_may_have_done_decides_nothing():
    disturbed = a_report(seed=1, factor=1.3, waiting={"pipeline": 0.3})
    result = compare(a_report(), disturbed)
    verdicts = {change.name: change.verdict for change in result.changes}
    assert verdicts["pipeline ms, p50"] == "unclear"
    assert verdicts["network ms, p50"] == "regression", "nobody disturbed that"
    assert any("B was disturbed" in note for note in result.notes)
    far = compare(a_report(), a_report(seed=1, factor=2.0, waiting={"pipeline": 0.3}))
    assert "pipeline ms, p50" in far.regressions


def test_few_noisy_samples_decide_nothing():
    noisy = np.random.default_rng(0).exponential(1.0, 24)
    one, other = a_report(), a_report()
    one["samples"], other["samples"] = {"network": noisy.tolist()}, {"network": noisy.tolist()}
    result = compare(one, other)
    assert {c.verdict for c in result.changes if c.interval} == {"unclear"}
    assert "measure longer" in result.verdict


def test_a_90th_percentile_of_few_samples_is_not_compared():
    few, many = a_report(n=99), a_report(n=100)
    names = {change.name for change in compare(few, many).changes}
    assert "network ms, p50" in names
    assert "network ms, p90" not in names
    assert "network ms, p90" in {change.name for change in compare(many, many).changes}


def test_a_slow_tail_alone_is_found():
    after = a_report(seed=1)
    values = after["samples"]["pipeline"]
    after["samples"]["pipeline"] = [v * (2 if i % 6 == 0 else 1) for i, v in enumerate(values)]
    assert compare(a_report(), after).regressions == ["pipeline ms, p90"]


def test_memory_counts_beyond_some_slack():
    assert compare(a_report(), a_report(rss=95.0)).regressions == ["memory MiB"]
    assert compare(a_report(rss=20.0), a_report(rss=23.0)).regressions == []


def test_measured_accuracy_counts():
    def with_accuracy(value, source="measured"):
        found = {"source": source, "accuracy": value, "n": 100, "data": "x"}
        return a_report(accuracy=found)

    assert compare(with_accuracy(0.66), with_accuracy(0.64)).regressions == ["accuracy"]
    assert compare(with_accuracy(0.64), with_accuracy(0.66)).regressions == []
    assert compare(with_accuracy(0.66, "contract"), with_accuracy(0.6)).regressions == []


@pytest.mark.parametrize(
    ("part", "change", "found"),
    [
        ("machine", {"board": "Other"}, "board is 'Pi' and 'Other'"),
        ("machine", {"governor": "powersave"}, "governor"),
        ("model", {"sha256": "cd" * 32}, "the model is abab"),
        ("settings", {"source": "clip.mp4"}, "source is 'made scenes' and 'clip.mp4'"),
    ],
)
def test_unlike_runs_are_refused_unless_forced(part, change, found):
    after = copy.deepcopy(a_report(seed=1))
    after[part].update(change)
    with pytest.raises(FerError, match=r"should not be compared.*--force") as caught:
        compare(a_report(), after)
    assert found in str(caught.value)
    forced = compare(a_report(), after, force=True)
    assert any(note.startswith("forced, though") for note in forced.notes)


def test_a_run_that_is_not_valid_is_refused():
    bad = a_report(valid=False, invalid_because=["throttled during the run"])
    with pytest.raises(FerError, match=r"B is not valid .throttled during the run."):
        compare(a_report(), bad)


def test_other_libraries_are_a_note():
    after = a_report(seed=1)
    after["machine"]["kernel"] = "6.13"
    assert compare(a_report(), after).notes == ("kernel differs: 6.12 and 6.13",)


def test_nothing_in_common():
    with pytest.raises(FerError, match="no figure in common"):
        compare(a_report(memory=None), a_report(samples={}, memory=None))


def test_the_verdict_is_the_same_each_time():
    one, other = a_report(), a_report(seed=3, factor=1.04)
    assert compare(one, other).to_json() == compare(one, other).to_json()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1}', "\x00", "nonsense"])
def test_files_that_are_no_report(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match="no benchmark report"):
        read_report(tmp_path / "a.json")


@pytest.mark.parametrize(
    "change",
    [
        {"machine": []},
        {"settings": 1.5},
        {"memory": {"rss_mb": "80"}},
        {"memory": {"rss_mb": 0}},
        {"accuracy": {"accuracy": 1e-320}},
        {"samples": {"network": 1.0}},
        {"samples": {"network": [1.0, "1.0"]}},
        {"samples": {"network": [1.0, -1.0]}},
        {"samples": {"network": [1.0, 0]}},
        {"samples": {"network": [1.0, 1e308]}},
        {"waiting": {"network": [0.1]}},
        {"valid": "yes"},
        {"invalid_because": None},
        {"accuracy": {"source": "measured", "accuracy": "0.7"}},
    ],
)
def test_a_report_that_was_tampered_with(tmp_path, change):
    (tmp_path / "a.json").write_text(json.dumps(a_report(**change)))
    with pytest.raises(DataError, match=f"{next(iter(change))!r} is not as it is written"):
        read_report(tmp_path / "a.json")


def test_reports_of_another_schema(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(a_report(schema=2)))
    with pytest.raises(DataError, match="schema 2"):
        read_report(tmp_path / "a.json")


LITERT_BENCHMARK = Path(sys.executable).with_name("litert-benchmark")
AGREEMENT = 1.5
"""How far our median may lie from the runtime's own tool's, either way. Its tool answers in whole
hundredths of a millisecond, and runs the same kernels through another interface."""


@pytest.mark.skipif(not LITERT_BENCHMARK.exists(), reason="litert-benchmark is not installed")
def test_the_network_alone_agrees_with_the_runtimes_own_benchmark(tmp_path):
    model = open_model("edge-small")
    path = shutil.copy(model.path, tmp_path / "model.tflite")
    invoke = network_alone(model, threads=1)
    ours, theirs = [], []
    for turn in range(5):  # in turns: other programs may slow one of them for a while
        ours.append(our_median(invoke))
        theirs.append(their_median(path, tmp_path / f"{turn}.json"))
        if 1 / AGREEMENT <= min(ours) / min(theirs) <= AGREEMENT:
            return
    pytest.fail(f"ours {ours}, theirs {theirs}")


def our_median(invoke):
    samples = measure({"network": invoke}, 0.5, stop=threading.Event())["network"]
    return samples.to_json()["p50_ms"]


def their_median(path, result):
    command = [LITERT_BENCHMARK, "--model", path, "--num_runs", "2000", "--warmup_runs", "200",
               "--num_threads", "1", "--result_json", result]  # fmt: skip
    subprocess.run(command, capture_output=True, timeout=300, check=True)
    return json.loads(result.read_text())["latency"]["median_ms"]
