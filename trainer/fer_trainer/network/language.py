"""The small language in which a recipe writes its network, a layer a line.

`GRAMMAR` shows it. This module only reads it; `builder` makes layers of it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal, NoReturn

from fer_edge.shared.errors import SettingsError

GRAMMAR: Final = """\
rescale -1..1 | rescale 0..1   raw pixels 0..255 to that range; always first
conv 64 3x3 /2 relu valid nobias l2=0.001
                               filters; then, as wanted: kernel (3x3), stride
                               (/1), activation, no padding, no bias, L2
bn | relu | flatten | gap      batch norm, ReLU, flatten, global average
                               pooling
maxpool 2x2 /2 same            window (2x2), stride (the window), padding
                               (none); avgpool takes the same
dropout 0.3                    share of its input that is set to zero
dense 256 relu nobias l2=0.01  units; then as for conv
residual 64 /2                 two 3x3 convolutions with batch norm, and a
                               shortcut
depthwise 3x3 /2 relu valid nobias l2=0.001
                               a filter for each channel; all as for conv
separable 96 3x3 /2            depthwise, then conv 1x1, each with batch norm
                               and ReLU
shortcut ... add               what comes before shortcut is added to what the
                               lines between give; by conv 1x1 and batch norm
                               where shapes differ
excite 4                       squeeze-and-excite: each channel is weighed by
                               what all of them show, through a quarter of
                               them; hard sigmoid
softmax | sigmoid              always last: a unit for each label, or one for
                               two
