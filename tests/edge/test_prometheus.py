"""What Prometheus gets to read."""

import re
import threading
from pathlib import Path

import pytest
from builders import a_prediction, a_reading, an_observation
from prometheus_client.parser import text_string_to_metric_families
from states import a_camera, a_state

from fer_edge.settings import WebSettings
from fer_edge.sinks.web.prometheus import BUCKETS, GROWING, PrometheusMetrics
from fer_edge.sinks.web.sink import WebSink
from fer_edge.state.health import Pulse
from fer_edge.state.records import SinkState

TIMINGS = {"detect": 0.3, "classify": 0.05, "age": 40.0}


class Scraped:
    """An exposition, parsed."""

    def __init__(self, text):
        self.families = {f.name: f for f in text_string_to_metric_families(text.decode())}
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def __getitem__(self, name):
        return self.value(name)

    def value(self, name, **labels):
        return self.samples[f"fer_edge_{name}", frozenset(labels.items())]

    def labels(self, name, label):
        """Return every value of a label."""
        family = self.families[f"fer_edge_{name}"]
        return {sample.labels[label] for sample in family.samples}


def scrape(*observations, state=None):
    pulse = Pulse()
    metrics = PrometheusMetrics(pulse)
    for observation in observations:
        metrics.add(observation)
    if state is not None:
        pulse.beat(state)
    return Scraped(metrics.text())


def seen(stable="happy", **changes):
    return an_observation(readings=(a_reading(stable=stable),), timings=TIMINGS, **changes)


def test_each_face_is_counted_by_its_steady_label():
    found = scrape(seen(), seen(), seen("uncertain"), an_observation(readings=(), timings=TIMINGS))
    assert found["faces_total"] == 3
    assert found.value("expressions_total", expression="happy") == 2
    assert found.value("expressions_total", expression="uncertain") == 1


def test_a_face_without_a_steady_label_counts_by_the_networks():
    certain = a_prediction()
    found = scrape(an_observation(readings=(a_reading(prediction=certain),)))
    assert found.value("expressions_total", expression=certain.label) == 1


@pytest.mark.parametrize(("milliseconds", "bucket"), [(0.05, 0.0001), (0.1, 0.0001), (0.3, 0.0005)])
def test_a_stage_falls_into_its_bucket(milliseconds, bucket):
    found = scrape(seen(), an_observation(timings={"detect": milliseconds}))
    counts = [found.value("stage_seconds_bucket", stage="detect", le=str(b)) for b in BUCKETS]
    alone = [count - (bound >= 0.0005) for bound, count in zip(BUCKETS, counts, strict=True)]
    assert alone == [float(bound >= bucket) for bound in BUCKETS]


def test_the_age_of_frames_is_a_histogram_of_its_own_in_seconds():
    found = scrape(seen(), seen())
    assert found["frame_age_seconds_count"] == 2
    assert found["frame_age_seconds_sum"] == pytest.approx(0.08)
    assert found.labels("stage_seconds", "stage") == {"detect", "classify"}


def test_buckets_span_a_tenth_of_a_millisecond_to_ten_seconds():
    assert (BUCKETS[0], BUCKETS[-1]) == (0.0001, 10.0)
    assert list(BUCKETS) == sorted(BUCKETS)


def test_the_state_in_numbers():
    found = scrape(state=a_state())
    assert found["frames_total"] == 1200
    assert found["frames_dropped_total"] == 7
    assert found["frames_per_second"] == 29.5
    assert found["camera_up"] == 1
    assert found["camera_failures_total"] == 3
    assert found["camera_reopenings_total"] == 2
    assert found["camera_frame_age_seconds"] == 0.034
    assert found["temperature_celsius"] == 52.1
    assert found["throttled"] == 0
    assert found.value("build_info", version="0.1.0") == 1
    assert found.value("model_info", model="edge-small", sha256="ab" * 32) == 1
    assert found.value("baseline_info", mode="none") == 1
    assert found.value("outlet_emitted_total", outlet="jsonl") == 1200
    assert found.value("outlet_failures_total", outlet="mqtt") == 2


@pytest.mark.parametrize(("metric", "chosen"), [("phase", "running"), ("grade", "good")])
def test_one_of_several_is_hot(metric, chosen):
    name = {"phase": "phase", "grade": "camera_grade"}[metric]
    found = scrape(state=a_state())
    hot = {c: found.value(name, **{metric: c}) for c in found.labels(name, metric)}
    assert {c for c, value in hot.items() if value} == {chosen}
    assert len(hot) == 5


def test_a_camera_that_waits_is_not_up():
    assert scrape(state=a_state(camera=a_camera(phase="waiting")))["camera_up"] == 0


