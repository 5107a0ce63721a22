"""What `--help` says, and what starting the program costs."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from command_line import fer_edge

from fer_convert.cli import convert
from fer_edge import __version__
from fer_edge.cli import cli
from fer_trainer.cli import cli as training

HEAVY = [
    "tensorflow",
    "keras",
    "torch",
    "matplotlib",
    "cv2",
    "numpy",
    "ai_edge_litert",
    "tflite_runtime",
]


def all_commands(command=cli, path=()):
    yield path
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from all_commands(child, (*path, name))


def find(path):
    command = cli
    for name in path:
        command = command.commands[name]
    return command


COMMANDS = list(all_commands())


def test_the_documented_commands_exist():
    documented = {"run", "classify", "evaluate", "selftest", "inspect", "demo", "sources", "config"}
    assert documented | {"bench", "doctor", "status"} <= set(cli.commands)
    assert {"compare"} <= set(cli.commands["bench"].commands)
    assert {"show", "check"} <= set(cli.commands["config"].commands)


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(path, flag):
    shown = fer_edge(*path, flag)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith(f"Usage: {' '.join(['fer-edge', *path])} ")
    assert "-h, --help" in shown.stdout


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_and_option_has_a_sentence(path):
    command = find(path)
    assert command.help.strip().split("\n")[0].endswith(".")
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert all(option.help for option in options)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_fits_a_terminal(path):
    shown = CliRunner().invoke(cli, [*path, "--help"], terminal_width=80)
    assert max(map(len, shown.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("command", "words"), [(training, [name]) for name in training.commands] + [(convert, [])]
)
def test_help_of_the_workstation_fits_a_terminal(command, words):
    shown = CliRunner().invoke(command, [*words, "--help"], terminal_width=80)
    assert max(map(len, shown.stdout.splitlines())) <= 80


@pytest.mark.parametrize("group", [cli, training], ids=["fer-edge", "fer-train"])
def test_a_list_of_commands_cuts_no_sentence(group):
    shown = CliRunner().invoke(group, ["--help"], terminal_width=80)
    listed = shown.stdout.partition("Commands:\n")[2].splitlines()
    assert len(listed) == len(group.commands)
    assert [line for line in listed if not line.endswith(".") or line.endswith("...")] == []


def test_version():
    shown = CliRunner().invoke(cli, ["--version"])
    assert shown.stdout == f"fer-edge, version {__version__}\n"


@pytest.mark.parametrize(
    "statement",
    [
        "import fer_edge",
        "import fer_edge.cli",
        *(f"from fer_edge.cli import cli; cli({[*path, '--help']!r})" for path in COMMANDS),
    ],
)
def test_starting_imports_nothing_heavy(statement):
    script = f"""
import sys
try:
    {statement}
except SystemExit as end:
    assert end.code == 0, end.code
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_running_imports_no_training_framework(tmp_path):
    script = f"""
import sys
from fer_edge.cli import cli
try:
    cli(["demo", "--json", "--out", {str(tmp_path)!r}])
except SystemExit as end:
    assert not end.code, end.code
print([n for n in "tensorflow keras torch matplotlib PIL scipy".split() if n in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
