"""The page and the plots that all three parts make their reports of."""

import itertools
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from fer_edge.commands.bench.report.page import bar_plot, distribution_plot, line_plot
from fer_edge.shared.report import page as markup
from fer_edge.shared.report.plot import Plot, around, linear, logarithmic, named, stairs

SVG = "{http://www.w3.org/2000/svg}"
EVIL = "\"><script>alert(1)</script>&amp;\x1b[0m\udcff'"
SHOWN = "\"><script>alert(1)</script>&amp;\\x1b[0m\\udcff'"


def a_page(*sections, **more):
    return markup.page("t", heading="h", lead="l", sections=sections, **more)


def test_a_page_is_whole_and_needs_nothing_from_outside():
    made = a_page(("one", "One", [markup.paragraph("words")]), style=".own { color: red; }")
    root = ET.fromstring(made)
    assert made.startswith("<!DOCTYPE html>\n")
    assert [root.find(f".//{tag}").text for tag in ("title", "h1", "h2")] == ["t", "h", "One"]
    assert root.find(".//section").get("id") == "one"
    assert root.find(".//a").get("href") == "#one"
    assert ".own { color: red; }" in root.find(".//style").text
    assert not re.search(r"https?:|@import|url\(|<script|<link|src=", made)


def test_the_style_is_for_light_dark_narrow_and_paper():
    style = ET.fromstring(a_page()).find(".//style").text
    for medium in ("screen and (prefers-color-scheme: dark)", "(max-width: 34rem)", "print"):
        assert f"@media {medium} {{" in style
    assert style.count("{") == style.count("}")
    used = set(re.findall(r"var\((--[a-z]+)\)", style)) - {"--colour"}
    light, dark = style.split("@media screen", 1)
    assert all(f"{name}:" in light and f"{name}:" in dark for name in used)


def test_a_section_without_content_is_left_out_with_its_link():
    root = ET.fromstring(a_page(("none", "None", []), ("some", "Some", ["<p>x</p>"])))
    assert [each.get("id") for each in root.iter("section")] == ["some"]
    assert [each.get("href") for each in root.iter("a")] == ["#some"]


@pytest.mark.parametrize(
    "piece",
    [
        markup.paragraph(EVIL),
        markup.paragraph(EVIL, kind="note"),
        markup.heading(EVIL),
        markup.preformatted(EVIL),
        markup.verdict(EVIL, EVIL, passed=True, notes=[EVIL]),
        markup.table([EVIL, EVIL], [[EVIL, EVIL]]),
        markup.tiles([(EVIL, EVIL, EVIL)]),
        markup.facts([(EVIL, EVIL)]),
        Plot(EVIL, named([EVIL]), named([EVIL])).to_html(),
    ],
)
def test_whatever_is_said_is_text_and_nothing_else(piece):
    root = ET.fromstring(f"<body>{piece}</body>")
    assert not list(root.iter("script"))
    said = [words for words in root.itertext() if "alert" in words]
    assert said
    assert all(words.removeprefix(": ") == SHOWN for words in said)


def test_numbers_stand_at_the_right_and_words_at_the_left():
    root = ET.fromstring(markup.table(["a", "b", "c"], [["x", "y", "1"]], words=2))
    for row in root.iter("tr"):
        assert [cell.get("class") for cell in row] == [None, None, "number"]


def test_a_verdict_is_marked_as_good_or_bad():
    kinds = [ET.fromstring(markup.verdict("w", "y", passed=p)).get("class") for p in (True, False)]
    assert kinds == ["passed", "failed"]


def drawn_of(plot):
    """Return all places that something is drawn at, and the frame they must lie in."""
    root = ET.fromstring(plot.to_svg())
    lines = [pair for line in root.iter(f"{SVG}polyline") for pair in line.get("points").split()]
    places = [tuple(map(float, pair.split(","))) for pair in lines]
    places += [(float(t.get("x")), float(t.get("y"))) for t in root.iter(f"{SVG}text")]
    return places, tuple(map(float, root.get("viewBox").split()))


