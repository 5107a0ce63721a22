"""What an epoch sees, in which order, and how rates and averages run."""

import csv
import io
import itertools
import math

import numpy as np
import pytest

from fer_edge.shared.terminal.progress import ProgressLine
from fer_trainer.backend import keras
from fer_trainer.training.averaging import refresh_statistics
from fer_trainer.training.batches import ShuffledBatches
from fer_trainer.training.callbacks import DivergedError, History, Progress, StopWhenDiverged
from fer_trainer.training.optimiser import OneCycle, build_optimiser

array = keras.ops.convert_to_numpy


def batches(seed: int = 1, epoch: int = 0, count: int = 22) -> ShuffledBatches:
    pictures = np.arange(count, dtype=np.uint8)[:, None, None]
    targets = np.arange(count, dtype=np.float32)[:, None]
    return ShuffledBatches(pictures, targets, batch_size=5, seed=seed, epoch=epoch)


def order(of: ShuffledBatches) -> list[int]:
    return [int(value) for index in range(len(of)) for value in of[index][1][:, 0]]


def test_batches_are_whole_and_pictures_keep_their_targets() -> None:
    found = batches()
    assert len(found) == 4
    for index in range(4):
        pictures, targets = found[index]
        assert pictures.shape == (5, 1, 1)
        assert np.array_equal(pictures[:, 0, 0], targets[:, 0])
    assert len(set(order(found))) == 20


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    found = batches()
    first = order(found)
    found.on_epoch_end()
    assert order(found) != first
    assert order(found) == order(batches(epoch=1))
    assert order(batches(seed=2)) != first


def test_few_pictures_make_one_batch() -> None:
    assert len(batches(count=3)) == 1
    assert len(batches(count=3)[0][0]) == 3


def test_keras_fits_on_the_same_batches_in_the_same_order() -> None:
    class Sees(keras.Model):
        """Notes what comes in."""

        def __init__(self) -> None:
            super().__init__()
            self.seen: list[list[int]] = []
            self.weight = self.add_weight(shape=())

        def train_step(self, *data) -> dict[str, float]:
            pictures, targets = data[-1][:2]
            pictures, targets = array(pictures), array(targets)
            assert (pictures.dtype, targets.dtype) == (np.uint8, np.float32)
            assert np.array_equal(pictures[:, 0, 0], targets[:, 0])
            self.seen.append([int(value) for value in targets[:, 0]])
            return {"loss": 0.0}

    if keras.backend.backend() != "tensorflow":
        pytest.skip("elsewhere Keras asks for the batches themselves")
    model = Sees()
    model.compile("sgd", "mse", run_eagerly=True)
    data, callbacks = batches(epoch=3).for_fit()
    # Resumed after three epochs; these two are the fourth and the fifth.
    model.fit(data, initial_epoch=3, epochs=5, shuffle=False, verbose=0, callbacks=callbacks)
    assert [*itertools.chain(*model.seen[:4])] == order(batches(epoch=3))
    assert [*itertools.chain(*model.seen[4:])] == order(batches(epoch=4))


def test_one_cycle_goes_up_and_down_to_nothing() -> None:
    schedule = OneCycle(0.5, steps=100, warm_up=0.2)
    rates = [float(schedule(step)) for step in range(101)]
    assert rates[0] == pytest.approx(0.02)
    assert max(rates) == pytest.approx(0.5)
    assert rates.index(max(rates)) == 20
    assert rates[100] == pytest.approx(0, abs=1e-6)
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert OneCycle.from_config(schedule.get_config()).peak == 0.5


def test_decay_leaves_biases_and_batch_norm_alone(small_recipe) -> None:
    from fer_trainer.recipe.files import load_recipe
    from fer_trainer.training.loop import new_network

    recipe = load_recipe(
        str(small_recipe),
        overrides=["optimiser.learning_rate=1.0", "optimiser.weight_decay=0.5",
                   "schedule.kind=constant", "averaging.momentum=0"],
    )  # fmt: skip
    network = new_network(recipe)
    optimiser = build_optimiser(recipe, steps_per_epoch=1)
    before = [array(variable) for variable in network.trainable_variables]
    nothing = [keras.ops.zeros_like(variable) for variable in network.trainable_variables]
    optimiser.apply(nothing, network.trainable_variables)
    for variable, old in zip(network.trainable_variables, before, strict=True):
        kept = 0.5 if variable.name == "kernel" else 1.0
        assert array(variable) == pytest.approx(old * kept, abs=1e-6), variable.path


