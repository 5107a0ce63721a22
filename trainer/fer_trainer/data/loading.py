"""From a recipe and a path to the parts of a run; needs no Keras, so bad data shows at once."""

from dataclasses import replace
from pathlib import Path

from fer_trainer.data.heads import split_heads
from fer_trainer.data.origin import DataSet
from fer_trainer.data.reading import read_data
from fer_trainer.data.splitting import SplitData, split_data
from fer_trainer.data.unlabelled import read_unlabelled
from fer_trainer.recipe.settings import Recipe


def load_data(recipe: Recipe, path: Path) -> SplitData:
    """Read and split what a recipe is to be trained on.

    Args:
        recipe: Says which labels, what size, and how to split.
        path: Class folders, split folders, a ZIP of either, or FER2013's CSV.

    Raises:
        DataError: The data cannot be used.
        LabelError: A class folder's name is unknown.
    """

    def read(recipe: Recipe) -> DataSet:
        return read_data(
            path, labels=recipe.label_names, spec=recipe.input_spec, settings=recipe.data
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
