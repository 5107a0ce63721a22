"""Golden vectors: does this machine compute what the machine that converted the model computed?

Every model file carries real inputs and the outputs expected of them. XNNPACK's int8 kernels differ
between processors in about one picture of a hundred, and then by one step of the output; the others
are equal bit by bit. So integer outputs are compared within `STEP_TOLERANCE`, and how many were
equal is said; float ones within `FLOAT_TOLERANCE`. TFLite's other kernels, those of 32-bit ARM,
round in more places: their integer outputs are compared within `KERNEL_TOLERANCE`; see
docs/explanation/arm.md.
"""

import io
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.arrays import read_array
from fer_edge.shared.errors import FerError, ModelError
from fer_edge.shared.model.contract import OutputSpec
from fer_edge.shared.model.interpreter import LitertNetwork, Tensor
from fer_edge.shared.model.model_file import GOLDEN_INPUTS_NAME, GOLDEN_OUTPUTS_NAME, ModelFile

FLOAT_TOLERANCE: Final = 1e-4
"""Largest difference of a probability that a float model may show."""
STEP_TOLERANCE: Final = 1
"""The same for an integer model that XNNPACK runs, in steps of its output."""
KERNEL_TOLERANCE: Final = 1 / 8
"""The same for an integer model where XNNPACK does not run it, as a probability."""


@dataclass(frozen=True, slots=True, eq=False)
class GoldenVectors:
    """Inputs and the outputs expected of them.

    Attributes:
        inputs: uint8, shape (N, height, width), with 3 behind of colour: crops of the model's own
            size.
        outputs: The output tensor's dtype, shape (N, outputs).
    """

    inputs: NDArray[np.uint8]
    outputs: Tensor

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, slots=True)
class SelftestResult:
    """What a self-test found.

    Attributes:
        model: Path of the model file.
        model_sha256: Of that file.
        n: Number of golden vectors.
        exact: How many of them gave the expected output bit by bit.
        mismatches: Indices of those whose output differs by more than the tolerance.
        worst_difference: Largest absolute difference, in steps of the output for an integer
            model, in probability for a float one.
        tolerance: Largest difference that is still a match.
    """

    model: str
    model_sha256: str
    n: int
    exact: int
    mismatches: tuple[int, ...]
    worst_difference: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether every output was as expected."""
        return not self.mismatches

    def to_text(self) -> str:
        """Return one line for people."""
        if self.exact == self.n:
            return f"ok: {self.n} of {self.n} golden vectors match exactly"
        return (
            f"ok: {self.n} of {self.n} golden vectors match, {self.exact} of them exactly, "
            f"the others within {self.tolerance:g}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the result as `fer-edge selftest --json` prints it."""
        return asdict(self) | {"mismatches": len(self.mismatches), "passed": self.passed}

    def require(self) -> None:
        """Do nothing where the test passed.

        Raises:
            FerError: It did not.
        """
        if not self.passed:
            raise FerError(
                f"{self.model}: {len(self.mismatches)} of {self.n} golden vectors differ, "
                f"by up to {self.worst_difference:g}",
                expected=f"a difference of at most {self.tolerance:g}",
                fix="install fer-edge and its TFLite runtime again; if it stays, do not trust "
                "this machine's answers, and report processor and runtime version",
            )


def run_selftest(model: ModelFile, *, threads: int = 1) -> SelftestResult:
    """Run a model's golden vectors through the device's own runtime.

    Raises:
        ModelError: The golden vectors are missing or unreadable, or the runtime refuses the model.
        DependencyError: There is no usable TFLite runtime.
    """
    golden = read_golden(model)
    network = LitertNetwork(model, threads=threads)
    tolerance = accepted_difference(
        model.contract.output, has_xnnpack=network.accelerated is not False
    )
    differences = [
        float(np.abs(network.raw_output(pixels).astype(np.float64) - expected).max())
        for pixels, expected in zip(golden.inputs, golden.outputs, strict=True)
    ]
    return SelftestResult(
        model=model.path,
        model_sha256=model.sha256,
        n=len(golden),
        exact=differences.count(0.0),
        # Not `d > tolerance`: NaN is a mismatch, too.
        mismatches=tuple(i for i, d in enumerate(differences) if not d <= tolerance),
        worst_difference=max(differences),
        tolerance=tolerance,
    )


def accepted_difference(output: OutputSpec, *, has_xnnpack: bool) -> float:
    """Return how far an output may be from the expected one, in the output's own steps."""
    if output.dtype == "float32":
        return FLOAT_TOLERANCE
    return STEP_TOLERANCE if has_xnnpack else KERNEL_TOLERANCE / output.scale


def read_golden(model: ModelFile) -> GoldenVectors:
    """Read the golden vectors that a model file carries.

    Raises:
        ModelError: They are missing, unreadable, or do not fit the contract.
    """
    contract = model.contract
    inputs = _read_array(model, GOLDEN_INPUTS_NAME)
    outputs = _read_array(model, GOLDEN_OUTPUTS_NAME)
    _check_array(inputs, "uint8", contract.input.picture_shape, model)
    _check_array(outputs, contract.output.dtype, (contract.output_size,), model)
    if not len(inputs) or len(inputs) != len(outputs):
        raise _unfit(model, f"{len(inputs)} golden inputs and {len(outputs)} outputs")
    return GoldenVectors(inputs, outputs)


def _read_array(model: ModelFile, name: str) -> Tensor:
    if name not in model.members:
        raise _unfit(model, f"no {name} in the model file")
    try:
        return read_array(io.BytesIO(model.members[name]))
    except ValueError as error:
        raise _unfit(model, f"{name} cannot be read ({error})") from error


def _check_array(array: Tensor, dtype: str, shape: tuple[int, ...], model: ModelFile) -> None:
    if array.dtype != dtype or array.shape[1:] != shape:
        expected = ", ".join(map(str, shape))
        raise _unfit(
            model,
            f"golden vectors of {array.dtype}{list(array.shape)} where {dtype}[N, {expected}] fits",
        )


def _unfit(model: ModelFile, found: str) -> ModelError:
    return ModelError(
        f"{model.path}: {found}",
        expected="golden vectors (inputs and the outputs expected of them) that fit the contract",
        fix="convert the training run again with `fer-convert RUN --int8 --out DIR`",
    )
