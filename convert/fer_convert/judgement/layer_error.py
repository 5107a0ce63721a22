"""Where quantisation errs: what every operator writes, against what float32 writes there."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from fer_convert.cost.layers import layer_name, multiply_accumulates
from fer_convert.file.flatbuffer import Graph, Operator, Tensor
from fer_edge.shared.data.samples import Samples
from fer_edge.shared.model.model_file import ModelFile
from fer_edge.shared.model.tensors import quantise

_MOST_PICTURES: Final = 64
_LEAST_PICTURES: Final = 4
_ARITHMETIC: Final = 3e9  # multiply-accumulates to spend: some seconds without XNNPACK


@dataclass(frozen=True, slots=True)
class LayerError:
    """How far one operator's output is from float32's.

    Attributes:
        layer: The Keras layer it came from, or the name of its output where that is unknown.
        operator: TFLite's name of it.
        sqnr_db: Signal to quantisation noise, decibels, over all pictures; the noise of all
            operators before it included. None where there is no noise at all.
        added: Noise power as a share of the signal's, less the same of its noisiest input: what
            this operator adds. Never below 0.
    """

    layer: str
    operator: str
    sqnr_db: float | None
    added: float

    def to_json(self) -> dict[str, Any]:
        """Return the figures, rounded."""
        return {
            "layer": self.layer,
            "operator": self.operator,
            "sqnr_db": None if self.sqnr_db is None else round(self.sqnr_db, 2),
            "noise_added": round(self.added, 8),
        }


def worst_layers(errors: Sequence[LayerError], count: int = 3) -> tuple[LayerError, ...]:
    """Return the operators that add most noise, the worst first."""
    noisy = [error for error in errors if error.added > 0]
    return tuple(sorted(noisy, key=lambda error: -error.added)[:count])


def measure_layers(
    reference: tuple[ModelFile, Graph],
    model: tuple[ModelFile, Graph],
    samples: Samples,
    kinds: Mapping[str, str],
) -> tuple[LayerError, ...]:
    """Compare the two graphs operator by operator.

    Operators are paired in the order of execution by kind and by shape of output; one without a
    counterpart in float32's graph (a folded Rescaling, for instance) is left out.

    Args:
        reference: float32.
        model: What it was quantised to.
        samples: Held-out pictures, of which the first few are used: fewer for large networks.
        kinds: Class by name of the network's Keras layers.
    """
    pairs = _pair(reference[1], model[1])
    macs = sum(map(multiply_accumulates, model[1].operators))
    affordable = int(_ARITHMETIC / max(1, macs))
    pictures = samples.pictures[: min(_MOST_PICTURES, max(_LEAST_PICTURES, affordable))]
    noise = np.zeros(len(pairs))
    signal = np.zeros(len(pairs))
    floats, quantised = _Watched(*reference), _Watched(*model)
    for pixels in pictures:
        floats.run(pixels)
        quantised.run(pixels)
        for number, (expected, found) in enumerate(pairs):
            wanted = floats.values(expected.outputs[0])
            # Of a network with answers that are no numbers, which the gate tells.
            with np.errstate(over="ignore", invalid="ignore"):
                noise[number] += np.square(quantised.values(found.outputs[0]) - wanted).sum()
                signal[number] += np.square(wanted).sum()
    ratios = {
        id(found.outputs[0]): (float(noise[n] / signal[n]) if signal[n] else 0.0)
        for n, (_, found) in enumerate(pairs)
    }
    return tuple(_error(found, ratios, kinds) for _, found in pairs)


def _error(operator: Operator, ratios: Mapping[int, float], kinds: Mapping[str, str]) -> LayerError:
    ratio = ratios[id(operator.outputs[0])]
    before = max((ratios.get(id(tensor), 0.0) for tensor in operator.inputs), default=0.0)
    return LayerError(
        layer_name(operator, kinds),
        operator.name,
        -10 * math.log10(ratio) if 0 < ratio < math.inf else None,
        max(0.0, ratio - before) if math.isfinite(ratio - before) else 0.0,
    )


def _pair(reference: Graph, model: Graph) -> list[tuple[Operator, Operator]]:
    """Pair operators of the same kind and output, the order of both kept."""
    expected, found = (
        [_key(operator) for operator in graph.operators] for graph in (reference, model)
    )
    blocks = SequenceMatcher(None, expected, found, autojunk=False).get_matching_blocks()
    return [
        (reference.operators[block.a + n], model.operators[block.b + n])
        for block in blocks
        for n in range(block.size)
    ]


def _key(operator: Operator) -> str:
    return f"{operator.name} {operator.outputs[0].shape[1:] if operator.outputs else ()}"


class _Watched:
    """A model that keeps what every operator writes."""

    def __init__(self, model: ModelFile, graph: Graph) -> None:
        self._model = model
        self._index = {id(tensor): number for number, tensor in enumerate(graph.tensors)}
        # XNNPACK would run whole chains of operators and keep nothing of what lies between.
        self._interpreter = Interpreter(
            model_content=model.flatbuffer,
            num_threads=len(os.sched_getaffinity(0)),
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]

    def run(self, pixels: NDArray[np.uint8]) -> None:
        """Infer one picture of the model's own size."""
        given = np.empty(self._input["shape"], self._input["dtype"])
        quantise(pixels, self._model.contract.input, given[0])
        self._interpreter.set_tensor(self._input["index"], given)
        self._interpreter.invoke()

    def values(self, tensor: Tensor) -> NDArray[np.float64]:
        """Return what was last written into a tensor, as real numbers."""
        raw = self._interpreter.get_tensor(self._index[id(tensor)])
        values: NDArray[np.float64] = raw.astype(np.float64)
        if tensor.scales and tensor.dtype.startswith(("INT", "UINT")):
            values = (values - tensor.zero_points[0]) * tensor.scales[0]
        return values