@pytest.mark.parametrize(("steps", "momentum"), [(10_000, 0.998), (100, 0.8), (5, 0.0)])
def test_the_weight_average_fits_the_length_of_the_run(steps: int, momentum: float) -> None:
    from fer_trainer.recipe.files import load_recipe

    recipe = load_recipe("edge-small", overrides=["training.epochs=1"])
    optimiser = build_optimiser(recipe, steps_per_epoch=steps)
    assert optimiser.use_ema
    assert optimiser.ema_momentum == pytest.approx(momentum)


def test_new_networks_of_one_seed_are_the_same(small_recipe) -> None:
    from fer_trainer.recipe.files import load_recipe
    from fer_trainer.training.loop import new_network

    first, same, other = (
        new_network(load_recipe(str(small_recipe), overrides=[f"training.seed={seed}"]))
        for seed in (1, 1, 2)
    )
    kernel = [array(network.get_layer("02_conv").kernel) for network in (first, same, other)]
    assert np.array_equal(kernel[0], kernel[1])
    assert not np.array_equal(kernel[0], kernel[2])


def test_refreshed_statistics_are_the_plain_mean_over_the_batches() -> None:
    inner = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization()])
    inputs = keras.Input((2,))
    model = keras.Model(inputs, inner(inputs))
    rng = np.random.default_rng(0)
    data = [(rng.normal(3, 2, (50, 2)).astype(np.float32), None) for _ in range(6)]
    refresh_statistics(model, data)
    (norm,) = inner.layers
    means = np.mean([batch.mean(axis=0) for batch, _ in data], axis=0)
    variances = np.mean([batch.var(axis=0) for batch, _ in data], axis=0)
    assert array(norm.moving_mean) == pytest.approx(means, rel=1e-4)
    assert array(norm.moving_variance) == pytest.approx(variances, rel=1e-4)
    assert norm.momentum == 0.99


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_run(value: float) -> None:
    with pytest.raises(DivergedError, match=r"epoch 3.*lower the learning rate"):
        StopWhenDiverged().on_epoch_end(2, {"loss": value, "val_loss": 1.0})


def test_history_grows_line_by_line(tmp_path) -> None:
    path = tmp_path / "history.csv"
    history = History(path)
    history.set_model(type("Model", (), {"optimizer": keras.optimizers.SGD(0.25)})())
    history.on_train_begin()
    for epoch in range(2):
        history.on_epoch_begin(epoch)
        history.on_epoch_end(epoch, {"loss": 1.5, "val_accuracy": 0.5})
        rows = list(csv.DictReader(path.read_text().splitlines()))
        assert len(rows) == epoch + 1
    assert rows[1]["epoch"] == "2"
    assert rows[1]["learning_rate"] == "0.25"
    assert rows[1]["loss"] == "1.5"


def test_progress_is_a_plain_line_an_epoch_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    progress = Progress(lines.append)
    progress.set_params({"epochs": 2, "steps": 3})
    progress.on_epoch_begin(0)
    progress.on_train_batch_end(0)
    progress.on_epoch_end(0, {"loss": 1.25, "val_accuracy": 0.5})
    assert lines[0].startswith("epoch 1/2  loss 1.2500  val_accuracy 0.5000  ")
    assert lines[0].endswith(" left")
    assert "pictures/s" not in lines[0], "the batch was not told"
    assert capsys.readouterr().err == ""


def test_progress_tells_throughput_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("fer_trainer.training.callbacks.time.monotonic", lambda: now[0])
    lines: list[str] = []
    shown = io.StringIO()
    progress = Progress(lines.append, batch=64, line=ProgressLine(shown, shown=True))
    progress.set_params({"epochs": 2, "steps": 10})
    progress.on_epoch_begin(0)
    now[0] += 2
    progress.on_train_batch_end(4)
    assert "epoch 1/2 [######" in shown.getvalue()
    assert "160 pictures/s  0:06 left" in shown.getvalue()
    now[0] += 2
    progress.on_train_batch_end(9)
    now[0] += 6  # validation
    progress.on_epoch_end(0, {"loss": 1.25})
    assert lines[0].endswith("loss 1.2500  160 pictures/s  0:10 left")


def test_the_first_epoch_says_nothing_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("fer_trainer.training.callbacks.time.monotonic", lambda: now[0])
    lines: list[str] = []
    progress = Progress(lines.append)
    progress.set_params({"epochs": 5, "steps": 10})
    for epoch, seconds in enumerate((60, 2, 2)):
        progress.on_epoch_begin(epoch)
        now[0] += seconds
        progress.on_epoch_end(epoch)
    assert [line.split()[-2] for line in lines] == ["4:00", "0:06", "0:04"]
