"""The commands `fer-edge config ...`."""

from functools import partial
from pathlib import Path

import click

from fer_edge.commands.options import resolve_settings, settings_options
from fer_edge.shared.terminal.command_line import echo, echo_result, json_option, printable
from fer_edge.shared.terminal.option_types import NamedPath


@click.group()
def config() -> None:
    """Show settings with their origin, or check a settings file."""


@config.command()
@settings_options
@json_option
def show(config: Path | None, assignments: tuple[str, ...], as_json: bool) -> None:
    """Print every setting as TOML, with where its value came from."""
    from fer_edge.commands.listings import format_settings, settings_to_json

    rows = resolve_settings(config, assignments, {}).rows()
    echo_result(partial(settings_to_json, rows), partial(format_settings, rows), as_json=as_json)


@config.command()
@click.argument("file", type=NamedPath())
@click.option(
    "--on-device", is_flag=True, help="Open outputs, spool, port, broker and camera, too."
)
@click.option(
    "--user", metavar="NAME", default="", help="Check with this user's rights; needs root."
)
def check(file: Path, on_device: bool, user: str) -> None:
    """Say what `fer-edge run --config FILE` would say to a file.

    Checks every setting and what they are together, reads secrets and certificates, and loads the
    model. Root sees the secrets in /etc/credstore as the service does. Opens nothing else, so the
    file of another device can be checked, too; with --on-device it has to work here and now.

    Exit codes: 0 it would start, 78 something in the file is wrong; with --on-device also 1 an
    output cannot be written, 69 camera or broker unavailable.
    """
    from fer_edge.commands.check import check as check_all

    check_all(resolve_settings(file, (), {}).settings, on_device=on_device, user=user)
    echo(f"ok: {printable(str(file))}")
