"""The five documented networks, layer by layer, against tables written by hand."""

import pytest

from fer_trainer.network.cost import LayerCost, NetworkCost, network_cost
from fer_trainer.recipe.files import load_recipe
from fer_trainer.training.loop import new_network

Row = tuple[str, int | float | str, tuple[int, ...], int]
"""Kind, its size or rate or activation, output shape, parameters."""


def conv(filters: int, side: int, parameters: int, activation: str = "relu") -> Row:
    return ("Conv2D", f"{filters} 3x3 {activation}", (side, side, filters), parameters)


def after(filters: int, side: int, rate: float) -> list[Row]:
    """Batch norm, pooling 2x2 and dropout behind a convolution."""
    half = (side // 2, side // 2, filters)
    return [
        ("BatchNormalization", "", (side, side, filters), 4 * filters),
        ("MaxPooling2D", "2x2", half, 0),
        ("Dropout", rate, half, 0),
    ]


def dense_block(units: int, parameters: int, rate: float) -> list[Row]:
    return [
        ("Dense", f"{units} relu", (units,), parameters),
        ("BatchNormalization", "", (units,), 4 * units),
        ("Dropout", rate, (units,), 0),
    ]


def gap_block(filters: int, side: int, parameters: int, rate: float) -> list[Row]:
    """As `after`, with the ReLU behind the batch norm."""
    norm, *rest = after(filters, side, rate)
    relu: Row = ("ReLU", "", (side, side, filters), 0)
    return [conv(filters, side, parameters, "linear"), norm, relu, *rest]


HAPPY_SAD_DEEP: list[Row] = [
    conv(32, 48, 320),
    conv(64, 48, 18_496), *after(64, 48, 0.2),
    conv(128, 24, 73_856), *after(128, 24, 0.2),
    conv(256, 12, 295_168), *after(256, 12, 0.2),
    conv(512, 6, 1_180_160), *after(512, 6, 0.2),
    conv(1024, 3, 4_719_616), *after(1024, 3, 0.2),
    ("Flatten", "", (1024,), 0),
    *dense_block(64, 65_600, 0.2),
    *dense_block(128, 8_320, 0.2),
    *dense_block(256, 33_024, 0.2),
    *dense_block(512, 131_584, 0.2),
    ("Dense", "1 sigmoid", (1,), 513),
]  # fmt: skip

SEVEN_GAP: list[Row] = [
    *gap_block(64, 48, 640, 0.3),
    *gap_block(128, 24, 73_856, 0.3),
    *gap_block(256, 12, 295_168, 0.4),
    *gap_block(512, 6, 1_180_160, 0.4),
    ("GlobalAveragePooling2D", "", (512,), 0),
    ("Dense", "512 linear l2=0.01", (512,), 262_656),
    ("BatchNormalization", "", (512,), 2048),
    ("ReLU", "", (512,), 0),
    ("Dropout", 0.5, (512,), 0),
    ("Dense", "7 softmax", (7,), 3_591),
]

SEVEN_WIDE: list[Row] = [
    conv(256, 48, 2_560),
    conv(512, 48, 1_180_160), *after(512, 48, 0.4),
    conv(384, 24, 1_769_856), *after(384, 24, 0.4),
    conv(192, 12, 663_744), *after(192, 12, 0.4),
    conv(384, 6, 663_936), *after(384, 6, 0.4),
    ("Flatten", "", (3456,), 0),
    *dense_block(256, 884_992, 0.3),
    ("Dense", "7 softmax", (7,), 1_799),
]  # fmt: skip

HAPPY_SAD_SIMPLE: list[Row] = [
    ("Conv2D", "32 3x3 relu valid", (46, 46, 32), 320),
    ("MaxPooling2D", "2x2", (23, 23, 32), 0),
    ("Conv2D", "64 3x3 relu valid", (21, 21, 64), 18_496),
    ("MaxPooling2D", "2x2", (10, 10, 64), 0),
    ("Flatten", "", (6400,), 0),
    ("Dense", "256 relu", (256,), 1_638_656),
    ("Dropout", 0.2, (256,), 0),
    ("Dense", "64 relu", (64,), 16_448),
    ("Dense", "1 sigmoid", (1,), 65),
]

SEVEN_CLASSIC: list[Row] = [
    conv(64, 48, 640), after(64, 48, 0.25)[0], conv(64, 48, 36_928), *after(64, 48, 0.25),
    conv(128, 24, 73_856), after(128, 24, 0.25)[0], conv(128, 24, 147_584), *after(128, 24, 0.25),
    conv(256, 12, 295_168), after(256, 12, 0.25)[0], conv(256, 12, 590_080), *after(256, 12, 0.25),
    ("Flatten", "", (9216,), 0),
    *dense_block(512, 4_719_104, 0.5),
    *dense_block(256, 131_328, 0.5),
    ("Dense", "7 softmax", (7,), 1_799),
]  # fmt: skip

NETWORKS = {
    "happy-sad-deep": (HAPPY_SAD_DEEP, 6_538_433, 213_238_272),
    "seven-gap": (SEVEN_GAP, 1_821_959, 128_994_816),
    "seven-wide": (SEVEN_WIDE, 5_173_959, 3_862_759_168),
    "happy-sad-simple": (HAPPY_SAD_SIMPLE, 1_673_985, 10_392_768),
    "seven-classic": (SEVEN_CLASSIC, 6_003_143, 345_917_184),
}


def row_of(layer, cost: LayerCost) -> Row:
    """Describe a built layer as the tables do."""
    given = layer.get_config()
    size: int | float | str = ""
    if cost.kind == "Conv2D":
        rows, columns = given["kernel_size"]
        size = f"{given['filters']} {rows}x{columns} {given['activation']}"
        size += " valid" if given["padding"] == "valid" else ""
        assert given["strides"] == (1, 1)
        assert given["use_bias"]
    elif cost.kind == "Dense":
        size = f"{given['units']} {given['activation']}"
        penalty = layer.kernel_regularizer
        size += f" l2={float(penalty.l2):g}" if penalty else ""
    elif cost.kind == "MaxPooling2D":
        assert given["strides"] == given["pool_size"]
        size = "x".join(str(n) for n in given["pool_size"])
    elif cost.kind == "Dropout":
        size = given["rate"]
    return (cost.kind, size, cost.shape, cost.parameters)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_is_the_documented_one(name: str) -> None:
    table, parameters, macs = NETWORKS[name]
    network = new_network(load_recipe(name))
    cost = network_cost(network)
    pixels, rescaling, *layers = network.layers
    assert type(pixels).__name__ == "InputLayer"
    assert network.input_shape == (None, 48, 48, 1)
    assert rescaling.get_config()["scale"] == pytest.approx(1 / 255)
    assert rescaling.get_config()["offset"] == 0
    found = [row_of(layer, one) for layer, one in zip(layers, cost.layers[2:], strict=True)]
    assert found == table
    assert (cost.parameters, cost.macs) == (parameters, macs)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_totals_follow_from_the_table(name: str) -> None:
    table, parameters, macs = NETWORKS[name]
    assert sum(row[3] for row in table) == parameters
    by_hand = 0
    for kind, _, shape, count in table:
        if kind == "Conv2D":
            side, _, filters = shape
            by_hand += side * side * (count - filters)
        elif kind == "Dense":
            by_hand += count - shape[0]
    assert by_hand == macs


def test_costs_add_up() -> None:
    one = LayerCost("a", "Dense", (2,), 3, 4)
    assert (NetworkCost((one, one)).parameters, NetworkCost((one, one)).macs) == (6, 8)
