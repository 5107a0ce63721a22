"""Expression names in every spelling."""

import pytest

from fer_edge.shared.errors import LabelError
from fer_edge.shared.labels import (
    ALIASES,
    LABEL_SETS,
    canonical_label,
    canonical_labels,
    index_map,
    label_set,
)


@pytest.mark.parametrize(
    ("name", "canonical"),
    [(alias, label) for label, aliases in ALIASES.items() for alias in (label, *aliases)],
)
def test_every_alias_in_any_case_means_its_expression(name, canonical):
    assert canonical_label(name) == canonical
    assert canonical_label(name.upper()) == canonical
    assert canonical_label(f"  {name.replace(' ', '_')} ") == canonical


def test_no_alias_means_two_expressions():
    names = [name for label, aliases in ALIASES.items() for name in (label, *aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("wrong", "near"), [("hapy", "happy"), ("Suprise", "surprise")])
def test_the_nearest_name_is_suggested(wrong, near):
    with pytest.raises(LabelError, match=f"unknown expression '{wrong}'.*did you mean '{near}'"):
        canonical_label(wrong)


@pytest.mark.parametrize("wrong", ["", "qqqq", "3"])
def test_a_name_like_no_other_lists_them_all(wrong):
    with pytest.raises(LabelError, match="angry, contempt, disgust, fear, happy, neutral"):
        canonical_label(wrong)


def test_names_keep_their_order():
    assert canonical_labels(["Sadness", "joy", "anger"]) == ("sad", "happy", "angry")


def test_two_names_of_one_expression_are_refused():
    with pytest.raises(LabelError, match="'happy' occurs twice"):
        canonical_labels(["happy", "sad", "joy"])


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("fer2013", "angry disgust fear happy sad surprise neutral"),
        ("ferplus", "neutral happy surprise sad angry disgust fear contempt"),
        ("happy-sad", "sad happy"),
    ],
)
def test_shipped_sets_keep_their_documented_order(name, labels):
    assert label_set(name).labels == tuple(labels.split())


def test_shipped_sets_use_canonical_names():
    for shipped in LABEL_SETS.values():
        assert canonical_labels(shipped.labels) == shipped.labels


def test_an_unknown_set_lists_the_known_ones():
    with pytest.raises(LabelError, match="'fer2014'; expected one of fer2013, ferplus, happy-sad"):
        label_set("fer2014")


def test_mapping_to_another_order():
    assert index_map(["joy", "contempt", "Anger"], label_set("fer2013").labels) == (3, None, 0)
