"""Some of the damaged and forged input, in every run of the tests; the benchmark has more."""

import json
import subprocess
import sys
from pathlib import Path

from command_line import clean_environment

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "hostile_input.py"
KINDS = ["models", "pictures", "recordings", "reports", "settings", "requests"]


def test_nothing_ends_as_a_defect(tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--json", "--cases", "6", "--keep", str(tmp_path / "kept")],
        capture_output=True, text=True, timeout=300, check=False, env=clean_environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [kind["kind"] for kind in found] == KINDS
    for kind in found:
        assert kind["failures"] == 0, kind
        assert sum(kind["ends"].values()) == kind["cases"] == 6
    assert not (tmp_path / "kept").exists()
