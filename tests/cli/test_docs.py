"""The documentation says what the programs do."""

import importlib.util
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import click
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_cli", ROOT / "docs/generate_cli.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def documented_commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in re.findall(r"```bash\n(.*?)```", page.read_text(), flags=re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if re.search(r"(^|/)fer-(edge|train|convert) ", line.split(" ")[0] + " "):
                    yield page.name, line


def parse(command: click.Command, name: str, arguments: list[str]) -> None:
    """Parse arguments as the program would, without running it."""
    context = command.make_context(name, arguments)
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        if not rest and command.invoke_without_command:
            return
        child_name, child, left = command.resolve_command(context, rest)
        assert child is not None
        parse(child, str(child_name), left)


def test_the_page_of_commands_is_what_make_docs_writes() -> None:
    written = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    assert written == generator().page(), "run `make docs`"


@pytest.mark.parametrize(("page", "line"), sorted(set(documented_commands())))
def test_every_documented_command_parses(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    program = Path(words[0]).name
    module, command = {name: rest for name, *rest in generator().PROGRAMS}[program]
    parse(getattr(import_module(module), command), program, words[1:])


def test_some_documented_commands_are_found() -> None:
    assert len(list(documented_commands())) >= 8


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    local = [link for link in links if "://" not in link]
    missing = [link for link in local if not (page.parent / link).exists()]
    assert not missing


def test_pinned_versions_hold_names_and_versions_only() -> None:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[a-z0-9-]+==[A-Za-z0-9.+!]+( ; .+)?", line), line
        assert "/" not in line
