"""Some of the damaged and forged input, in every run of the tests; the benchmark has more."""

import json
import subprocess
import sys
from pathlib import Path

from command_line import clean_environment

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "hostile_input.py"
CASES = 5
KINDS = [
    "camera", "settings", "status socket", "listener", "MQTT commands", "models", "pictures",
    "page", "photos", "wishes", "spool", "slots", "archives", "recordings", "reports",
]  # fmt: skip


def test_nothing_ends_as_a_defect(tmp_path):
    options = ("--json", "--cases", str(CASES), "--keep", str(tmp_path / "kept"))
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *options],
        capture_output=True, text=True, timeout=300, check=False, env=clean_environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [kind["kind"] for kind in found] == KINDS
    for kind in found:
        assert kind["failures"] == 0, kind
        assert sum(kind["ends"].values()) == kind["cases"] == CASES
    assert not (tmp_path / "kept").exists()
