"""The layered picture of a network, and the graph it is drawn from."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

import pytest

from fer_trainer.network.builder import build_network
from fer_trainer.network.cost import int8_bytes, network_cost
from fer_trainer.network.language import parse_layers
from fer_trainer.report.graph import network_graph
from fer_trainer.report.layered import draw_layered

SVG = "{http://www.w3.org/2000/svg}"
RESIDUAL = ["rescale -1..1", "conv 8 /2 nobias", "bn", "relu", "residual 8", "residual 16 /2",
            "gap", "softmax"]  # fmt: skip
DEEP = ["rescale 0..1", *(["conv 8 relu", "bn", "dropout 0.1"] * 14), "maxpool", "flatten",
        *(["dense 64 relu", "dropout 0.2"] * 6), "softmax"]  # fmt: skip
DEEP_RESIDUAL = ["rescale 0..1", *["residual 8"] * 12, "gap", "softmax"]
INVERTED = ["rescale 0..1", "conv 8 /2 nobias", "bn", "relu", "separable 16 /2",
            *["shortcut", "conv 32 1x1 nobias", "bn", "relu", "depthwise nobias", "bn", "relu",
              "excite 4", "conv 16 1x1 nobias", "bn", "add"] * 2, "gap", "softmax"]  # fmt: skip


EACH = pytest.mark.parametrize(
    "lines",
    [RESIDUAL, DEEP, DEEP_RESIDUAL, INVERTED],
    ids=["residual", "deep", "both", "inverted"],
)


def a_network(lines: Sequence[str]) -> Any:
    return build_network(parse_layers(lines), input_shape=(48, 48, 1), labels=7, name="drawn")


def test_the_chain_is_the_longest_way_and_shortcuts_lie_beside_it() -> None:
    graph = network_graph(a_network(RESIDUAL))
    kinds = [layer.kind for layer in graph.chain]
    assert (kinds[0], kinds[-1], kinds.count("Conv2D"), kinds.count("Add")) == (
        "InputLayer", "Dense", 5, 2,
    )  # fmt: skip
    unchanged, projected = graph.shortcuts
    assert (unchanged.start, unchanged.layers) == ("04_relu", ())
    assert [layer.kind for layer in projected.layers] == ["Conv2D", "BatchNormalization"]
    assert projected.start == "05_residual_relu2"
    assert projected.end == "06_residual_add"


@EACH
def test_every_layer_is_drawn_once_inside_the_picture(lines: Sequence[str]) -> None:
    network = a_network(lines)
    root = ET.fromstring(draw_layered(network_graph(network), caption="a <caption> & more"))
    width, height = (float(n) for n in root.attrib["viewBox"].split()[2:])
    titles = [title.text or "" for title in root.iter(f"{SVG}title")]
    for layer in network.layers:
        assert len([t for t in titles if t.startswith(f"{layer.name}:")]) == 1
    for shape in root.iter():
        for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", shape.attrib.get("points", "")):
            assert 0 <= float(x) <= width
            assert 0 <= float(y) <= height
        if shape.tag == f"{SVG}text":
            assert 0 <= float(shape.attrib["x"]) <= width
            assert 0 <= float(shape.attrib["y"]) <= height
    assert "a <caption> & more" in [text.text for text in root.iter(f"{SVG}text")]


@EACH
def test_blocks_stand_apart(lines: Sequence[str]) -> None:
    root = ET.fromstring(draw_layered(network_graph(a_network(lines))))
    fronts = []
    for group in root.iter(f"{SVG}g"):
        points = group.findall(f"{SVG}polygon")[-1].attrib["points"].split()
        (left, top), (right, bottom) = (points[i].split(",") for i in (0, 2))
        fronts.append((float(left), float(top), float(right), float(bottom)))
    for i, (left, top, right, bottom) in enumerate(fronts):
        for other in fronts[i + 1 :]:
            beside = other[0] >= right or other[2] <= left
            assert beside or other[1] >= bottom or other[3] <= top


def test_a_shortcut_past_another_is_drawn_above_it() -> None:
    root = ET.fromstring(draw_layered(network_graph(a_network(INVERTED))))
    words = [text for text in root.iter(f"{SVG}text") if text.text == "unchanged"]
    assert len(words) == 4  # of two sums, and of two products inside them
    assert len({text.attrib["y"] for text in words}) >= 2
    assert len({(text.attrib["x"], text.attrib["y"]) for text in words}) == 4


def test_a_long_network_is_broken_into_rows() -> None:
    heights = [
        float(ET.fromstring(draw_layered(network_graph(a_network(lines)))).attrib["height"])
        for lines in (RESIDUAL, DEEP)
    ]
    assert heights[1] > 1.3 * heights[0]


def test_the_legend_counts_each_kind() -> None:
    root = ET.fromstring(draw_layered(network_graph(a_network(RESIDUAL))))
    words = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert "Conv2D \N{MULTIPLICATION SIGN}6" in words
    assert "Add \N{MULTIPLICATION SIGN}2" in words


def test_the_int8_estimate_counts_weights_as_bytes() -> None:
    layers = network_cost(a_network(["rescale 0..1", "flatten", "dense 100", "softmax"])).layers
    weights = 48 * 48 * 100 + 100 * 7
    assert weights < int8_bytes(layers) < weights + 6000
