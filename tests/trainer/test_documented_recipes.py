"""What the documented recipes promise beside their networks."""

from pathlib import Path

import numpy as np
import pytest

from fer_edge.shared.errors import SettingsError
from fer_trainer.backend import keras
from fer_trainer.recipe.files import load_recipe
from fer_trainer.recipe.settings import AugmentationSettings
from fer_trainer.training.best_epoch import EpochSelection, EpochWeights
from fer_trainer.training.loop import new_network
from fer_trainer.training.optimiser import build_optimiser, learning_rate

OFF = AugmentationSettings()

# recipe: labels, optimiser's rate, batch, epochs, validation share, monitor, patience, delivers
TRAINING = {
    "happy-sad-deep": ("happy-sad", 1e-4, 64, 100, 0.3, "val_loss", 25, "best"),
    "seven-gap": ("fer2013", 5e-4, 64, 40, 0.1, "val_loss", 0, "last"),
    "seven-wide": ("fer2013", 1e-3, 128, 25, 0.1, "val_loss", 10, "last"),
    "happy-sad-simple": ("happy-sad", 1e-3, 64, 10, 0.2, "val_loss", 0, "last"),
    "seven-classic": ("fer2013", 1e-4, 64, 50, 0.1, "val_accuracy", 0, "best"),
}

AUGMENTATION = {
    "happy-sad-deep": AugmentationSettings(
        flip=True, rotation_degrees=10, shift=0.05, shear_degrees=0.5, zoom=0.05
    ),
    "seven-gap": OFF,
    "seven-wide": AugmentationSettings(flip=True, rotation_degrees=10, zoom=0.1),
    "happy-sad-simple": OFF,
    "seven-classic": AugmentationSettings(flip=True, shift=0.1),
}


@pytest.mark.parametrize("name", TRAINING)
def test_training_is_as_documented(name: str) -> None:
    recipe = load_recipe(name)
    found = (
        recipe.labels.title,
        recipe.optimiser.learning_rate,
        recipe.training.batch_size,
        recipe.training.epochs,
        recipe.data.validation_fraction,
        recipe.selection.monitor,
        recipe.selection.patience,
        recipe.selection.deliver,
    )
    assert found == TRAINING[name]
    assert recipe.augmentation == AUGMENTATION[name]
    assert recipe.averaging.momentum == recipe.training.label_smoothing == 0
    assert isinstance(build_optimiser(recipe, steps_per_epoch=3), keras.optimizers.Adam)


def test_the_wide_recipe_has_the_documented_seed() -> None:
    recipe = load_recipe("seven-wide")
    assert (recipe.data.seed, recipe.training.seed) == (42, 42)


def test_the_rate_of_seven_gap_changes_after_20_and_30_epochs() -> None:
    rate = learning_rate(load_recipe("seven-gap"), steps_per_epoch=7)
    by_epoch = {0: 5e-4, 19: 5e-4, 20: 2.5e-4, 29: 2.5e-4, 30: 5e-5, 39: 5e-5}
    for epoch, expected in by_epoch.items():
        for step in (7 * epoch, 7 * epoch + 6):  # the first and the last of the epoch
            assert float(rate(step)) == pytest.approx(expected), (epoch, step)


@pytest.mark.parametrize(
    "schedule",
    [
        "rates=[0.1]",
        "after_epochs=[3]",
        "after_epochs=[5, 3]",
        "after_epochs=[0]",
    ],
)
def test_rates_and_epochs_of_a_schedule_must_fit(schedule: str) -> None:
    changes = [f"schedule.{schedule}", "schedule.kind=steps"]
    if schedule == "after_epochs=[5, 3]":
        changes.append("schedule.rates=[0.1, 0.01]")
    elif schedule == "after_epochs=[0]":
        changes.append("schedule.rates=[0.1]")
    with pytest.raises(SettingsError, match="schedule: after_epochs"):
        load_recipe("happy-sad-simple", overrides=changes)


