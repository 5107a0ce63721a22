"""The whole job of `fer-train recipes`: what ships, what it costs, how good it became."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from fer_edge.shared.errors import SettingsError
from fer_edge.shared.terminal.tables import format_fields, format_table
from fer_trainer.network.cost import NetworkCost, int8_bytes
from fer_trainer.network.counting import count_network
from fer_trainer.recipe.figures import RecipeFigures, recipe_figures
from fer_trainer.recipe.files import load_recipe, shipped_recipes
from fer_trainer.recipe.settings import Recipe

_USUAL: Final = (48, 48, 1)
"""Shape of the pictures that the documented networks take."""
_HEADER: Final = (
    "recipe", "labels", "parameters", "MMAC", "int8 kB", "test accuracy", "training",
)  # fmt: skip
_NOTES: Final = """\
int8 kB: estimated, without contract and golden vectors. -: not trained to its end.
Test accuracy and time of training: measured by this project on FER2013, with intervals and machines
in docs/log/training.md and docs/log/models.md. The sources themselves publish no accuracy."""


@dataclass(frozen=True, slots=True)
class ListedRecipe:
    """A recipe that ships.

    Attributes:
        recipe: Its settings.
        cost: Of its network.
        figures: What was measured; None where it was never trained to its end.
    """

    recipe: Recipe
    cost: NetworkCost
    figures: RecipeFigures | None

    def to_json(self) -> dict[str, Any]:
        """Return what the command prints."""
        return {
            "name": self.recipe.name,
            "labels": self.recipe.labels.title,
            "source": self.recipe.source,
            "parameters": self.cost.parameters,
            "macs": self.cost.macs,
            "int8_bytes": int8_bytes(self.cost.layers),
            "epochs": self.recipe.training.epochs,
            "measured": None if self.figures is None else asdict(self.figures),
        }


def recipe_cost(recipe: Recipe) -> NetworkCost:
    """Count a recipe's network without building it.

    Raises:
        SettingsError: A layer does not fit what comes before it.
    """
    return count_network(recipe.layers, input_shape=recipe.input_spec.shape, labels=recipe.answers)


def list_recipes() -> list[ListedRecipe]:
    """Return the recipes that ship, by name."""
    figures = recipe_figures()
    return [
        ListedRecipe(recipe, recipe_cost(recipe), figures.get(recipe.name))
        for recipe in map(load_recipe, shipped_recipes())
    ]


def format_recipes(found: Sequence[ListedRecipe]) -> str:
    """Return a line a recipe."""
    rows = [
        [
            each.recipe.name,
            each.recipe.labels.title,
            f"{each.cost.parameters:,}",
            f"{each.cost.macs / 1e6:,.1f}",
            f"{int8_bytes(each.cost.layers) / 1000:,.0f}",
            "-" if each.figures is None else f"{each.figures.test_accuracy:.1%}",
            "-" if each.figures is None else _duration(each.figures),
        ]
        for each in found
    ]
    return f"{format_table(_HEADER, rows)}\n{_NOTES}"


def format_network(recipe: Recipe) -> str:
    """Return what a network takes and tells apart, and what that costs beside what is usual."""
    given, labels = recipe.input_spec, recipe.label_names
    fields = [
        ("input", f"{given.colour} {given.width}x{given.height}{_beside_usual(recipe)}"),
        (
            "labels",
            "the names of the data's folders; counted with two"
            if recipe.labels.of_folders
            else f"{len(labels)}: {', '.join(labels)}",
        ),
        ("int8", f"about {int8_bytes(recipe_cost(recipe).layers) / 1000:,.0f} kB"),
    ]
    return format_fields(fields)


def _beside_usual(recipe: Recipe) -> str:
    """Say how the work compares with that on grey pictures of 48x48; "" where it is that."""
    if recipe.input_spec.shape == _USUAL:
        return ""
    try:
        usual = count_network(recipe.layers, input_shape=_USUAL, labels=recipe.answers).macs
    except SettingsError:
        return ""  # these layers do not fit so small a picture
    height, width, _ = _USUAL
    times = recipe_cost(recipe).macs / max(1, usual)
    return f", {times:.2f} times the multiply-accumulates of grey {width}x{height}"


def _duration(figures: RecipeFigures) -> str:
    hours, minutes = divmod(figures.training_minutes, 60)
    time = f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
    return f"{time}, {figures.cores} {'core' if figures.cores == 1 else 'cores'}"
