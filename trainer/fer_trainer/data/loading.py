"""From a recipe and a path to the parts of a run; needs no Keras, so bad data shows at once."""

from dataclasses import replace
from pathlib import Path

from fer_edge.shared.data.layout import LAYOUT
from fer_edge.shared.errors import DataError, LabelError
from fer_edge.shared.labels import is_expression, label_key, labels_of_names, without_number
from fer_trainer.data.heads import split_heads
from fer_trainer.data.origin import DataSet
from fer_trainer.data.reading import names_of_classes, read_data
from fer_trainer.data.splitting import SplitData, split_data
from fer_trainer.data.unlabelled import read_unlabelled
from fer_trainer.recipe.consistency import check_recipe
from fer_trainer.recipe.settings import Recipe


def settle_labels(recipe: Recipe, path: Path) -> Recipe:
    """Return the recipe with labels that are named; those of folders are by what the data has.

    Raises:
        DataError: There is no such data, or no class in it.
        LabelError: A folder's name cannot be a label, there are too few or too many, or the recipe
            merges or drops what neither it nor the data knows.
        SettingsError: The recipe contradicts itself with these labels.
    """
    strange = _strange_words(recipe)
    if not (recipe.labels.of_folders or strange):
        return recipe
    classes = names_of_classes(path)
    if not classes:
        raise DataError(
            f"{path} holds no class folder with pictures", expected=LAYOUT, fix="check the path"
        )
    known = {label_key(name) for each in classes for name in (each, without_number(each))}
    if lost := [(place, name) for place, name in strange if label_key(name) not in known]:
        place, name = lost[0]
        raise LabelError(
            f"labels.{place} names {name!r}, and no class of {path} is called so",
            expected="one of " + ", ".join(classes),
            fix="correct the name, or leave it out",
        )
    if not recipe.labels.of_folders:
        return recipe
    try:
        names = labels_of_names(classes)
        settled = replace(recipe, labels=replace(recipe.labels, names=names))
        check_recipe(settled, where=recipe.name)
    except LabelError as error:
        raise LabelError(
            f"{path}: {error.found}",
            expected=error.expected,
            fix=error.fix + "; or name the labels in the recipe instead of its folders",
        ) from error
    return settled


def _strange_words(recipe: Recipe) -> list[tuple[str, str]]:
    """Return what is merged or dropped and is no expression, nor a label of the recipe's."""
    given = {label_key(label) for label in recipe.labels.given}
    words = [("drop", name) for name in recipe.labels.drop]
    for label, names in recipe.labels.merge.items():
        words += [(f"merge.{label}", name) for name in names]
    return [
        (place, name)
        for place, name in words
        if not is_expression(name) and label_key(name) not in given
    ]


def load_data(recipe: Recipe, path: Path) -> SplitData:
    """Read and split what a recipe is to be trained on.

    Args:
        recipe: Says which labels, what size, and how to split; as `settle_labels` returned it.
        path: Class folders, split folders, a ZIP of either, or FER2013's CSV.

    Raises:
        DataError: The data cannot be used.
        LabelError: A class folder's name is unknown.
        ValueError: The labels are those of folders, and nobody has settled which.
    """
    if recipe.labels.of_folders:
        raise ValueError("the recipe's labels are its data's folders: call settle_labels first")

    def read(recipe: Recipe) -> DataSet:
        return read_data(
            path,
            labels=recipe.label_names,
            spec=recipe.input_spec,
            settings=recipe.data,
            vocabulary=recipe.labels.vocabulary,
        )

    def split(recipe: Recipe) -> SplitData:
        return split_data(
            read(recipe),
            labels=recipe.label_names,
            validation_fraction=recipe.data.validation_fraction,
            seed=recipe.data.seed,
        )

    found = split_heads(recipe, read=read, split=split) if recipe.heads else split(recipe)
    if not recipe.data.unlabelled:
        return found
    aside = [part for part in (found.val, found.test) if part is not None]
    return replace(found, unlabelled=read_unlabelled(recipe, aside=aside))
