"""Options that several commands share, and what becomes of them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_edge import DEFAULT_MODEL
from fer_edge.shared.terminal.command_line import options
from fer_edge.shared.terminal.option_types import NamedPath

if TYPE_CHECKING:
    from fer_edge.settings import ResolvedSettings

model_option = click.option(
    "--model",
    metavar="NAME|FILE",
    help=f"Shipped model, or a model file.  [default: {DEFAULT_MODEL}]",
)


participant_options = options(
    click.option(
        "--participants", metavar="FOLDER", help="Folder of participants' files, NAME.json each."
    ),
    click.option(
        "--participant", metavar="NAME", help="Whose face it is; nobody is recognised by it."
    ),
)


settings_options = options(
    click.option(
        "--config",
        metavar="FILE",
        type=NamedPath(),
        envvar="FER_EDGE_CONFIG",
        help="TOML file of settings; see `fer-edge config show`.",
    ),
    click.option(
        "--set",
        "assignments",
        metavar="SECTION.KEY=VALUE",
        multiple=True,
        help="Override one setting; may be given several times.",
    ),
)


def resolve_settings(
    config: Path | None, assignments: tuple[str, ...], flags: Mapping[str, str | None]
) -> "ResolvedSettings":
    """Merge flags, environment, file and defaults.

    Args:
        config: The settings file, if one is given.
        assignments: What `--set` was given.
        flags: Values of other options by setting; None where an option is not given.

    Raises:
        SettingsError: A key or value is wrong, or the file cannot be read.
    """
    from fer_edge.settings import read_settings_file, resolve  # noqa: PLC0415 - not for --help

    given: dict[str, str] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise click.UsageError(f"--set {assignment}: expected SECTION.KEY=VALUE")
        given[key.strip()] = value.strip()
    given |= {key: value for key, value in flags.items() if value is not None}
    return resolve(
        flags=given,
        environment=os.environ,
        file={} if config is None else read_settings_file(config),
        file_name=str(config),
    )