def test_a_sinks_own_figures():
    figures = {"connected": True, "waiting": 12, "delivered": 80, "protocol": "5", "odd name": 1.5}
    found = scrape(state=a_state(sinks=(SinkState("mqtt", 5, 0, "refused", figures),)))
    assert found["mqtt_connected"] == 1
    assert found["mqtt_waiting"] == 12
    assert found["mqtt_delivered_total"] == 80
    assert found["mqtt_odd_name"] == 1.5
    assert "fer_edge_mqtt_protocol" not in found.families
    assert found.value("outlet_up", outlet="mqtt") == 0


def test_a_sinks_name_is_not_said_twice():
    figures = {"events": 3, "events_appeared": 2, "problem": ""}
    found = scrape(state=a_state(sinks=(SinkState("events", 5, 0, "", figures),)))
    assert found["events_total"] == 3
    assert found["events_appeared_total"] == 2
    assert found.value("outlet_up", outlet="events") == 1


def test_what_the_machine_does_not_tell_is_left_out():
    found = scrape(state=a_state(temperature_c=None, throttled=None))
    assert not {"fer_edge_temperature_celsius", "fer_edge_throttled"} & set(found.families)


def test_before_the_first_state_there_is_its_age():
    found = scrape()
    assert 0 <= found["state_age_seconds"] < 5
    assert "fer_edge_frames" not in found.families


def test_the_process_tells_memory_and_descriptors():
    found = scrape(state=a_state())
    assert found.samples["process_resident_memory_bytes", frozenset()] > 1e6
    assert found.samples["process_open_fds", frozenset()] > 0


def test_no_series_but_what_is_asked_for():
    assert not [name for name in scrape(seen()).families if name.endswith("_created")]


def test_labels_do_not_grow_with_frames_and_faces():
    observations = [seen(frame_index=n, name=f"{n}.png") for n in range(50)]
    few, many = scrape(*observations[:1], state=a_state()), scrape(*observations, state=a_state())
    assert set(few.samples) == set(many.samples)


def test_nothing_waits_without_bound_where_nobody_asks():
    metrics = PrometheusMetrics(Pulse())
    for _ in range(2500):
        metrics.add(seen())
    assert len(metrics._waiting) <= 1001
    assert Scraped(metrics.text())["faces_total"] == 2500


def test_asked_too_often_the_same_is_said():
    metrics = PrometheusMetrics(Pulse())
    first = metrics.text()
    metrics.add(seen())
    assert metrics.text() is first


def test_two_threads_lose_no_observation():
    metrics = PrometheusMetrics(Pulse())
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            metrics.count()

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(3000):
        metrics.add(seen())
    stop.set()
    for thread in threads:
        thread.join()
    assert Scraped(metrics.text())["faces_total"] == 3000


def test_faces_are_not_told_of_where_that_is_not_wanted():
    pulse = Pulse()
    metrics = PrometheusMetrics(pulse, faces=False)
    metrics.add(seen())
    pulse.beat(a_state())
    text = metrics.text().decode()
    assert "happy" not in text
    assert "fer_edge_faces" not in text
    assert "fer_edge_expressions" not in text
    assert "fer_edge_frames_total 1200.0" in text


PAGE = (Path(__file__).parents[2] / "docs/reference/metrics.md").read_text()
RULES = (Path(__file__).parents[2] / "deploy/prometheus/fer-edge.rules.yml").read_text()


def rows(found):
    """Return the rows of the page's table."""
    for family in found.families.values():
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        name = family.name + ("_total" if family.type == "counter" else "")
        shown = ", ".join(f"`{label}`" for label in labels)
        yield f"| `{name}` | {family.type} | {shown} | {family.documentation} |"


def test_the_page_lists_every_metric_and_no_other():
    with WebSink(WebSettings(port=0)) as web:
        sinks = (SinkState("jsonl"), SinkState("web", figures=web.figures()))
    unreadable = an_observation(readings=(a_reading(why="covered"),), timings=TIMINGS)
    expected = list(rows(scrape(seen(), unreadable, state=a_state(sinks=sinks))))
    written = re.findall(r"^\| `(?:fer_edge|process)_.*\|$", PAGE, re.MULTILINE)
    assert sorted(written) == sorted(expected)


def test_alerts_look_at_metrics_that_there_are():
    named = set(re.findall(r"\bfer_edge_\w+", RULES))
    listed = set(re.findall(r"`(fer_edge_\w+)`", PAGE))
    figures = {"waiting", *(f"{figure}_total" for figure in GROWING)}
    assert named <= listed | {f"fer_edge_mqtt_{figure}" for figure in figures}
    assert len(named) >= 8