activations                    relu elu selu tanh gelu silu"""

Activation = Literal["relu", "elu", "selu", "tanh", "gelu", "silu"]

_ACTIVATIONS: Final[tuple[Activation, ...]] = ("relu", "elu", "selu", "tanh", "gelu", "silu")
_OPTIONS: Final[dict[str, frozenset[str]]] = {
    "rescale": frozenset({"range"}),
    "conv": frozenset({"size", "kernel", "stride", "activation", "valid", "nobias", "l2"}),
    "dense": frozenset({"size", "activation", "nobias", "l2"}),
    "residual": frozenset({"size", "stride"}),
    "depthwise": frozenset({"kernel", "stride", "activation", "valid", "nobias", "l2"}),
    "separable": frozenset({"size", "kernel", "stride"}),
    "excite": frozenset({"size"}),
    "maxpool": frozenset({"kernel", "stride", "same"}),
    "avgpool": frozenset({"kernel", "stride", "same"}),
    "dropout": frozenset({"rate"}),
    **dict.fromkeys(
        ("bn", "relu", "flatten", "gap", "shortcut", "add", "softmax", "sigmoid"), frozenset()
    ),
}
_NEEDED: Final[dict[str, str]] = {
    "rescale": "range", "conv": "size", "dense": "size", "residual": "size", "dropout": "rate",
    "separable": "size", "excite": "size",
}  # fmt: skip
KINDS: Final = tuple(_OPTIONS)
"""First words of a line."""
OUTPUTS: Final = ("softmax", "sigmoid")


@dataclass(frozen=True, slots=True)
class Layer:
    """One line of a network.

    Attributes:
        text: As the recipe writes it.
        kind: Its first word.
        size: Filters or units; of `excite`, how many times fewer channels its bottleneck has.
        kernel: (rows, columns) of a convolution or a pooling window.
        stride: Of a convolution, a pooling window (0: as the window) or a block.
        activation: Applied by the layer itself.
        same: Whether the border is padded.
        bias: Whether there is one.
        l2: Penalty on the kernel.
        rate: Of dropout.
        low: Where pixel 0 goes when rescaling; 255 goes to 1.
    """

    text: str
    kind: str
    size: int = 0
    kernel: tuple[int, int] = (3, 3)
    stride: int = 1
    activation: Activation | None = None
    same: bool = True
    bias: bool = True
    l2: float = 0.0
    rate: float = 0.0
    low: float = 0.0


def parse_layers(lines: Sequence[str]) -> tuple[Layer, ...]:
    """Read a whole network.

    Raises:
        SettingsError: A line is not understood, or the network does not begin with `rescale`
            and end with its one output.
    """
    layers = tuple(parse_layer(line, position) for position, line in enumerate(lines, start=1))
    if not layers or layers[0].kind != "rescale":
        raise SettingsError(
            f"the network begins with {layers[0].text if layers else 'nothing'!r}",
            expected="rescale -1..1 or rescale 0..1, so that it eats raw pixels",
            fix="put one of these first",
        )
    outputs = [number for number, layer in enumerate(layers, 1) if layer.kind in OUTPUTS]
    if outputs != [len(layers)]:
        raise SettingsError(
            f"the network ends with {layers[-1].text!r}",
            expected="softmax or sigmoid as the last layer and nowhere else",
            fix="end it with softmax (or sigmoid for two labels)",
        )
    _check_shortcuts(layers)
    return layers


def _check_shortcuts(layers: Sequence[Layer]) -> None:
    """Refuse shortcuts that are not added, and additions without one."""
    open_ones: list[tuple[int, Layer]] = []
    for number, layer in enumerate(layers, start=1):
        if layer.kind == "shortcut":
            open_ones.append((number, layer))
        elif layer.kind == "add":
            if not open_ones or open_ones[-1][0] == number - 1:
                between = "nothing since its shortcut" if open_ones else "no shortcut before it"
                raise SettingsError(
                    f"layer {number} {layer.text!r} has {between}",
                    expected="shortcut, then the lines to go past, then add",
                    fix="put a shortcut where what is to be added stands",
                )
            open_ones.pop()
    if open_ones:
        number, layer = open_ones[-1]
        raise SettingsError(
            f"layer {number} {layer.text!r} has no add",
            expected="shortcut, then the lines to go past, then add",
            fix="put an add where it comes in again",
        )


def parse_layer(line: str, position: int) -> Layer:
    """Read one line.

    Args:
        line: For instance `conv 64 3x3 relu`.
        position: Counted from 1, for messages.

    Raises:
        SettingsError: It is not understood; the message says what would be.
    """
    where = f"layer {position} {line!r}"
    kind, *words = line.split() or [""]
    if kind not in _OPTIONS:
        near = get_close_matches(kind, _OPTIONS, n=1)
        raise SettingsError(
            f"{where}: unknown layer {kind!r}",
            expected="one of " + ", ".join(_OPTIONS),
            fix=f"did you mean {near[0]!r}?" if near else "use one of these",
        )
    found: dict[str, str] = {}
    for word in words:
        option = _option(word, kind)
        if option is None or option not in _OPTIONS[kind] or option in found:
            _refuse(where, f"does not take {word!r}", kind)
        found[option] = word
    if (needed := _NEEDED.get(kind)) is not None and needed not in found:
        _refuse(where, f"lacks its {needed}", kind)
    layer = _layer(line, kind, found)
    if not (0 <= layer.rate < 1 and min(layer.kernel) >= 1 and layer.l2 >= 0):
        _refuse(where, "has a number out of range", kind)
    if (found.get("size") is not None and layer.size < 1) or found.get("stride") == "/0":
        _refuse(where, "has a number out of range", kind)
    return layer


_PATTERNS: Final = (
    ("size", re.compile(r"\d+")),
    ("kernel", re.compile(r"\d+x\d+")),
    ("stride", re.compile(r"/\d+")),
    ("l2", re.compile(r"l2=\d*\.?\d+(e-?\d+)?")),
    ("range", re.compile(r"(-1|0)\.\.1")),
    ("rate", re.compile(r"0?\.\d+|0")),
)


def _option(word: str, kind: str) -> str | None:
    if word in _ACTIVATIONS:
        return "activation"
    if word in {"valid", "same", "nobias"}:
        return word
    matches = [name for name, pattern in _PATTERNS if pattern.fullmatch(word)]
    return next((name for name in matches if name in _OPTIONS[kind]), None)


def _layer(text: str, kind: str, found: dict[str, str]) -> Layer:
    pool = kind in {"maxpool", "avgpool"}
    rows, columns = found.get("kernel", "2x2" if pool else "3x3").split("x")
    activation = found.get("activation")
    return Layer(
        text=text,
        kind=kind,
        size=int(found.get("size", 0)),
        kernel=(int(rows), int(columns)),
        stride=int(found.get("stride", "/0" if pool else "/1")[1:]),
        activation=next((known for known in _ACTIVATIONS if known == activation), None),
        same="same" in found if pool else "valid" not in found,
        bias="nobias" not in found,
        l2=float(found.get("l2", "l2=0").removeprefix("l2=")),
        rate=float(found.get("rate", 0)),
        low=float(found.get("range", "0..1").removesuffix("..1")),
    )


def _refuse(where: str, problem: str, kind: str) -> NoReturn:
    options = ", ".join(sorted(_OPTIONS[kind])) or "nothing else"
    raise SettingsError(
        f"{where} {problem}",
        expected=f"{kind} with {options}",
        fix="correct the line in [network] layers; `fer-train describe --help` shows the language",
    )
