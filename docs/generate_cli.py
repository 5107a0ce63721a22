"""Write docs/reference/command-line.md from every command's help; a test checks it."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click

from fer_edge.shared.terminal.command_line import CONTEXT_SETTINGS

PROGRAMS = (
    ("fer-edge", "fer_edge.cli", "cli"),
    ("fer-train", "fer_trainer.cli", "cli"),
    ("fer-convert", "fer_convert.cli", "convert"),
)
INTRODUCTION = """\
# Command line

Made by `make docs` from the programs' own help; do not edit.

Standard output is data, standard error is logs and progress. What a command's end means:
[exit codes](exit-codes.md). What `--json` prints: [JSON](json.md). What `--set` takes:
[settings](settings.md) and [settings of a recipe](recipe-settings.md).

Shell completion, for the running shell:

| shell | line to type |
|---|---|
| bash | `eval "$(_FER_EDGE_COMPLETE=bash_source fer-edge)"` |
| zsh | `eval "$(_FER_EDGE_COMPLETE=zsh_source fer-edge)"` |
| fish | `_FER_EDGE_COMPLETE=fish_source fer-edge \\| source` |

`_FER_TRAIN_COMPLETE` and `_FER_CONVERT_COMPLETE` do the same for the other two.
"""


def describe(command: click.Command, name: str) -> Iterator[str]:
    """Yield the help of a command and of those inside it."""
    # A command without settings of its own has those of the group around it.
    inherited = {**CONTEXT_SETTINGS, **command.context_settings}
    settings = {**inherited, "max_content_width": 96, "terminal_width": 96}
    context = click.Context(command, info_name=name, **settings)
    yield f"## `{name}`\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            inside = command.get_command(context, child)
            if inside is not None:
                yield from describe(inside, f"{name} {child}")


def page() -> str:
    """Return docs/reference/command-line.md."""
    parts = [INTRODUCTION]
    for name, module, command in PROGRAMS:
        parts += describe(getattr(import_module(module), command), name)
    return "\n".join(parts)


if __name__ == "__main__":
    target = Path(__file__).parent / "reference" / "command-line.md"
    target.write_text(page(), encoding="utf-8")
    print(f"wrote {target.name}", file=sys.stderr)  # noqa: T201
