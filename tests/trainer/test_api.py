"""`import fer_trainer`: a training in one call."""

import json

import pytest

import fer_trainer
from fer_edge.shared.errors import DataError, OutputError, SettingsError


def test_it_leaves_and_returns_what_the_command_does(small_recipe, faces, tmp_path):
    lines, seen, out = [], [], tmp_path / "run"
    import keras

    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    settings = {"optimiser.learning_rate": 0.01, "data.seed": 3, "augmentation": {"flip": False}}
    run = fer_trainer.fit(
        small_recipe, faces, out=out, settings=settings, epochs=1, callbacks=[watch],
        tell=lines.append,
    )  # fmt: skip
    assert run.path == out
    assert run.metrics == json.loads((out / "metrics.json").read_text())
    recipe = (out / "recipe.toml").read_text()
    assert all(line in recipe for line in ("learning_rate = 0.01", "epochs = 1", "flip = false"))
    assert seen == [0]
    assert lines[0] == f"reading {faces}"
    assert str(run).splitlines()[0] == str(out)
    assert [line.partition(":")[0] for line in str(run).splitlines()[1:]] == ["validation", "test"]
    with pytest.raises(OutputError, match="--force"):
        fer_trainer.fit(small_recipe, faces, out=out, tell=None)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"recipe": "no-such"}, SettingsError, "no recipe 'no-such'"),
        ({"data": "/no/where"}, DataError, "/no/where"),
        ({"force": True, "resume": True}, SettingsError, "give one of them"),
        ({"settings": {"training.epoch": 3}}, SettingsError, "epochs"),
        ({"settings": {"training.epochs": "three"}}, SettingsError, "training.epochs"),
        ({"settings": {"training.epochs": None}}, SettingsError, "training.epochs is NoneType"),
        ({"settings": "training.epochs=0"}, SettingsError, "training.epochs"),
    ],
)
def test_what_cannot_be(faces, tmp_path, capsys, change, error, said):
    given = {"recipe": "edge-nano", "data": faces, "out": tmp_path / "run", "tell": None, **change}
    with pytest.raises(error, match=said):
        fer_trainer.fit(**given)
    assert not (tmp_path / "run").exists()
    assert capsys.readouterr().out == ""


def test_only_what_is_public_is_offered():
    assert {"fit", "Run"} <= set(dir(fer_trainer))
    with pytest.raises(AttributeError, match="no attribute 'train'"):
        fer_trainer.train  # noqa: B018
