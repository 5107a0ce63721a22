"""Tables into records: what fits, what is refused and how it is named, and back to TOML."""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

import pytest

from fer_edge.shared.errors import SettingsError
from fer_edge.shared.typed_tables import Given, TableError, from_table, resolve, setting, to_toml


@dataclass(frozen=True)
class Lens:
    name: str
    focus: float = setting(1.0, above=0, below=10)


@dataclass(frozen=True)
class Camera:
    pixels: int
    mode: Literal["grey", "colour"] = "grey"
    gain: float | None = None
    labels: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    lens: Lens = Lens("wide")
    spares: tuple[Lens, ...] = ()


WHOLE = {
    "pixels": 5,
    "mode": "colour",
    "gain": 2,
    "labels": ["a", "b"],
    "counts": {"a": 1},
    "lens": {"name": "far", "focus": 9.5},
    "spares": [{"name": "near"}, {"name": "old", "focus": 0.5}],
}


def test_a_whole_table_becomes_a_record():
    found = from_table(Camera, WHOLE)
    spares = (Lens("near"), Lens("old", 0.5))
    assert found == Camera(5, "colour", 2.0, ("a", "b"), {"a": 1}, Lens("far", 9.5), spares)
    assert type(found.gain) is float


def test_what_has_a_default_may_be_missing():
    assert from_table(Camera, {"pixels": 5, "gain": None}) == Camera(5)
    with pytest.raises(TableError, match=r"missing \['mode'\]"):
        from_table(Camera, {k: v for k, v in WHOLE.items() if k != "mode"}, optional=())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pixels": True}, "field 'pixels' is true and not a whole number"),
        ({"pixels": 5.0}, "field 'pixels' is 5.0"),
        ({"gain": "2"}, "field 'gain' is '2' and not a number"),
        ({"gain": float("inf")}, "field 'gain' is inf"),
        ({"gain": 10**400}, "field 'gain' is 1000"),
        ({"mode": "blue"}, "'blue' and not one of grey, colour"),
        ({"labels": "ab"}, "field 'labels' is 'ab' and not a list, each a string"),
        ({"labels": ["a", 1]}, "field 'labels' is 1"),
        ({"counts": {"a": "many"}}, "field 'a' is 'many' in counts"),
        ({"lens": 3}, "field 'lens' is 3"),
        ({"lens": {"focus": 1.0}}, r"fields of lens missing \['name'\]"),
        (
            {"lens": {"name": "a", "focus": 10}},
            "'focus' is 10 in lens and not .* below 10",
        ),
        (
            {"spares": [{"name": "a", "zoom": 2}]},
            r"of spares .* unknown \['zoom'\]",
        ),
        ({"zoom": 2}, r"unknown \['zoom'\]"),
    ],
)
def test_what_does_not_fit_is_named(changes, words):
    with pytest.raises(TableError, match=words):
        from_table(Camera, WHOLE | changes)


def test_of_a_later_version_fields_and_choices_may_be_unknown():
    later = WHOLE | {"zoom": 2, "mode": "blue", "lens": {"name": "far", "focus": 9.5, "age": 1}}
    found = from_table(Camera, later, later=True)
    assert (found.mode, found.lens) == ("blue", Lens("far", 9.5))
    with pytest.raises(TableError, match="field 'mode' is 3"):
        from_table(Camera, later | {"mode": 3}, later=True)


def test_a_list_of_tables_is_a_setting_like_any_other():
    found = resolve(Camera, [Given(key, value, "file") for key, value in WHOLE.items()])
    assert found.settings == from_table(Camera, WHOLE)
    assert found.origins["spares"] == found.origins["lens.focus"] == "file"
    with pytest.raises(SettingsError, match=r"expected a list.*'focus' is 0 in spares.*above 0"):
        resolve(Camera, [Given("spares", [{"name": "a", "focus": 0}], "file")])


def test_what_is_written_as_toml_reads_back_the_same():
    camera = from_table(Camera, WHOLE | {"labels": ['a "quote"', "\x7f", "ü\\"]})
    assert from_table(Camera, tomllib.loads(to_toml(asdict(camera)))) == camera