@pytest.mark.parametrize(
    "plot",
    [
        line_plot("t", [(0, 1), (60, 3)], x_unit="s", unit="ms"),
        line_plot("t", [(0, 5), (60, 5)], x_unit="s", unit="a unit with a long name " * 3),
        bar_plot("t", [("network", (1, 2, 900)), ("detector 640x480", (5, 9, 11))], unit="ms"),
        bar_plot("t", [("nothing", (0, 0, 0))], unit="ms"),
        distribution_plot({"quick": [0.0, 0.1, 0.2], "slow": [100.0] * 999}, unit="ms"),
        distribution_plot({"one": [1.0]}, unit="ms"),
    ],
)
def test_nothing_is_drawn_outside_the_frame(plot):
    places, (left, top, width, height) = drawn_of(plot)
    assert places
    for x, y in places:
        assert left <= x <= left + width
        assert top <= y <= top + height


def test_a_line_goes_through_its_points():
    plot = Plot("t", linear("", 0, 10), linear("", 0, 100), height=200)
    plot.line([(0, 0), (5, 50), (10, 100)], name="rising")
    ends = ET.fromstring(plot.to_svg()).find(f"{SVG}polyline").get("points").split()
    (x0, y0), (x1, y1), (x2, y2) = (map(float, end.split(",")) for end in ends)
    assert (y0, y1, y2) == (200, 100, 0), "downwards, as SVG counts"
    assert x0 == 0
    assert x1 == pytest.approx(x2 / 2, abs=0.1)
    assert "rising</li>" in plot.to_html()


@pytest.mark.parametrize(
    ("axis", "ticks"),
    [
        (linear("", 0, 1), ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (linear("", 0, 100), ["0", "20", "40", "60", "80", "100"]),
        (linear("", -0.3, 0.3), ["-0.3", "-0.2", "-0.1", "0", "0.1", "0.2", "0.3"]),
        (linear("", 7, 7), ["7", "7.2", "7.4", "7.6", "7.8", "8"]),
        (logarithmic("", [0.5, 90]), ["1", "3", "10", "30", "100"]),
        (logarithmic("", [2, 20]), ["1", "2", "5", "10", "20"]),
        (named(["a", "b"]), ["a", "b"]),
    ],
)
def test_an_axis_has_round_numbers(axis, ticks):
    assert [words for _, words in axis.ticks] == ticks
    shares = [axis.share(value) for value, _ in axis.ticks]
    assert shares == sorted(shares)
    assert all(a < b for a, b in itertools.pairwise(shares))


def test_equal_ratios_are_equal_steps_of_a_logarithmic_axis():
    axis = logarithmic("", [1, 100])
    assert axis.share(10) == pytest.approx(0.5)
    assert axis.share(0) == 0, "what has no logarithm lies at the low end"


def test_an_axis_around_values_leaves_room_beyond_them():
    axis = around("", [1.0, 3.0])
    assert 0 < axis.share(1.0) < axis.share(3.0) < 1


def test_stairs_keep_each_height_between_two_edges():
    assert stairs([0, 1, 3], [5, 2]) == [(0, 5), (1, 5), (1, 2), (3, 2)]


def test_a_plot_in_a_page_takes_the_colours_of_the_page_and_a_file_its_own():
    plot = Plot("title", linear("x", 0, 1), linear("y", 0, 1))
    inside, alone = ET.fromstring(plot.to_svg()), ET.fromstring(plot.to_svg(alone=True))
    assert inside.get("color") is None
    assert all(text.get("fill") == "currentColor" for text in inside.iter(f"{SVG}text"))
    assert alone.get("color") == "#1f2328"
    assert next(alone.iter(f"{SVG}rect")).get("fill") == "#ffffff"
    assert "title" in [text.text for text in alone.iter(f"{SVG}text")]
    assert "title" not in [text.text for text in inside.iter(f"{SVG}text")], "it stands above"


def test_the_style_lies_in_the_package():
    assert Path(markup.__file__).with_name("page.css").is_file()
