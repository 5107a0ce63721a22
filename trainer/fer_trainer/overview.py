"""Commands of `fer-train` that look at what there is: recipes, networks, runs."""

from functools import partial
from pathlib import Path

import click

from fer_edge.shared.terminal.command_line import echo, echo_json, echo_result, json_option
from fer_trainer.network.language import GRAMMAR


@click.command()
@json_option
def recipes(as_json: bool) -> None:
    """List the recipes that ship."""
    from fer_trainer.recipe.files import load_recipe, shipped_recipes

    found = [load_recipe(name) for name in shipped_recipes()]
    if as_json:
        echo_json([{"name": r.name, "labels": r.labels, "source": r.source} for r in found])
        return
    for recipe in found:
        echo(f"{recipe.name:<18} {recipe.labels:<10} {recipe.source}")


@click.command(epilog="\b\nThe language of networks:\n" + GRAMMAR)
@click.argument("recipe")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.svg",
    help="Write the network's layered picture.",
)
@json_option
def describe(recipe: str, out: Path | None, as_json: bool) -> None:
    """Show the network of RECIPE: layers, parameters, multiply-accumulates."""
    from fer_trainer.recipe.files import load_recipe

    settings = load_recipe(recipe)
    from fer_trainer.network.cost import network_cost
    from fer_trainer.training.loop import new_network

    network = new_network(settings)
    if out is not None:
        from fer_trainer.report.files import write_network

        write_network(network, out)
    cost = network_cost(network)
    if as_json:
        echo_json({"name": settings.name, "labels": settings.label_names, **cost.to_json()})
        return
    echo(f"{'layer':<22} {'kind':<24} {'output':<14} {'parameters':>10} {'MACs':>12}")
    for layer in cost.layers:
        shape = "x".join(str(n) for n in layer.shape)
        echo(
            f"{layer.name:<22} {layer.kind:<24} {shape:<14} {layer.parameters:>10,} "
            f"{layer.macs:>12,}"
        )
    echo(f"{'total':<62} {cost.parameters:>10,} {cost.macs:>12,}")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default="runs")
@json_option
def runs(folder: Path, as_json: bool) -> None:
    """List the runs in FOLDER and below it: recipe, data, epochs, best validation, size, state.

    FOLDER is `runs` where none is given. An unfinished run goes on with `fer-train fit --resume`.
    """
    from fer_trainer.jobs.runs import format_runs, list_runs

    found = list_runs(folder)
    if not found and not as_json:
        click.echo(f"{folder} holds no run", err=True)
        return
    echo_result(
        lambda: [entry.to_json() for entry in found], partial(format_runs, found), as_json=as_json
    )
