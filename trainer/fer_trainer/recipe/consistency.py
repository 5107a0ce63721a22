"""Checks of a recipe that concern more than one of its settings; they need no Keras."""

import re
import string
from pathlib import PurePosixPath
from typing import Final

from fer_edge.shared.errors import LabelError, SettingsError
from fer_edge.shared.labels import ALIASES, label_set
from fer_edge.shared.model.words import is_licence
from fer_trainer.network.counting import count_network
from fer_trainer.network.language import parse_layers
from fer_trainer.recipe.settings import OutputSettings, Recipe
from fer_trainer.run.folder import WHOLE

EPOCH_FIELDS: Final = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")
"""What may stand in braces in the name of an epoch's weights."""

_TILES: Final = 4
"""As `training.changing` has it; not imported, because that needs Keras."""

_LEAST_IN_COMMON: Final = 2
"""Labels of two heads of which one is mixed into the other."""

_HEAD_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")

_ENDINGS: Final = {
    "best_weights": ".h5", "last_model": ".h5", "epoch_weights": ".h5",
    "loss_curve": ".png", "accuracy_curve": ".png",
    "confusion_matrix": ".png", "sample_predictions": ".png",
}  # fmt: skip


def check_recipe(recipe: Recipe, *, where: str) -> None:
    """Refuse a recipe whose settings, each possible by itself, contradict each other.

    Args:
        recipe: As read.
        where: Its name, for messages.

    Raises:
        SettingsError: They do, or the network's lines are not understood.
        LabelError: There is no such label set.
    """
    recipe.labels.check()
    labels = recipe.label_names
    layers = parse_layers(recipe.network.layers)
    _check_schedule(recipe, where)
    settled = not recipe.labels.of_folders
    if settled and recipe.outputs.words and len(recipe.outputs.words) != len(labels):
        raise SettingsError(
            f"{where}: outputs: words has {len(recipe.outputs.words)} words",
            expected=f"one for each of {', '.join(labels)}",
            fix="correct the list, or leave it out",
        )
    best = recipe.selection.deliver == "best" or recipe.outputs.best_weights
    if best and recipe.averaging.momentum > 0:
        raise SettingsError(
            f"{where}: averaging together with the weights of the best epoch",
            expected="one of the two: an average spans many epochs",
            fix="set averaging.momentum=0, or selection.deliver=last without outputs.best_weights",
        )
    _check_input(recipe, where)
    if recipe.augmentation.faceless_probability and (
        recipe.input.height % _TILES or recipe.input.width % _TILES
    ):
        raise SettingsError(
            f"{where}: shuffled tiles of {recipe.input.height}x{recipe.input.width}",
            expected=f"sides that {_TILES} divides",
            fix="change input.height and input.width, or set augmentation.faceless_probability=0",
        )
    if recipe.augmentation.mixup and recipe.augmentation.cutmix_probability:
        raise SettingsError(
            f"{where}: augmentation: mixup and cutmix_probability",
            expected="one of the two: a picture is mixed with one other",
            fix="set one of them to 0",
        )
    if recipe.training.init_beside and not recipe.training.init_from:
        raise SettingsError(
            f"{where}: training: init_beside without init_from",
            expected="a model file that the others stand beside",
            fix="name one of them as init_from",
        )
    if not is_licence(recipe.card.licence):
        raise SettingsError(
            f"{where}: card: licence {recipe.card.licence!r}",
            expected="an SPDX identifier, such as Apache-2.0 or CC-BY-4.0",
            fix="correct it",
        )
    _check_names(recipe.outputs, where)
    _check_heads(recipe, where)
    _check_teaching(recipe, where)
    count_network(layers, input_shape=recipe.input_spec.shape, labels=recipe.answers)


def output_files(outputs: OutputSettings) -> dict[str, str]:
    """Return the names of the files that a recipe adds to the top of the run folder, by setting."""
    return {
        key: name for key in _ENDINGS if key != "epoch_weights" and (name := _name(outputs, key))
    }


def _name(outputs: OutputSettings, key: str) -> str:
    return str(getattr(outputs, key))


def _check_heads(recipe: Recipe, where: str) -> None:
    names = [head.name for head in recipe.heads]
    if not names:
        return
    for number, head in enumerate(recipe.heads, start=1):
        try:
            _ = label_set(head.labels)
        except LabelError as error:
            raise LabelError(
                f"{where}: heads.{number}.labels: {error.found}",
                expected=error.expected,
                fix=error.fix,
            ) from error
        if not _HEAD_NAME.fullmatch(head.name) or head.name in names[: number - 1]:
            raise SettingsError(
                f"{where}: heads.{number}.name is {head.name!r}",
                expected="a name of its own, of small letters, digits, - and _",
                fix="choose another name",
            )
    for number, head in enumerate(recipe.heads, start=1):
        own = {*label_set(head.labels).labels}
        others = [
            each.name
            for each in recipe.heads
            if each != head
            and len(own.intersection(label_set(each.labels).labels)) >= _LEAST_IN_COMMON
        ]
        if head.blend and head.blend not in others:
            raise SettingsError(
                f"{where}: heads.{number}.blend is {head.blend!r}",
                expected="the name of another head with which this one has two labels in common",
                fix="choose one of " + (", ".join(others) or "none") + ", or leave it out",
            )
    if recipe.heads[0].labels != recipe.labels.title:
        raise SettingsError(
            f"{where}: labels is {recipe.labels.title!r}, and the first head's are "
            f"{recipe.heads[0].labels!r}",
            expected="the same: the first head's pictures are those that are split",
            fix=f'write labels = "{recipe.heads[0].labels}", or put another head first',
        )
    if recipe.layers[-1].kind != "softmax":
        raise SettingsError(
            f"{where}: heads on a network that ends with {recipe.layers[-1].text!r}",
            expected="softmax, which stands for the last layer of each head",
            fix="end it with softmax, or leave the heads out",
        )
    given = [key for key in (*output_files(recipe.outputs), "words", "epoch_weights")
             if getattr(recipe.outputs, key)]  # fmt: skip
    if given or recipe.distillation.teachers:
        raise SettingsError(
            f"{where}: heads together with "
            + (f"outputs.{given[0]}" if given else "distillation.teachers"),
            expected="neither files of documented systems nor teachers in the loop",
            fix="leave it out; a network with heads is taught by distillation.answers",
        )


