"""What was measured of the recipes that ship."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from fer_edge.shared.typed_tables import from_table


@dataclass(frozen=True, slots=True)
class RecipeFigures:
    """One recipe, trained to its end.

    Attributes:
        test_accuracy: Share of the test pictures given their own label; of several seeds the mean.
        pictures: In the test part.
        seeds: Trainings.
        training_minutes: Of one of them.
        cores: On which.
        log: The page and heading that has the whole measurement.
    """

    test_accuracy: float
    pictures: int
    seeds: int
    training_minutes: int
    cores: int
    log: str


def recipe_figures() -> Mapping[str, RecipeFigures]:
    """Return the figures by recipe; one that was never trained to its end is not there."""
    text = files("fer_trainer.recipe").joinpath("figures.toml").read_text(encoding="utf-8")
    return {name: from_table(RecipeFigures, row) for name, row in tomllib.loads(text).items()}
