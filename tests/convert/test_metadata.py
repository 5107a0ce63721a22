"""What standard tools find in a model file."""

import io
import json
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from tiny_model import tiny_contract, tiny_flatbuffer

from fer_convert.file.flatbuffer import read_graphs
from fer_convert.file.metadata import METADATA_NAME, add_metadata
from fer_edge.shared.model.model_file import LABELS_NAME

TENSORFLOW = """
import sys, numpy as np, tensorflow as tf
interpreter = tf.lite.Interpreter(model_path=sys.argv[1])
interpreter.allocate_tensors()
given, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
interpreter.set_tensor(given["index"], np.zeros(given["shape"], given["dtype"]))
interpreter.invoke()
print(interpreter.get_tensor(answer["index"]).tolist())
"""


def entries(flatbuffer):
    model = schema.ModelT.InitFromPackedBuf(flatbuffer)
    return {e.name: bytes(model.buffers[e.buffer].data) for e in model.metadata or []}


def test_the_entry_names_the_labels_and_nothing_else_changes():
    contract = tiny_contract()
    plain = tiny_flatbuffer(contract)
    described = add_metadata(plain, contract)
    entry = entries(described)[METADATA_NAME]
    assert entry[4:8] == b"M001"
    assert LABELS_NAME.encode() in entry
    assert contract.name.encode() in entry
    assert read_graphs(described) == read_graphs(plain)


def test_it_is_entered_once_and_always_the_same():
    contract = tiny_contract()
    once = add_metadata(tiny_flatbuffer(contract), contract)
    twice = add_metadata(once, contract)
    again = schema.ModelT.InitFromPackedBuf(twice)
    assert [e.name for e in again.metadata].count(METADATA_NAME) == 1
    assert add_metadata(tiny_flatbuffer(contract), contract) == once


def test_weights_stay_aligned(converted):
    for artefact in converted.artefacts:
        data = artefact.model.flatbuffer
        for buffer in schema.ModelT.InitFromPackedBuf(data).buffers:
            if buffer.data is not None and len(buffer.data) >= 16:
                assert data.index(bytes(buffer.data)) % 16 == 0


def test_standard_tools_read_the_file(converted, tmp_path):
    for artefact in converted.artefacts:
        path = tmp_path / artefact.file_name
        path.write_bytes(artefact.data)
        names = zipfile.ZipFile(io.BytesIO(artefact.data)).namelist()
        assert names[:2] == ["contract.json", "labels.txt"]
        interpreter = Interpreter(model_path=str(path))
        interpreter.allocate_tensors()
        given, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        interpreter.set_tensor(given["index"], np.zeros(given["shape"], given["dtype"]))
        interpreter.invoke()
        mine = interpreter.get_tensor(answer["index"]).astype(np.float64)
        done = subprocess.run(
            [sys.executable, "-c", TENSORFLOW, str(path)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        theirs = np.array(json.loads(done.stdout.splitlines()[-1]), np.float64)
        tolerance = 0 if artefact.target.is_integer else 1e-4
        assert np.abs(mine - theirs).max() <= tolerance


@pytest.mark.skipif(shutil.which("unzip") is None, reason="needs unzip (apt install unzip)")
def test_unzip_lists_what_is_inside(converted, tmp_path):
    path = tmp_path / "emotion.int8.tflite"
    path.write_bytes(converted.artefacts[0].data)
    done = subprocess.run(["unzip", "-l", str(path)], capture_output=True, text=True, check=True)
    for name in ("contract.json", "labels.txt", "golden/inputs.npy", "golden/outputs.npy"):
        assert name in done.stdout
