"""`fer-edge model`: models that are changed without ever being without one."""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fer_edge.shared.terminal.command_line import (
    echo,
    echo_json,
    echo_result,
    json_option,
    printable,
)
from fer_edge.shared.terminal.option_types import NamedPath

if TYPE_CHECKING:
    from fer_edge.models.changing import Change

_F = TypeVar("_F", bound=Callable[..., Any])


def _state_option(command: _F) -> _F:
    return click.option(
        "--state",
        metavar="FOLDER",
        type=NamedPath(file_okay=False),
        help="The daemon's, where the slots are.  [default: /var/lib/fer-edge]",
    )(command)


@click.group()
def model() -> None:
    """Change the daemon's model, with a way back.

    There are two slots, a and b, beside the model that ships. A new model is copied into the one
    that does not serve and runs its golden vectors there, on this device; only if all match does
    it serve. A daemon whose settings say `path = "slot"` under [model] uses it from its next start
    or `systemctl reload fer-edge` on. Should the model fail its test then, the other slot's
    serves, or the shipped one.
    """


@model.command()
@click.argument("file", type=NamedPath())
@_state_option
@json_option
def install(file: Path, state: Path | None, as_json: bool) -> None:
    """Let a model serve, if it passes its own test on this device.

    Warns where the converter found it at chance, or worse than what serves on the same pictures.
    With --json, prints {"changed", "serving", "before", "name", "sha256", "remarks"}.
    """
    from fer_edge.models.changing import install as change
    from fer_edge.models.slots import ModelSlots

    _tell(change(file, ModelSlots(state)), as_json=as_json)


@model.command()
@_state_option
@json_option
def rollback(state: Path | None, as_json: bool) -> None:
    """Let the model serve again that served before.

    It has to pass its test on this device still. With --json, prints {"changed", "serving",
    "before", "name", "sha256", "remarks"}.
    """
    from fer_edge.models.changing import roll_back
    from fer_edge.models.slots import ModelSlots

    _tell(roll_back(ModelSlots(state)), as_json=as_json)


@model.command()
@click.option("--verify", is_flag=True, help="Run the golden vectors of each model here.")
@_state_option
@json_option
def status(verify: bool, state: Path | None, as_json: bool) -> None:
    """Tell which model serves, and what is in the slots.

    The exit code is 78 where the model that is to serve cannot. With --json, prints
    {"folder", "serving", "before", "problem", "places": {"a", "b", "shipped":
    {"name", "sha256", "problem"}}}; an empty slot is null.
    """
    from fer_edge.models.changing import format_inventory, take_inventory
    from fer_edge.models.slots import ModelSlots
    from fer_edge.shared.errors import EXIT_CONFIG, SettingsError

    if state is not None and not os.path.lexists(state):
        raise SettingsError(
            f"there is no folder {state}",
            expected="the daemon's state folder",
            fix="check the path given as --state; `fer-edge model install` makes one",
        )
    found = take_inventory(ModelSlots(state), verify=verify)
    echo_result(found.to_json, partial(format_inventory, found), as_json=as_json)
    if not found.sound:
        sys.exit(EXIT_CONFIG)


def _tell(change: "Change", *, as_json: bool) -> None:
    pointer, contract = change.pointer, change.model.contract
    if as_json:
        echo_json(
            {
                "changed": change.changed,
                "serving": pointer.serving,
                "before": pointer.before,
                "name": contract.name,
                "sha256": change.model.sha256,
                "remarks": list(change.remarks),
            }
        )
        return
    place = pointer.serving if pointer.serving == "shipped" else f"slot {pointer.serving}"
    served = "serves" if change.changed else "serves already"
    echo(f"{contract.name} ({place}, sha256 {change.model.sha256[:12]}...) {served}")
    for remark in change.remarks:
        click.echo(f"warning: {printable(remark)}", err=True)
    if change.changed:
        click.echo("a running daemon takes it with: sudo systemctl reload fer-edge", err=True)
