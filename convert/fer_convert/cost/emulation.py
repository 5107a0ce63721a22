"""Instructions of one inference on a Raspberry Pi's processor, counted in an emulator.

Emulated time says nothing of a board; the number of instructions does. `benchmarks/emulator.sh`
prepares the folder that the environment variable FER_EMULATOR names.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from fer_edge.shared.errors import DependencyError
from fer_edge.shared.model.model_file import ModelFile
from fer_edge.shared.model.selftest import GoldenVectors, read_golden
from fer_edge.shared.model.tensors import quantise

VARIABLE: Final = "FER_EMULATOR"
CPUS: Final = {"cortex-a72": "Raspberry Pi 4", "cortex-a76": "Raspberry Pi 5"}

_SCRIPT: Final = Path(__file__).with_name("invocations.py")
_TIMEOUT_SECONDS: Final = 300.0
_ROUNDS: Final = 4
# Whatever makes one start of Python cost more than another would be taken for inference: threads
# that wait in loops, byte code compiled only once, another order of sets.
_STEADY: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
}


@dataclass(frozen=True, slots=True)
class Emulator:
    """What runs aarch64 programs here.

    Attributes:
        folder: Holds `qemu-aarch64`, `libinsn.so`, `root` (Debian with Python) and `site` (numpy
            and ai-edge-litert).
    """

    folder: Path

    def parts(self) -> tuple[Path, ...]:
        """Return all that has to be there."""
        names = ("qemu-aarch64", "libinsn.so", "root/usr/bin/python3", "site/ai_edge_litert")
        return tuple(self.folder / name for name in names)


@dataclass(frozen=True, slots=True)
class InstructionCount:
    """One processor.

    Attributes:
        cpu: As QEMU calls it.
        board: That has it.
        instructions: Of one inference; the mean over the golden inputs.
        equal_answers: Whether all golden answers came out as on this machine, bit by bit.
    """

    cpu: str
    board: str
    instructions: int
    equal_answers: bool


@dataclass(frozen=True, slots=True)
class Emulation:
    """All processors, or why there is nothing.

    Attributes:
        counts: One for each processor.
        not_measured: The reason where `counts` is empty.
    """

    counts: tuple[InstructionCount, ...] = ()
    not_measured: str | None = f"{VARIABLE} names no emulator"

    def to_json(self) -> dict[str, Any]:
        """Return the counts, or the reason."""
        if self.not_measured is not None:
            return {"not_measured": self.not_measured}
        return {count.cpu: asdict(count) for count in self.counts}


def find_emulator(environment: Mapping[str, str] = os.environ) -> Emulator | None:
    """Return the emulator that FER_EMULATOR names; None where it names none.

    Raises:
        DependencyError: A part of it is missing.
    """
    named = environment.get(VARIABLE)
    if not named:
        return None
    emulator = Emulator(Path(named).absolute())
    missing = [str(part) for part in emulator.parts() if not part.exists()]
    if missing:
        raise DependencyError(
            f"{VARIABLE} names {named}, which lacks {', '.join(missing)}",
            expected="a folder that benchmarks/emulator.sh has prepared",
            fix=f"run benchmarks/emulator.sh {named}, or unset {VARIABLE}",
        )
    return emulator


def emulate(model: ModelFile, emulator: Emulator | None) -> Emulation:
    """Count a model's instructions on every processor.

    Raises:
        DependencyError: The emulator cannot run the model.
        ModelError: The model has no golden vectors.
    """
    if emulator is None:
        return Emulation()
    golden = read_golden(model)
    with ThreadPoolExecutor(len(CPUS)) as pool:
        counts = pool.map(lambda cpu: count_instructions(model, golden, emulator, cpu), CPUS)
        return Emulation(tuple(counts), not_measured=None)


def count_instructions(
    model: ModelFile, golden: GoldenVectors, emulator: Emulator, cpu: str
) -> InstructionCount:
    """Run the golden inputs some times, then twice as often, and take the difference.

    It is free of what Python and the interpreter do before the first inference.
    """
    times = _ROUNDS * len(golden)
    with tempfile.TemporaryDirectory(prefix="fer-emulation-") as name:
        folder = Path(name)
        (folder / "model.tflite").write_bytes(model.flatbuffer)
        np.save(folder / "inputs.npy", _tensors(model, golden))
        once, answers = _run(emulator, cpu, folder, times)
        twice, _ = _run(emulator, cpu, folder, 2 * times)
    return InstructionCount(
        cpu,
        CPUS[cpu],
        round((twice - once) / times),
        np.array_equal(answers.reshape(golden.outputs.shape), golden.outputs),
    )


def _tensors(model: ModelFile, golden: GoldenVectors) -> Any:
    spec = model.contract.input
    tensors = np.empty((len(golden), 1, *spec.shape), dtype=spec.dtype)
    for pixels, tensor in zip(golden.inputs, tensors, strict=True):
        quantise(pixels, spec, tensor[0])
    return tensors


def _run(emulator: Emulator, cpu: str, folder: Path, times: int) -> tuple[int, Any]:
    """Return the instructions of a whole run, and the answers to the inputs."""
    qemu, plugin, python, site = emulator.parts()
    outputs = folder / "outputs.npy"
    command = [
        qemu, "-cpu", cpu, "-L", emulator.folder / "root", "-plugin", f"{plugin},inline=on",
        "-d", "plugin", "-D", folder / "count.txt",
        python, "-s", _SCRIPT, folder / "model.tflite", folder / "inputs.npy", times, outputs,
    ]  # fmt: skip
    try:
        done = subprocess.run(
            [str(part) for part in command],
            env={"PYTHONPATH": str(site.parent), **_STEADY},
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(cpu, str(error)) from error
    if done.returncode != 0:
        raise _failed(cpu, (done.stderr.strip().splitlines() or ["no message"])[-1])
    found = re.search(r"total insns: (\d+)", (folder / "count.txt").read_text())
    if found is None:
        raise _failed(cpu, "its plugin counted nothing")
    return int(found[1]), np.load(outputs)


def _failed(cpu: str, why: str) -> DependencyError:
    return DependencyError(
        f"the emulated {cpu} did not run the model: {why}",
        expected="QEMU 10 or newer with its insn plugin, and LiteRT for aarch64",
        fix=f"prepare the folder again with benchmarks/emulator.sh, or unset {VARIABLE}",
    )
