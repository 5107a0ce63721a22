"""States of a daemon for tests."""

import dataclasses
from typing import Any

from fer_edge.state.records import CameraHealth, DaemonState, SinkState


def a_camera(**changes: Any) -> CameraHealth:
    well = CameraHealth("delivering", "good", 29.5, 34.0, 0.02, 3, 2)
    return dataclasses.replace(well, **changes)


def a_state(**changes: Any) -> DaemonState:
    """Return the state of a daemon that does well, on a machine that tells everything."""
    state = DaemonState(
        phase="running",
        version="0.1.0",
        pid=4242,
        started_at=1_700_000_000.0,
        uptime_seconds=93_784.0,
        source="rtsp://***@cam/live",
        model="edge-small",
        model_sha256="ab" * 32,
        camera=a_camera(),
        frames=1200,
        dropped=7,
        frames_per_second=29.5,
        faces=1,
        stages_ms={
            "detect": {"p50": 0.5, "p99": 4.0},
            "classify": {"p50": 0.25, "p99": 0.5},
            "age": {"p50": 36.0, "p99": 52.0},
        },
        temperature_c=52.1,
        throttled=False,
        rss_mb=141.0,
        sinks=(
            SinkState("jsonl", 1200),
            SinkState(
                "mqtt",
                1190,
                2,
                "",
                {
                    "connected": True,
                    "protocol": "5",
                    "waiting": 12,
                    "delivered": 80,
                    "refused": 0,
                    "problem": "",
                },
            ),
        ),
    )
    return dataclasses.replace(state, **changes)
