"""What tuning found, into files."""

import os
from pathlib import Path

from fer_edge.commands.tune.outcome import Outcome, to_toml
from fer_edge.commands.tune.picture import draw_outcome
from fer_edge.shared.errors import OutputError


def refuse_existing(out: Path, *, force: bool) -> None:
    """Find out whether the files can be written, before minutes are spent.

    Raises:
        OutputError: They exist and may not be replaced, or their folder cannot be written to.
    """
    present = [str(path) for path in (out, out.with_suffix(".svg")) if path.exists()]
    if present and not force:
        raise OutputError(
            f"{', '.join(present)} exists already",
            expected="a new file",
            fix="name another with --out, or replace it with --force",
        )
    if not os.access(out.absolute().parent, os.W_OK):
        raise OutputError(
            f"{out.absolute().parent} cannot be written to",
            expected="a folder that may be written to",
            fix="name another file with --out",
        )


def write_outcome(outcome: Outcome, out: Path) -> list[Path]:
    """Write the settings and the picture.

    Raises:
        OutputError: The disk refused them.
    """
    contents = {out: to_toml(outcome), out.with_suffix(".svg"): draw_outcome(outcome)}
    try:
        for path, words in contents.items():
            part = path.with_name(f".{path.name}.part")
            part.write_text(words, encoding="utf-8")
            part.replace(path)
    except OSError as error:
        raise OutputError(
            f"{out} cannot be written ({error.strerror})",
            expected="a folder with room",
            fix="name another file with --out",
        ) from error
    return list(contents)
