"""Run by the emulated Python, which has only numpy and LiteRT: invoke a model some times.

    python3 invocations.py MODEL INPUTS.npy TIMES OUTPUTS.npy

The inputs, shape (N, *input tensor), are fed in turn; the first N answers are written.
"""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def main() -> None:
    """Invoke as the command line says."""
    model, inputs_path, times, outputs_path = sys.argv[1:]
    interpreter = Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]["index"]
    answer = interpreter.get_output_details()[0]["index"]
    inputs = np.load(inputs_path)
    answers = []
    for number in range(int(times)):
        interpreter.set_tensor(given, inputs[number % len(inputs)])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(answer))
    np.save(outputs_path, np.stack(answers[: len(inputs)]))


if __name__ == "__main__":
    main()
