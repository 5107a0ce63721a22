"""A long run under the rules of MLPerf inference's single-stream scenario, as far as they go here.

Source: MLPerf Inference Rules (mlcommons/inference_policies), scenarios; and the configuration
of LoadGen (mlcommons/inference, mlperf.conf): at least 1,024 queries, at least 600 seconds.
"""

import time
from typing import Any, Final

import numpy as np

from fer_edge.assemble.parts import make_classifier
from fer_edge.commands.bench.intervals import figures, percentile_interval
from fer_edge.commands.bench.measure.plan import Bench
from fer_edge.commands.bench.measure.sampling import Samples, thin_out
from fer_edge.models import open_model
from fer_edge.shared.model.selftest import read_golden

MIN_SECONDS: Final = 600.0
MIN_QUERIES: Final = 1024
_PERCENT: Final = 90
_CONFIDENCE: Final = 0.99
_FOLLOWED: Final = (
    "single stream: one query at a time, the next one when the last is answered",
    "one sample a query, drawn at random from samples in memory, seed fixed beforehand",
    "the 90th percentile is reported; nothing is discarded after the warm-up",
    "monotonic clock; the whole of the query is timed, from pixels to probabilities",
)
_NOT_FOLLOWED: Final = (
    "LoadGen itself is not used; its early-stopping estimate is replaced by the upper end of a "
    "99 % order-statistic bound",
    "neither model nor data set is one of MLPerf's; the samples are the model's golden vectors",
    "no accuracy run in the same configuration, no compliance tests, no review: this is not an "
    "MLPerf result and must not be called one",
)


def run_long(bench: Bench) -> dict[str, Any] | None:
    """Ask the first model's classifier one question after the other.

    It takes longer than planned where 1,024 queries do; a stop keeps what was measured.

    Returns:
        Figures, and which rules were followed; None where there was no time for one query.

    Raises:
        ModelError: It cannot be loaded, or has no golden vectors.
    """
    settings, min_seconds = bench.plan.models[0], bench.plan.single_stream_seconds
    classifier = make_classifier(settings)
    pictures = read_golden(open_model(settings.path)).inputs
    order = np.random.default_rng(20_240_131).integers(0, len(pictures), 4096).tolist()
    for index in order[:64]:
        classifier.predict(pictures[index])
    samples = Samples(warmup_runs=64)
    started = time.monotonic()
    while not bench.stop.is_set():
        picture = pictures[order[len(samples.nanoseconds) % len(order)]]
        start = time.monotonic_ns()
        classifier.predict(picture)
        now = time.monotonic_ns()
        samples.add(now - start)
        elapsed = now / 1e9 - started
        if elapsed >= min_seconds and len(samples.nanoseconds) >= MIN_QUERIES:
            break
        bench.progress.count("single stream, s", int(elapsed), int(min_seconds))
    if not samples.nanoseconds:
        return None
    return _report(samples, time.monotonic() - started)


def _report(samples: Samples, seconds: float) -> dict[str, Any]:
    ordered = np.sort(samples.milliseconds)
    bound = percentile_interval(ordered, _PERCENT, confidence=2 * _CONFIDENCE - 1)[1]
    enough = {
        f"at least {MIN_QUERIES} queries": len(ordered) >= MIN_QUERIES,
        f"at least {MIN_SECONDS:.0f} s": seconds >= MIN_SECONDS,
    }
    return {
        "scenario": "SingleStream",
        "queries": len(ordered),
        "seconds": round(seconds, 2),
        "p90_ms": round(float(np.percentile(ordered, _PERCENT)), 5),
        "p90_upper_99_ms": None if bound is None else round(bound, 5),
        "latency": figures(ordered),
        "rules_followed": [*_FOLLOWED, *(rule for rule, met in enough.items() if met)],
        "rules_not_followed": [*_NOT_FOLLOWED, *(rule for rule, met in enough.items() if not met)],
        "kept_ms": thin_out(samples.milliseconds),
    }
