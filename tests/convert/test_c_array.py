"""The C++ source: compiled with the system's compiler, and run in TensorFlow Lite Micro."""

import dataclasses
import re
import shutil
import subprocess

import numpy as np
import pytest

from fer_convert.file.flatbuffer import Graph, Operator
from fer_convert.microcontroller.c_array import (
    FILE_NAMES,
    HEADER_NAME,
    SOURCE_NAME,
    estimate_arena,
    source_files,
)
from fer_convert.targets import Target
from fer_edge.shared.errors import ModelError
from fer_edge.shared.model.selftest import read_golden

PROGRAM = """\
#include <cstdio>
#include "emotion_model.h"
int main(int count, char**) {
  using namespace emotion_model;
  if (count == 1) return std::fwrite(kModel, 1, kModelLength, stdout) == kModelLength ? 0 : 1;
  std::printf("%d\\n", static_cast<int>(reinterpret_cast<std::uintptr_t>(kModel) % 16));
  for (int i = 0; i < kLabelCount; ++i) std::printf("%s ", kLabels[i]);
  std::printf("\\n%d %d %d\\n", kInputHeight, kInputWidth, kInputChannels);
  std::printf("%.9g %d\\n", static_cast<double>(kInputScale), kInputZeroPoint);
  std::printf("%.9g %d %d\\n", static_cast<double>(kOutputScale), kOutputZeroPoint, kOutputLength);
  std::printf("%.9g %.9g\\n", static_cast<double>(kTemperature), static_cast<double>(kThreshold));
  std::printf("%s\\n", kModelSha256);
}
"""


@pytest.fixture
def int8(converted):
    """The finished int8 model and its graph."""
    artefact = next(a for a in converted.artefacts if a.target is Target.INT8)
    return artefact.model, converted.graphs[Target.INT8], converted.network.kinds


@pytest.mark.parametrize("standard", ["c++11", "c++17"])
def test_compiles_without_a_warning_and_holds_the_very_bytes(int8, tmp_path, standard):
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler: apt-get install g++")
    model, graph, kinds = int8
    contract = dataclasses.replace(
        model.contract, output=dataclasses.replace(model.contract.output, temperature=1.37)
    )
    model = dataclasses.replace(model, contract=contract)
    for name, data in source_files(model, graph, kinds).items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "main.cc").write_text(PROGRAM)
    flags = [f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    command = [compiler, *flags, SOURCE_NAME, "main.cc", "-o", "program"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    program = str(tmp_path / "program")
    assert subprocess.run([program], capture_output=True, check=True).stdout == model.flatbuffer
    told = subprocess.run([program, "told"], capture_output=True, text=True, check=True)
    alignment, labels, size, given, answer, tuning, sha = told.stdout.splitlines()
    assert alignment == "0"
    assert tuple(labels.split()) == contract.labels
    assert size == f"{contract.input.height} {contract.input.width} 1"
    assert given == "1 -128"
    scale, zero_point, length = answer.split()
    assert np.float32(scale) == np.float32(contract.output.scale)
    assert (int(zero_point), int(length)) == (contract.output.zero_point, len(contract.labels))
    assert tuning.split() == ["1.37000000", "0.5"] or float(tuning.split()[0]) == pytest.approx(
        1.37
    )
    assert sha == contract.flatbuffer_sha256


def test_names_the_registrations_that_the_network_needs(int8):
    header = source_files(*int8)[HEADER_NAME].decode()
    assert re.findall(r"resolver\.(\w+)\(\);", header) == [
        "AddConv2D", "AddFullyConnected", "AddMean", "AddSoftmax",
    ]  # fmt: skip
    assert "MicroMutableOpResolver<4> resolver;" in header


def test_an_operator_that_micro_lacks_is_named_with_its_layer(int8):
    model, graph, kinds = int8
    first = graph.operators[0]
    odd = Operator("GELU", first.inputs, first.outputs)
    broken = Graph(graph.tensors, (odd, *graph.operators[1:]), graph.inputs, graph.outputs)
    with pytest.raises(ModelError) as raised:
        source_files(model, broken, kinds)
    assert "operator GELU" in str(raised.value)
    assert "(from layer '" in str(raised.value)
    assert raised.value.exit_code == 78


def test_runs_in_micro_within_the_estimated_arena(int8):
    runtime = pytest.importorskip(
        "tflite_micro.python.tflite_micro.runtime",
        reason="tflite-micro is not installed: pip install tflite-micro",
    )
    model, graph, _ = int8
    golden = read_golden(model)
    interpreter = runtime.Interpreter.from_bytes(model.flatbuffer, arena_size=estimate_arena(graph))
    for pixels, expected in zip(golden.inputs, golden.outputs, strict=True):
        interpreter.set_input((pixels ^ 0x80).view(np.int8)[None, :, :, None], 0)
        interpreter.invoke()
        answer = interpreter.get_output(0)[0].astype(int)
        # Its portable kernels round elsewhere than XNNPACK's.
        assert abs(answer - expected.astype(int)).max() <= 8
    planned = estimate_arena(graph)
    with pytest.raises(RuntimeError):
        runtime.Interpreter.from_bytes(model.flatbuffer, arena_size=planned // 2)


def test_there_are_two_files(int8):
    assert tuple(source_files(*int8)) == FILE_NAMES
