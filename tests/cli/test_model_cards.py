"""One accuracy for each shipped model, wherever it is shown."""

import dataclasses
import re
from pathlib import Path

import pytest
from builders import a_contract
from click.testing import CliRunner
from tiny_model import tiny_model

from fer_edge.cli import cli
from fer_edge.commands.bench.measure.accuracy import accuracy_of_card
from fer_edge.commands.bench.report.text import format_accuracy
from fer_edge.models import open_model, shipped_models
from fer_edge.models.card import card_figures

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "edge/fer_edge/models"


def output_of(*arguments: str) -> str:
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


@pytest.mark.parametrize("name", shipped_models())
def test_every_command_shows_the_accuracy_of_the_card_with_its_yardstick(name: str) -> None:
    card = card_figures(open_model(name))
    assert card is not None
    assert f"**{card}**" in (MODELS / f"{name}.md").read_text()
    models = output_of("models")
    assert max(map(len, models.splitlines())) <= 80
    (row,) = [line for line in models.splitlines() if re.match(rf"{name} .*%", line)]
    assert f" {card.accuracy:.1%} " in row
    _, _, below = models.partition(f"\n{name}\n")
    assert below.splitlines()[1].startswith(f"  {card}; ")
    told = output_of("inspect", name)
    assert f"{card}, on {card.n:,} pictures" in told
    assert told.count("\n") <= 24, "it fits a screen"
    assert str(card) in format_accuracy(accuracy_of_card(open_model(name)))


@pytest.mark.parametrize("name", shipped_models())
def test_inspect_shows_no_second_accuracy(name: str) -> None:
    card = card_figures(open_model(name))
    assert card is not None
    text = output_of("inspect", name)
    lines = [line for line in text.splitlines() if re.match(r"\s*\S*accuracy", line)]
    assert len(lines) == 1


@pytest.mark.parametrize("page", ["README.md", "docs/explanation/models.md", "docs/log/models.md"])
def test_pages_quote_the_same_accuracy(page: str) -> None:
    text = (ROOT / page).read_text()
    for name in shipped_models():
        card = card_figures(open_model(name))
        assert card is not None
        assert any(
            f"`{name}`" in line and f"{100 * card.accuracy:.1f} %" in line
            for line in text.splitlines()
        ), f"{page} does not say {card} of {name} in one line"


@pytest.mark.parametrize(
    "told",
    [None, "good", {"int8": []}, {"int8": {"accuracy": "high"}}, {"int8": {"accuracy": 10**400}},
     {"int8": {"accuracy": True}}, {"int8": {"n": 12}}],
)  # fmt: skip
def test_a_forged_accuracy_is_not_shown(tmp_path: Path, told: object) -> None:
    path = tmp_path / "forged.tflite"
    provenance = {"conversion": {"target": "int8", "metrics": told}}
    path.write_bytes(tiny_model(dataclasses.replace(a_contract(), provenance=provenance)))
    (line,) = [
        line for line in output_of("inspect", str(path)).splitlines() if "accuracy  " in line
    ]
    assert line.split()[1:] == ["not", "measured"]


def test_the_converters_accuracy_is_shown_as_its_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.tflite"
    metrics = {"int8": {"n": 200, "accuracy": 0.615}}
    provenance = {"conversion": {"target": "int8", "metrics": metrics}}
    path.write_bytes(tiny_model(dataclasses.replace(a_contract(), provenance=provenance)))
    assert "61.5% on 200 held-out pictures, says the converter" in output_of("inspect", str(path))


def test_a_model_of_ones_own_shows_what_its_contract_says(tiny: Path) -> None:
    assert card_figures(open_model(str(tiny))) is None
    (line,) = [line for line in output_of("inspect", str(tiny)).splitlines() if "accuracy" in line]
    assert line.split()[1:] == ["not", "measured"]
