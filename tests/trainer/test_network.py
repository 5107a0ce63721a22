"""From the language of networks to Keras."""

import re

import numpy as np
import pytest

from fer_edge.shared.errors import SettingsError
from fer_trainer.backend import keras
from fer_trainer.network.builder import build_network
from fer_trainer.network.cost import network_cost
from fer_trainer.network.counting import count_network
from fer_trainer.network.language import Layer, parse_layer, parse_layers
from fer_trainer.recipe.files import load_recipe


def built(*lines: str, labels: int = 7):
    return build_network(
        parse_layers(["rescale 0..1", *lines]), input_shape=(48, 48, 1), labels=labels, name="net"
    )


@pytest.mark.parametrize("name", ["zwei Köpfe", "my smile", "+1", "笑顔", "a/b", "_x"])
def test_a_recipe_may_have_any_name(name) -> None:
    lines = parse_layers(["rescale 0..1", "gap", "softmax"])
    network = build_network(lines, input_shape=(48, 48, 1), labels=2, name=name)
    assert re.fullmatch(r"[A-Za-z0-9.][A-Za-z0-9_./>-]*", network.name)  # as TensorFlow asks for


def test_a_full_line_is_read() -> None:
    assert parse_layer("conv 64 5x3 /2 relu valid nobias l2=0.001", 1) == Layer(
        text="conv 64 5x3 /2 relu valid nobias l2=0.001",
        kind="conv",
        size=64,
        kernel=(5, 3),
        stride=2,
        activation="relu",
        same=False,
        bias=False,
        l2=0.001,
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("covn 64", ["unknown layer 'covn'", "did you mean 'conv'"]),
        ("", ["unknown layer ''"]),
        ("conv", ["lacks its size"]),
        ("conv many", ["does not take 'many'"]),
        ("conv 64 32", ["does not take '32'"]),
        ("conv 0", ["out of range"]),
        ("conv 8 /0", ["out of range"]),
        ("conv 8 0x3", ["out of range"]),
        ("dense 64 3x3", ["does not take '3x3'"]),
        ("dropout 1.5", ["does not take '1.5'"]),
        ("dropout", ["lacks its rate"]),
        ("softmax 7", ["does not take '7'", "nothing else"]),
        ("rescale", ["lacks its range"]),
        ("depthwise 32", ["does not take '32'"]),
        ("separable /2", ["lacks its size"]),
        ("separable 32 relu", ["does not take 'relu'"]),
        ("excite", ["lacks its size"]),
        ("excite 0", ["out of range"]),
        ("shortcut 3", ["does not take '3'"]),
    ],
)
def test_a_wrong_line_says_what_is_wrong(line: str, words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_layer(line, 3)
    for word in [f"layer 3 {line!r}", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "lines",
    [
        ["gap", "softmax"],
        ["rescale 0..1", "gap"],
        ["rescale 0..1", "gap", "softmax", "dropout 0.1"],
        ["rescale 0..1", "gap", "softmax", "softmax"],
    ],
)
def test_a_network_begins_with_rescale_and_ends_with_its_output(lines: list[str]) -> None:
    with pytest.raises(SettingsError, match=r"rescale|softmax"):
        parse_layers(lines)


@pytest.mark.parametrize(
    ("lines", "position"),
    [
        (["gap", "conv 8", "softmax"], 3),
        (["conv 8", "dense 8", "gap", "softmax"], 3),
        (["maxpool 32x32", "maxpool", "flatten", "softmax"], 3),
        (["conv 8 49x49 valid", "gap", "softmax"], 2),
        (["depthwise 49x1 valid", "gap", "softmax"], 2),
        (["gap", "excite 4", "softmax"], 3),
        (["shortcut", "conv 8 5x5 valid", "add", "gap", "softmax"], 4),
        (["shortcut", "gap", "add", "softmax"], 4),
        (["shortcut", "add", "gap", "softmax"], 3),
        (["shortcut", "conv 8", "gap", "softmax"], 2),
        (["conv 8", "add", "gap", "softmax"], 3),
    ],
)
def test_a_layer_that_does_not_fit_is_named(lines: list[str], position: int) -> None:
    with pytest.raises(SettingsError, match=f"layer {position} "):
        built(*lines)


def test_a_sigmoid_needs_two_labels() -> None:
    assert built("gap", "sigmoid", labels=2).output.shape == (None, 1)
    with pytest.raises(SettingsError, match="7 labels"):
        built("gap", "sigmoid")


def test_every_word_of_the_language_builds_its_layer() -> None:
    model = built(
        "conv 4 5x5 /2 relu valid nobias l2=0.01", "bn", "relu", "maxpool 3x3 /2 same",
        "avgpool", "residual 4", "residual 8 /2", "dropout 0.3", "flatten",
        "dense 6 elu nobias l2=0.02", "softmax",
    )  # fmt: skip
    conv = model.get_layer("02_conv")
    assert (conv.filters, conv.kernel_size, conv.strides, conv.padding) == (
        4, (5, 5), (2, 2), "valid",
    )  # fmt: skip
    assert not conv.use_bias
    assert float(conv.kernel_regularizer.l2) == pytest.approx(0.01)
    pool = model.get_layer("05_maxpool")
    assert (pool.pool_size, pool.strides, pool.padding) == ((3, 3), (2, 2), "same")
    assert model.get_layer("06_avgpool").strides == (2, 2)
    assert model.get_layer("09_dropout").rate == 0.3
    dense = model.get_layer("11_dense")
    assert (dense.units, dense.activation.__name__, dense.use_bias) == (6, "elu", False)
    assert model.output.shape == (None, 7)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("Add") == 2  # the first block keeps its shape, so has no projection
    assert not any("07_residual_shortcut" in layer.name for layer in model.layers)


def test_depthwise_takes_what_a_convolution_takes() -> None:
    model = built("conv 6", "depthwise 5x3 /2 relu valid nobias l2=0.01", "gap", "softmax")
    layer = model.get_layer("03_depthwise")
    assert (layer.kernel_size, layer.strides, layer.padding) == ((5, 3), (2, 2), "valid")
    assert (layer.use_bias, layer.activation.__name__) == (False, "relu")
    assert float(layer.depthwise_regularizer.l2) == pytest.approx(0.01)


def test_excite_begins_with_half_of_everything() -> None:
    """A hard sigmoid of 0: whatever the first weights are, the bias of 3 stands for it."""
    model = built("conv 8 relu", "excite 4", "gap", "softmax")
    gate = keras.Model(model.input, model.get_layer("03_excite_gate").output)
    weights = keras.ops.convert_to_numpy(gate(np.zeros((1, 48, 48, 1), np.float32)))
    assert weights == pytest.approx(np.full((1, 1, 1, 8), 0.5))
    model.get_layer("03_excite_excite").bias.assign(np.full(8, 9.0))
    assert float(keras.ops.max(gate(np.zeros((1, 48, 48, 1), np.float32)))) == pytest.approx(1.0)


def test_a_shortcut_is_added_as_it_is_or_made_to_fit() -> None:
    model = built(
        "conv 8", "shortcut", "conv 8", "add", "shortcut", "conv 12 /2 relu", "maxpool", "add",
        "gap", "softmax",
    )  # fmt: skip
    names = {layer.name for layer in model.layers}
    assert "05_add_shortcut" not in names
    fitted = model.get_layer("09_add_shortcut")
    assert (fitted.filters, fitted.kernel_size, fitted.strides) == (12, (1, 1), (4, 4))


def test_cost_by_hand() -> None:
    cost = network_cost(built("conv 4 /2", "bn", "flatten", "dense 5", "softmax", labels=3))
    by_kind = {layer.kind: layer for layer in cost.layers[:-1]}
    assert by_kind["Conv2D"].macs == 24 * 24 * 9 * 4
    assert by_kind["Conv2D"].parameters == 9 * 4 + 4
    assert by_kind["BatchNormalization"].parameters == 4 * 4
    assert by_kind["Dense"].macs == 24 * 24 * 4 * 5
    assert cost.layers[-1].macs == 15
    assert cost.macs == 20_736 + 11_520 + 15
    assert cost.parameters == 40 + 16 + 11_525 + 18


def test_the_cost_of_depthwise_layers_and_of_squeeze_and_excite_by_hand() -> None:
    cost = network_cost(built("conv 4 /2", "separable 6 /2", "excite 3", "gap", "softmax"))
    by_name = {layer.name: (layer.parameters, layer.macs) for layer in cost.layers}
    assert by_name["03_separable_depthwise"] == (9 * 4, 12 * 12 * 9 * 4)
    assert by_name["03_separable_conv"] == (4 * 6, 12 * 12 * 4 * 6)
    assert by_name["04_excite_squeeze"] == (6 * 2 + 2, 6 * 2)
    assert by_name["04_excite_excite"] == (2 * 6 + 6, 2 * 6)
    assert cost.macs == 20_736 + 5_184 + 3_456 + 12 + 12 + 42


@pytest.mark.parametrize(
    ("name", "parameters", "macs"),
    [("edge-small", 728_023, 58_725_696), ("edge-nano", 125_671, 7_983_864)],
)
@pytest.mark.parametrize("labels", [7, 8])
def test_our_own_networks_keep_their_budget_and_their_order(
    name: str, parameters: int, macs: int, labels: int
) -> None:
    recipe = load_recipe(name)
    model = build_network(
        recipe.layers, input_shape=recipe.input_spec.shape, labels=labels, name=recipe.name
    )
    cost = network_cost(model)
    last = int(model.layers[-2].output.shape[-1])
    assert cost.parameters == parameters + (labels - 7) * (last + 1)
    assert cost.macs == macs + (labels - 7) * last
    kinds = {type(layer).__name__ for layer in model.layers}
    assert kinds <= {
        "InputLayer", "Rescaling", "Conv2D", "BatchNormalization", "ReLU", "Add",
        "GlobalAveragePooling2D", "Dense",
    }  # fmt: skip
    for layer in model.layers:
        if type(layer).__name__ == "Conv2D":
            (node,) = layer._outbound_nodes
            assert type(node.operation).__name__ == "BatchNormalization"


@pytest.mark.parametrize(
    ("lines", "labels"),
    [
        (["conv 6 5x3 /2 relu valid", "bn", "residual 6", "residual 8 /2", "avgpool 3x2 /2 same",
          "dropout 0.1", "gap", "dense 5 nobias", "softmax"], 7),
        (["conv 4 nobias", "relu", "maxpool 3x3", "flatten", "sigmoid"], 2),
        (["conv 4", "gap", "softmax"], {"own": 7, "people": 8}),
        (["conv 4", "depthwise 5x3 /2 relu valid", "depthwise nobias", "separable 6 5x5 /2",
          "excite 4", "shortcut", "shortcut", "conv 6", "add", "maxpool same", "conv 9", "add",
          "gap", "shortcut", "dense 9", "add", "softmax"], 2),
    ],
)  # fmt: skip
def test_what_is_counted_is_what_is_built(lines: list[str], labels: int | dict[str, int]) -> None:
    read = parse_layers(["rescale 0..1", *lines])
    counted = count_network(read, input_shape=(47, 48, 1), labels=labels)
    network = build_network(read, input_shape=(47, 48, 1), labels=labels, name="net")
    assert sorted(map(repr, counted.layers)) == sorted(map(repr, network_cost(network).layers))
