import numpy as np
import pytest

from fer_convert.file.onnx_file import INPUT, OUTPUT, OnnxFile
from fer_convert.judgement.onnx_runtime import OnnxNetwork

onnx = pytest.importorskip("onnx")


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_pictures_and_colours_are_answered(channels: int) -> None:
    shape = ["N", 8, 8, channels]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("ReduceMean", [INPUT], [OUTPUT], axes=[1, 2], keepdims=0)],
        "means",
        [onnx.helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, shape)],
        [onnx.helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, ["N", channels])],
    )
    opset = [onnx.helper.make_opsetid("", 13)]
    data = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    pictures = np.random.default_rng(0).integers(0, 256, (70, 8, 8, channels), np.uint8)
    network = OnnxNetwork(OnnxFile(data, None, {}))
    means = network.raw_outputs(pictures[..., 0] if channels == 1 else pictures)
    np.testing.assert_allclose(means, pictures.mean(axis=(1, 2)), rtol=1e-5)
