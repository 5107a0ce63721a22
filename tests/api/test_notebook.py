"""The notebook of the guide runs, from its first cell to its last, and says what it should."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs/guide/train-convert-read.ipynb"
# In a process of its own, because its kernel's sockets are nobody else's.
RUN = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
nbformat.validate(notebook)
NotebookClient(notebook, timeout=None, resources={"metadata": {"path": sys.argv[2]}}).execute()
nbformat.write(notebook, sys.argv[3])
"""


def test_it_is_kept_without_what_it_printed():
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert all(cell["outputs"] == [] for cell in cells if cell["cell_type"] == "code")
    assert all(len(line) <= 121 for cell in cells for line in cell["source"])


def test_its_links_lead_somewhere():
    text = NOTEBOOK.read_text("utf-8")
    links = re.findall(r"\]\(([^)#]+)", text)
    assert links
    assert all((NOTEBOOK.parent / link).exists() for link in links)


@pytest.mark.skipif(not all(map(find_spec, ("nbclient", "ipykernel"))), reason="no nbclient")
def test_it_runs(tmp_path):
    after = tmp_path / "after.ipynb"
    desk = tmp_path / "desk"
    desk.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(NOTEBOOK), str(desk), str(after)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "IPYTHONDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    printed = [
        "".join(output.get("text", output.get("data", {}).get("text/plain", "")))
        for cell in json.loads(after.read_text("utf-8"))["cells"]
        for output in cell.get("outputs", ())
        if output.get("name") != "stderr"
    ]
    said = "\n".join(printed)
    accuracy = re.search(r"^test: accuracy ([\d.]+)%", said, re.MULTILINE)
    assert accuracy is not None, said
    assert float(accuracy[1]) > 90
    assert "gate, int8: passed" in said
    assert "drawn happy, read happy" in said
    assert "drawn sad, read sad" in said
    assert (desk / "device" / "emotion.int8.tflite").exists()
