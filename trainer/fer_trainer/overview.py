"""Commands of `fer-train` that look at what there is: recipes, networks, runs."""

from functools import partial
from pathlib import Path

import click

from fer_edge.shared.terminal.command_line import echo_result, json_option
from fer_edge.shared.terminal.option_types import NamedPath
from fer_trainer.network.language import GRAMMAR

_FOLDER = NamedPath()


@click.command()
@json_option
def recipes(as_json: bool) -> None:
    """List the recipes that ship: cost, and what was measured."""
    from fer_trainer.jobs.recipes import format_recipes, list_recipes

    found = list_recipes()
    echo_result(
        lambda: [each.to_json() for each in found], partial(format_recipes, found), as_json=as_json
    )


@click.command(epilog="\b\nThe language of networks:\n" + GRAMMAR)
@click.argument("recipe")
@click.option(
    "--out",
    type=NamedPath(dir_okay=False),
    metavar="FILE.svg",
    help="Write the network's layered picture.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting of the recipe, as for `fit`. May be repeated.",
)
@json_option
def describe(recipe: str, out: Path | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Show RECIPE, each value with its origin, and its network.

    RECIPE is the name of a shipped recipe or a TOML file. A value comes from the file and line that
    is shown, which may be those of a recipe that RECIPE extends.
    """
    from fer_trainer.jobs.describing import described_to_json, format_described
    from fer_trainer.jobs.recipes import recipe_cost
    from fer_trainer.recipe.files import read_recipe

    written = read_recipe(recipe, overrides=overrides)
    cost = recipe_cost(written.recipe)
    if out is not None:
        from fer_trainer.report.files import write_network
        from fer_trainer.training.loop import new_network

        write_network(new_network(written.recipe), out)
    echo_result(
        partial(described_to_json, written, cost),
        partial(format_described, written, cost),
        as_json=as_json,
    )


@click.command()
@click.argument("folder", type=NamedPath(), default="runs")
@json_option
def runs(folder: Path, as_json: bool) -> None:
    """List the runs in FOLDER and below it, and what each came to.

    FOLDER is `runs` where none is given. Told are recipe, data, epochs, best validation, size and
    state. An unfinished run goes on with `fer-train fit --resume`.
    """
    from fer_trainer.jobs.runs import format_runs, list_runs

    found = list_runs(folder)
    if not found and not as_json:
        click.echo(f"{folder} holds no run", err=True)
        return
    echo_result(
        lambda: [entry.to_json() for entry in found], partial(format_runs, found), as_json=as_json
    )


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="RUN RUN...", type=_FOLDER)
@click.option(
    "--out",
    type=NamedPath(dir_okay=False),
    metavar="FILE.html",
    help="Write the comparison as one page, curves included; an older one is replaced.",
)
@json_option
def compare(paths: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Compare RUNs, each against the first on the same pictures.

    The test in pairs is McNemar's, on the pictures that both runs held out. It needs the same data
    set and labels. An unfinished run is compared by its curves alone.
    """
    if len(paths) < 2:
        raise click.UsageError("name two runs or more")
    from fer_trainer.jobs.compare import compare_runs, write_comparison
    from fer_trainer.report.comparison import format_comparison

    found = compare_runs(paths)
    if out is not None:
        write_comparison(found, out)
    echo_result(found.to_json, partial(format_comparison, found), as_json=as_json)
    if out is not None:
        click.echo(f"page: {out}", err=True)
