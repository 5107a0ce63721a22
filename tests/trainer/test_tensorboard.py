"""The logs are what TensorBoard reads."""

from pathlib import Path

import pytest

from fer_trainer.backend import keras
from fer_trainer.training.tensorboard import TensorBoardLog


def a_log(folder: Path, epochs: int) -> TensorBoardLog:
    log = TensorBoardLog(folder)
    log.set_model(type("Model", (), {"optimizer": keras.optimizers.SGD(0.25)})())
    log.on_train_begin()
    for epoch in range(epochs):
        log.on_epoch_begin(epoch)
        log.on_epoch_end(epoch, {"loss": 3.0 - epoch, "accuracy": 0.5, "val_loss": 2.5})
    return log


def scalars(folder: Path) -> list[tuple[int, str, float]]:
    """Read a log with TensorFlow's own parser, which checks both checksums of each record."""
    tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow's reader is the judge here")
    from tensorflow.core.util import event_pb2

    (path,) = folder.iterdir()
    events = []
    for number, data in enumerate(tensorflow.data.TFRecordDataset(str(path))):
        event = event_pb2.Event.FromString(data.numpy())
        if number == 0:
            assert event.file_version == "brain.Event:2"
        assert event.wall_time > 1.6e9
        events += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
    return events


def test_tensorflow_reads_what_is_written(tmp_path: Path) -> None:
    a_log(tmp_path, 2)
    assert scalars(tmp_path / "train") == [
        (0, "epoch_loss", 3.0), (0, "epoch_accuracy", 0.5), (0, "epoch_learning_rate", 0.25),
        (1, "epoch_loss", 2.0), (1, "epoch_accuracy", 0.5), (1, "epoch_learning_rate", 0.25),
    ]  # fmt: skip
    assert scalars(tmp_path / "validation") == [(0, "epoch_loss", 2.5), (1, "epoch_loss", 2.5)]


def test_a_resumed_log_has_no_epoch_twice(tmp_path: Path) -> None:
    memory = a_log(tmp_path, 2).state()
    a_log(tmp_path, 3)  # killed behind its third epoch, before the checkpoint
    again = a_log(tmp_path, 0)
    again.remember(memory)
    again.on_epoch_begin(2)
    again.on_epoch_end(2, {"loss": 0.5})
    losses = [value for _, tag, value in scalars(tmp_path / "train") if tag == "epoch_loss"]
    assert losses == [3.0, 2.0, 0.5]


def test_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    from fer_edge.shared.errors import OutputError

    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        a_log(tmp_path / "file", 0)
