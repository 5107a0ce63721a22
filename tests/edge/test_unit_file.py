"""The unit of the service has each line that its page explains, and the page explains each line."""

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "fer-edge.service"
PAGE = ROOT / "docs" / "reference" / "service.md"
LEFT_OUT = "..."
NOT_EXPLAINED = {"Description", "After", "WantedBy"}


def lines_of_the_unit():
    """Return the values of each name in the unit."""
    found = defaultdict(set)
    for line in UNIT.read_text("utf-8").splitlines():
        name, assigned, value = line.partition("=")
        if assigned and not line.startswith("#"):
            found[name].add(value)
    return dict(found)


def lines_of_the_page():
    """Return the values of each name in the page's table: LEFT_OUT where it states none."""
    table = PAGE.read_text("utf-8").partition("## What each line of the unit is for")[2]
    found = defaultdict(set)
    for row in re.findall(r"^\| (`.*?`) \|", table.partition("\n## ")[0], flags=re.M):
        for line in re.findall("`([^`]+)`", row):
            name, assigned, value = line.partition("=")
            found[name].add(value if assigned else "yes")
    return dict(found)


def test_the_unit_says_what_the_page_says():
    unit, page = lines_of_the_unit(), lines_of_the_page()
    assert len(page) > 50
    stated = {name: values for name, values in page.items() if values != {LEFT_OUT}}
    assert {name: unit.get(name) for name in stated} == stated


def test_the_page_explains_each_line_of_the_unit():
    assert lines_of_the_unit().keys() - NOT_EXPLAINED == lines_of_the_page().keys()
