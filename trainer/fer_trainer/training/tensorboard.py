"""Scalars for TensorBoard, written without TensorFlow, so with every Keras backend.

Folders and tags are those of Keras' own TensorBoard callback: `train` and `validation`, each with
`epoch_loss` and `epoch_accuracy`, and steps that count epochs from 0.

Source: TFRecord and `event.proto`, `summary.proto` of TensorFlow.
"""

import json
import struct
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fer_trainer.backend import keras
from fer_trainer.run.folder import explained

FILE_NAME: Final = "events.out.tfevents.0.fer-train"
"""TensorBoard takes every file with "tfevents" in its name."""


class TensorBoardLog(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes each epoch's figures for TensorBoard as the epoch ends.

    Args:
        folder: For the two folders of logs.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._epochs: list[dict[str, float]] = []
        self._learning_rate = 0.0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Begin the files anew."""
        self._epochs = []
        self._write("wb", [])

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Note the rate while it is this epoch's."""
        self._learning_rate = float(self.model.optimizer.learning_rate)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Append the epoch."""
        figures = {key: float(value) for key, value in (logs or {}).items()}
        figures |= {
            "epoch": float(epoch),
            "time": time.time(),
            "learning_rate": self._learning_rate,
        }
        self._epochs.append(figures)
        self._write("ab", [figures])

    def state(self) -> dict[str, Any]:
        """Return what a resumed run must know: all epochs done."""
        return {"epochs": json.dumps(self._epochs)}

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Write the files as they were, without an epoch that is to be repeated."""
        self._epochs = json.loads(memory["epochs"])
        self._write("wb", self._epochs)

    def _write(self, mode: str, epochs: Sequence[Mapping[str, float]]) -> None:
        for part, prefix in (("train", ""), ("validation", "val_")):
            path = self._folder / part / FILE_NAME
            with explained(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open(mode) as file:
                    if mode == "wb":
                        file.write(_record(_event(time.time(), _string(3, "brain.Event:2"))))
                    for figures in epochs:
                        file.write(_epoch_record(figures, prefix))


def _epoch_record(figures: Mapping[str, float], prefix: str) -> bytes:
    names = ["loss", "accuracy", *([] if prefix else ["learning_rate"])]
    values = b"".join(
        _message(
            1, _string(1, f"epoch_{name}") + b"\x15" + struct.pack("<f", figures[prefix + name])
        )
        for name in names
        if prefix + name in figures
    )
    step = b"\x10" + _varint(int(figures["epoch"]))
    return _record(_event(figures["time"], step + _message(5, values)))


def _event(wall_time: float, rest: bytes) -> bytes:
    return b"\x09" + struct.pack("<d", wall_time) + rest


def _string(field: int, text: str) -> bytes:
    return _message(field, text.encode())


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _masked_crc(length) + data + _masked_crc(data)


def _masked_crc(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC32C[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _crc_table() -> tuple[int, ...]:
    def entry(value: int) -> int:
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        return value

    return tuple(entry(byte) for byte in range(256))


_CRC32C: Final = _crc_table()