def test_rates_without_steps_are_refused() -> None:
    with pytest.raises(SettingsError, match="kind 'constant'"):
        load_recipe("seven-gap", overrides=["schedule.kind=constant"])


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ('outputs.words=["Happy"]', "1 words"),
        ("averaging.momentum=0.9", "averaging"),
        ("outputs.loss_curve=../loss.png", "plain file name"),
        ("outputs.loss_curve=metrics.json", "plain file name"),
        ("outputs.loss_curve=loss.jpg", "ending in .png"),
        ("outputs.last_model=EmoDetector", "ending in .h5"),
        ("outputs.confusion_matrix=trainingloss.png", "plain file name"),
        ("outputs.epoch_weights=weights.h5", "with {epoch}"),
        ('outputs.epoch_weights="ep{epoch:s}.h5"', "with {epoch}"),
        ('outputs.epoch_weights="ep{epoch}-{lr}.h5"', "with {epoch}"),
        ('outputs.epoch_weights="ep{epoch.h5"', "with {epoch}"),
        ("outputs.last_modell=a.h5", "did you mean 'outputs.last_model'"),
        ("selection.monitor=loss", "val_loss, val_accuracy"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(override: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_recipe("seven-classic", overrides=[override])
    assert words in str(caught.value)


def a_network(value: float = 0.0):
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    network.set_weights([np.full((1, 1), value, np.float32)])
    return network


def epochs_until_stopped(values: list[float], **changes: object) -> tuple[EpochSelection, int]:
    """Run the callback over epochs with these values; the network's weight is the epoch."""
    overrides = [f"selection.{key}={value}" for key, value in changes.items()]
    settings = load_recipe("seven-gap", overrides=overrides).selection
    network = a_network()
    selection = EpochSelection(network, settings, keep_best=False)
    selection.set_model(network)
    network.stop_training = False
    for epoch, value in enumerate(values):
        network.set_weights([np.full((1, 1), epoch + 1, np.float32)])
        selection.on_epoch_end(epoch, {settings.monitor: value})
        if network.stop_training:
            break
    selection.on_train_end()
    return selection, epoch + 1


def test_training_stops_after_patience_epochs_without_a_better_value() -> None:
    _, stopped = epochs_until_stopped([3, 2, 2, 2.5, 2, 1], patience=3)
    assert stopped == 5  # 2 is not better than 2
    _, stopped = epochs_until_stopped([3, 2, 2.5, 1.9, 2, 2, 1], patience=3)
    assert stopped == 7
    _, stopped = epochs_until_stopped([1, 2, 3, 4, 5, 6], patience=0)
    assert stopped == 6


@pytest.mark.parametrize(
    ("monitor", "deliver", "weight"),
    [("val_loss", "best", 3), ("val_accuracy", "best", 2), ("val_loss", "last", 4)],
)
def test_the_delivered_weights_are_those_asked_for(monitor: str, deliver: str, weight: int) -> None:
    selection, _ = epochs_until_stopped([2, 9, 1, 3], monitor=monitor, deliver=deliver)
    assert selection._network.get_weights()[0].item() == weight
    assert selection.best_epoch == {"val_loss": 3, "val_accuracy": 2}[monitor]


def test_a_resumed_selection_goes_on_where_it_stood() -> None:
    settings = load_recipe("seven-gap", overrides=["selection.patience=3"]).selection
    first = EpochSelection(a_network(5), settings, keep_best=True)
    first.on_epoch_end(0, {"val_loss": 1.0})
    first.on_epoch_end(1, {"val_loss": 2.0})
    network = a_network(7)
    again = EpochSelection(network, settings, keep_best=True)
    again.set_model(network)
    network.stop_training = False
    again.remember(first.state())
    again.on_epoch_end(2, {"val_loss": 1.5})
    assert not network.stop_training
    again.on_epoch_end(3, {"val_loss": 1.5})
    assert network.stop_training
    assert (again.best_epoch, again.best_weights[0].item()) == (1, 5)


@pytest.mark.parametrize(
    ("name", "override", "words"),
    [
        ("seven-gap", "input.height=8", "layer 20 'maxpool' does not fit"),
        ("happy-sad-simple", "input.width=8", "a window of 2x2 is larger than what is left, 21x1"),
        ("happy-sad-simple", "labels=fer2013", "a sigmoid output with 7 labels"),
    ],
)
def test_an_impossible_network_is_refused_with_its_layer(
    name: str, override: str, words: str
) -> None:
    # The words of the source's labels fit no other label set; that is said first.
    changes = ["outputs.words=[]"] if name == "happy-sad-simple" else []
    with pytest.raises(SettingsError) as caught:
        new_network(load_recipe(name, overrides=[*changes, override]))
    assert words in str(caught.value)


def test_an_epoch_trained_again_leaves_one_file_of_weights(tmp_path: Path) -> None:
    name = load_recipe("seven-wide").outputs.epoch_weights
    keeper = EpochWeights(a_network(), tmp_path, name)
    for epoch, loss in ((0, 2.0), (9, 1.5), (9, 1.25)):
        keeper.on_epoch_end(epoch, {"loss": loss, "val_loss": 1.0})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "ep001-loss2.000-val_loss1.000.h5",
        "ep010-loss1.250-val_loss1.000.h5",
    ]
