"""The documentation says what the programs do, and every link and command in it exists."""

import importlib.util
import re
import shlex
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType

import click
import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = sorted(
    page
    for pattern in (
        "*.md", "docs/**/*.md", "deploy/**/*.md", "systemd/*.md", "benchmarks/*.md",
        "edge/*.md", "convert/*.md", "trainer/*.md",
    )
    for page in ROOT.glob(pattern)
)  # fmt: skip
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
LONGEST_LINE = 120
TOP_FOLDERS = ("benchmarks", "convert", "deploy", "docs", "edge", "systemd", "tests", "trainer")


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


every_page = pytest.mark.parametrize("page", PAGES, ids=named)


def generator(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_code(text: str) -> str:
    """Return a page's prose: code in blocks and in lines is blanked."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S))


def code_blocks(page: Path, language: str) -> Iterator[str]:
    """Yield the code blocks of a page, with continued lines joined."""
    blocks = rf"^ *```{language}\n(.*?)^ *```"
    for block in re.findall(blocks, page.read_text(encoding="utf-8"), flags=re.M | re.S):
        yield block.replace("\\\n", " ")


def commands_in(block: str) -> Iterator[list[str]]:
    """Yield the words of each command as a shell parts them, without sudo and variables."""
    for name, value in re.findall(r'^(\w+)="(.*)"$', block, flags=re.M):
        block = block.replace(f"${name}", value)
    for line in block.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if not re.fullmatch(r"[|&;<>]+", word):
                words.append(word)
                continue
            while words and (words[0] in {"sudo", "do"} or re.match(r"[A-Z_]+=", words[0])):
                words.pop(0)
            if words:
                yield words
            words = []


def commands_of(*programs: str) -> list[tuple[str, str]]:
    """Return page and command of all that a reader is told to type of some programs."""
    return sorted(
        {
            (named(page), shlex.join(words))
            for page in PAGES
            for block in code_blocks(page, "bash")
            for words in commands_in(block)
            if Path(words[0]).name in programs
        }
    )


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


@pytest.mark.parametrize(
    ("page", "writer", "function"),
    [
        ("command-line.md", "generate_cli", "page"),
        ("settings.md", "generate_settings", "page"),
        ("recipe-settings.md", "generate_settings", "recipe_page"),
        ("python.md", "generate_api", "page"),
    ],
)
def test_a_generated_page_is_what_make_docs_writes(page: str, writer: str, function: str) -> None:
    written = (REFERENCE / page).read_text(encoding="utf-8")
    assert written == getattr(generator(writer), function)(), "run `make docs`"


@pytest.mark.parametrize(("page", "line"), commands_of("fer-edge", "fer-train", "fer-convert"))
def test_every_documented_command_parses(page: str, line: str) -> None:
    words = shlex.split(line)
    program = Path(words[0]).name
    module, command = {name: rest for name, *rest in generator("generate_cli").PROGRAMS}[program]
    parse(getattr(import_module(module), command), program, words[1:])


def named_in_prose() -> list[tuple[str, str]]:
    """Return page and text of every command that stands in code within a line."""
    span = re.compile(r"`((?:[\w.~/-]*/)?fer-(?:edge|train|convert) [^`]+)`")
    return sorted(
        {(named(page), text) for page in PAGES for text in span.findall(page.read_text("utf-8"))}
    )


@pytest.mark.parametrize(("page", "text"), named_in_prose())
def test_commands_and_options_that_prose_names_exist(page: str, text: str) -> None:
    program, *words = text.split()
    module, name = {
        name: rest for name, *rest in generator("generate_cli").PROGRAMS
    }[Path(program).name]  # fmt: skip
    command: click.Command = getattr(import_module(module), name)
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    # What follows a group, such as `fer-edge bench`, is an option of its own or a command of it.
    if isinstance(command, click.Group) and words and not command.invoke_without_command:
        assert words[0].startswith(("-", "...")), f"{text}: no command {words[0]}"
    known = {option for each in command.params for option in each.opts} | {"--help", "--version"}
    wanted = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert wanted <= known


def test_documented_commands_are_found_in_every_guide_that_has_some() -> None:
    found = commands_of("fer-edge", "fer-train", "fer-convert", "make")
    assert len(found) >= 80
    pages = {page for page, _ in found}
    assert {"README.md", "docs/guide/train.md", "docs/guide/convert.md"} <= pages


def targets_of_the_makefile() -> Mapping[str, str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z-]+):.*## (.*)$", text, flags=re.M))


@pytest.mark.parametrize(("page", "line"), commands_of("make"))
def test_every_documented_target_of_make_exists(page: str, line: str) -> None:
    wanted = [word for word in shlex.split(line)[1:] if "=" not in word]
    assert set(wanted) <= set(targets_of_the_makefile())


@every_page
def test_targets_of_make_that_prose_names_exist(page: Path) -> None:
    wanted = re.findall(r"`make ([a-z-]+)`", page.read_text(encoding="utf-8"))
    assert set(wanted) <= set(targets_of_the_makefile())


@every_page
def test_paths_of_the_repository_exist(page: Path) -> None:
    """In code blocks and in code in a line: what begins with one of its folders is there."""
    text = page.read_text(encoding="utf-8")
    code = re.findall(r"`([^`\n]+)`", text) + [
        line for block in code_blocks(page, "bash") for line in block.splitlines()
    ]
    path = re.compile(rf"(?<![\w./~-])((?:{'|'.join(TOP_FOLDERS)})/[\w./-]*[\w/])(?![\w*])")
    found = {each for piece in code for each in path.findall(piece)} - {"edge/dist"}
    written = {each for each in found if not re.search(r"\b[A-Z]{3,}\b", each)}  # NAME, FILE
    assert not [each for each in sorted(written) if not (ROOT / each).exists()]


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    prose = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    anchors: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", prose, flags=re.M):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        taken = sum(known == slug or known.startswith(f"{slug}-") for known in anchors)
        anchors.add(f"{slug}-{taken}" if slug in anchors else slug)
    return anchors


def links_of(page: Path) -> list[str]:
    text = without_code(page.read_text(encoding="utf-8"))
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]


@every_page
def test_links_lead_to_files_that_exist(page: Path) -> None:
    files = [link.partition("#")[0] for link in links_of(page)]
    assert not [file for file in files if file and not (page.parent / file).exists()]


@every_page
def test_links_lead_to_headings_that_exist(page: Path) -> None:
    for link in links_of(page):
        file, _, anchor = link.partition("#")
        target = (page.parent / file) if file else page
        if anchor and target.suffix == ".md":
            assert anchor in anchors_of(target), f"{link} in {named(page)}"


def test_every_page_of_the_documentation_can_be_reached_from_its_index() -> None:
    reached, waiting = set(), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        waiting += [
            page.parent / link.partition("#")[0] for link in links_of(page) if link[0] != "#"
        ]
    assert not [named(page) for page in DOCS.rglob("*.md") if page.resolve() not in reached]


@every_page
def test_lines_are_short(page: Path) -> None:
    """Rows of tables, pictures, and what a program printed cannot be broken."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"^ *```text\n.*?^ *```", "", text, flags=re.M | re.S)
    lines = [line for line in text.splitlines() if not re.match(r" *\||!\[", line)]
    assert not [line for line in lines if len(line) > LONGEST_LINE]


@every_page
def test_no_page_sends_a_reader_to_files_that_only_its_writers_have(page: Path) -> None:
    assert "../shared" not in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", DECISIONS, ids=named)
def test_a_decision_has_status_and_date(page: Path) -> None:
    title, _, status, *_ = page.read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(rf"# {int(page.name[:4])}\. \S.*", title)
    assert re.fullmatch(r"\*\*Status:\*\* (accepted|superseded by \d{4}), \d{4}-\d\d-\d\d", status)
    listed = (DOCS / "decisions/README.md").read_text(encoding="utf-8")
    assert f"| [{page.name[:4]}]({page.name}) |" in listed
    assert status[-10:] in next(line for line in listed.splitlines() if page.name in line)


@pytest.mark.parametrize("page", sorted((DOCS / "log").glob("*.md")), ids=named)
def test_figures_of_the_log_are_dated(page: Path) -> None:
    if page.name == "index.md":
        return
    sections = re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.M)[1:]
    assert sections
    dated = re.compile(r".*\n\n\*2026-\d\d-\d\d[^*]*\*\n")
    assert not [section.partition("\n")[0] for section in sections if not dated.match(section)]


@pytest.mark.parametrize("package", ["edge/fer_edge", "convert/fer_convert", "trainer/fer_trainer"])
def test_the_architecture_names_every_door(package: str) -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    doors = [
        f"{entry.name}/" if entry.is_dir() else entry.name
        for entry in (ROOT / package).iterdir()
        if entry.name not in {"__init__.py", "__pycache__", "py.typed"}
    ]
    assert doors
    assert not [door for door in sorted(doors) if f"`{door}`" not in text]


def test_the_changelog_has_a_dated_version_and_an_open_one() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## (.*)$", text, flags=re.M)
    assert heads[0] == "[Unreleased]"
    assert heads[1:]
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", head) for head in heads[1:])


def test_pinned_versions_hold_names_and_versions_only() -> None:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[a-z0-9-]+==[A-Za-z0-9.+!]+( ; .+)?", line), line
        assert "/" not in line
