"""The settings that a first installation writes: right, and honest about the defaults."""

import re
import tomllib
from pathlib import Path

from fer_edge.settings import resolve

TEXT = (Path(__file__).parents[2] / "deploy" / "config.toml").read_text()


def settings(text):
    return resolve(flags={}, environment={}, file=tomllib.loads(text))


def test_what_is_in_force_is_right():
    found = settings(TEXT).settings
    assert (found.source.uri, found.model.path, found.output.file) == ("0", "slot", "")


def test_every_line_that_is_commented_out_shows_the_default():
    defaults = {row.key: row.value for row in settings("").rows()}
    section, shown = "", {}
    for line in TEXT.splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section = header[1]
        elif pair := re.fullmatch(r"# (\w+ = .+)", line):
            ((key, value),) = tomllib.loads(pair[1]).items()
            shown[f"{section}.{key}"] = value
    assert len(shown) > 5
    assert shown == {key: defaults[key] for key in shown}
