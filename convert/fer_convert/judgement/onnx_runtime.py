"""An ONNX file, asked with ONNX Runtime: the same pictures that the other targets answer."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fer_convert.file.onnx_file import INPUT, OUTPUT, OnnxFile
from fer_convert.judgement.comparison import Answers
from fer_edge.shared.data.samples import Samples, with_channels
from fer_edge.shared.model.litert import to_prediction

_BATCH = 64


class OnnxNetwork:
    """Runs an ONNX file on the processor."""

    def __init__(self, file: OnnxFile) -> None:
        import onnxruntime  # noqa: PLC0415 - only where ONNX was asked for

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors; it warns of every GPU that is not there
        self._contract = file.contract
        self._session = onnxruntime.InferenceSession(
            file.data, options, providers=["CPUExecutionProvider"]
        )

    def raw_outputs(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the network says.

        Args:
            pictures: uint8, shape (N, height, width), or (N, height, width, 3) in colour.

        Returns:
            float32, shape (N, outputs).
        """
        return np.concatenate(list(self._batches(pictures)))

    def ask(self, samples: Samples) -> Answers:
        """Answer pictures as a device would, the contract's temperature and threshold applied."""
        labels = self._contract.labels
        said = self.raw_outputs(samples.pictures)
        predictions = [to_prediction(raw, self._contract) for raw in said]
        return Answers(
            labels,
            np.array([labels.index(each.label) for each in predictions], np.int64),
            np.array([each.probabilities for each in predictions]),
            int((~np.isfinite(said).all(axis=1)).sum()),
        )

    def _batches(self, pictures: NDArray[np.uint8]) -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(pictures), _BATCH):
            batch = with_channels(pictures[start : start + _BATCH]).astype(np.float32)
            yield self._session.run([OUTPUT], {INPUT: batch})[0]