def _check_input(recipe: Recipe, where: str) -> None:
    """Refuse what fits neither colours nor labels of one's own."""
    if recipe.input.equalise and recipe.input.colour != "grey":
        raise SettingsError(
            f"{where}: input: equalise with colour {recipe.input.colour!r}",
            expected="grey pictures, whose histogram is one",
            fix="leave input.equalise out, or input.colour",
        )
    strange = [label for label in recipe.label_names if label not in ALIASES]
    if recipe.data.doubts and (strange or recipe.labels.merge):
        raise SettingsError(
            f"{where}: data.doubts with labels of one's own ({recipe.labels.title})",
            expected="expressions of FER+, on which people have voted",
            fix="leave data.doubts out",
        )


def _check_teaching(recipe: Recipe, where: str) -> None:
    given, binary = recipe.distillation, recipe.layers[-1].kind == "sigmoid"
    if given.teachers and given.answers:
        raise SettingsError(
            f"{where}: distillation: teachers and answers",
            expected="one of the two",
            fix="leave the teachers out: the answers are theirs",
        )
    if recipe.data.unlabelled and not (given.teachers or given.answers):
        raise SettingsError(
            f"{where}: data: unlabelled, and nobody who says what these faces show",
            expected="distillation.answers or distillation.teachers",
            fix="name one, or leave the unlabelled faces out",
        )
    if recipe.data.unlabelled and recipe.unlabelled.even and given.teachers:
        raise SettingsError(
            f"{where}: unlabelled: even, with teachers in the loop",
            expected="distillation.answers, or no such patterns",
            fix="store the teachers' answers by `fer-train teach`",
        )
    if binary and (given.answers or recipe.training.logit_adjustment):
        key = "distillation.answers" if given.answers else "training.logit_adjustment"
        raise SettingsError(
            f"{where}: {key} on a network that ends with sigmoid",
            expected="softmax",
            fix=f"end it with softmax, or leave {key} out",
        )


def _check_schedule(recipe: Recipe, where: str) -> None:
    given = recipe.schedule
    if given.kind != "steps":
        if given.after_epochs or given.rates:
            raise SettingsError(
                f"{where}: schedule: rates with kind {given.kind!r}",
                expected="after_epochs and rates with kind steps only",
                fix='set schedule.kind="steps", or remove them',
            )
        return
    ascending = all(a < b for a, b in zip((0, *given.after_epochs), given.after_epochs))  # noqa: B905
    pairs = given.rates and len(given.rates) == len(given.after_epochs)
    if not (pairs and ascending and all(rate > 0 for rate in given.rates)):
        raise SettingsError(
            f"{where}: schedule: after_epochs {list(given.after_epochs)}, "
            f"rates {list(given.rates)}",
            expected="ascending numbers of epochs, and a rate above 0 for each",
            fix="correct them, e.g. after_epochs = [20, 30], rates = [0.00025, 0.00005]",
        )


def _check_names(outputs: OutputSettings, where: str) -> None:
    taken = set(WHOLE)
    for key, ending in _ENDINGS.items():
        name = _name(outputs, key)
        if not name:
            continue
        if PurePosixPath(name).name != name or "\\" in name or name[0] == "." or name in taken:
            raise SettingsError(
                f"{where}: outputs: {key} is {name!r}",
                expected="a plain file name that no other file of the run has",
                fix="choose another name",
            )
        if not name.endswith(ending) or name == ending:
            raise SettingsError(
                f"{where}: outputs: {key} is {name!r}",
                expected=f"a name ending in {ending}",
                fix=f"name it for instance {PurePosixPath(name).stem}{ending}",
            )
        taken.add(name)
    _check_epoch_name(outputs.epoch_weights, where)


def _check_epoch_name(name: str, where: str) -> None:
    if not name:
        return
    try:
        fields = {field for _, field, _, _ in string.Formatter().parse(name) if field is not None}
        fits = "epoch" in fields and fields <= set(EPOCH_FIELDS)
        # A format that does not fit a number shows here and not after the first epoch.
        _ = name.format(**{"epoch": 1, **dict.fromkeys(EPOCH_FIELDS[1:], 0.5)}) if fits else ""
    except (ValueError, IndexError, KeyError):
        fits = False
    if not fits:
        raise SettingsError(
            f"{where}: outputs: epoch_weights is {name!r}",
            expected="a name with {epoch}, and in braces nothing but " + ", ".join(EPOCH_FIELDS),
            fix="write it for instance ep{epoch:03d}-loss{loss:.3f}.h5",
        )
