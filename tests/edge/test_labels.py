"""Expression names in every spelling."""

import pytest

from fer_edge.shared.errors import LabelError
from fer_edge.shared.labels import (
    ALIASES,
    LABEL_SETS,
    Vocabulary,
    canonical_label,
    canonical_labels,
    check_labels,
    find_label,
    label_set,
    labels_of_names,
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


@pytest.mark.parametrize(
    "word", ["smile", "no smile", "lächelt nicht", "笑顔", "3 fingers", "a.b_c-d"]
)
def test_any_word_can_be_a_label(word):
    check_labels([word, "another"])


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (["a/b", "c"], "'a/b' has '/'"),
        (["a+", "c"], "has '\\+'"),
        (["#", "c"], "has '#'"),
        (["..", "c"], "does not begin and end with a letter"),
        (["two\nlines", "c"], "letters that are not composed|several in a row"),
        (["a\x1b[31m", "c"], "has '"),
        (["", "c"], "0 characters"),
        (["x" * 41, "c"], "41 characters"),
        (["Uncertain", "c"], "said where there is no label"),
        (["none", "c"], "said where there is no label"),
        (["no smile", "No_Smile"], "occurs twice"),
        (["alone"], "1 label; expected 2 to 64"),
        ([f"label {number}" for number in range(65)], "65 labels"),
    ],
)
def test_what_can_be_no_labels_is_refused_with_the_reason(labels, why):
    with pytest.raises(LabelError, match=why):
        check_labels(labels)


def test_own_labels_are_found_in_any_spelling_and_by_alias():
    own = Vocabulary(("smile", "no smile"))
    names = ["Smile", "happiness", "NO-SMILE", " no_smile "]
    assert [own.find(name) for name in names] == ["smile", "smile", "no smile", "no smile"]
    assert own.find("Fearful") == "fear"  # known, and none of these labels
    with pytest.raises(LabelError, match=r"did you mean 'no smile'.*labels\.drop"):
        own.find("no smlie")


def test_names_can_be_merged_and_dropped():
    own = Vocabulary(
        ("negative", "happy"), merged={"negative": ("angry", "sad")}, dropped=("contempt",)
    )
    names = ["anger", "negative", "joy", "contemptuous"]
    assert [own.find(name) for name in names] == ["negative", "negative", "happy", None]


def test_a_label_that_is_an_alias_of_another_is_a_label_of_its_own():
    own = Vocabulary(("calm", "neutral"))
    assert [own.find(name) for name in ("calm", "neutral", "neutrality")] == [
        "calm", "neutral", "neutral",
    ]  # fmt: skip
    with pytest.raises(LabelError, match="may mean each of joy, smile"):
        Vocabulary(("smile", "joy")).find("happy")


def test_folders_name_the_labels_and_aliases_are_one():
    assert labels_of_names(["no smile", "smile"]) == ("no smile", "smile")
    assert labels_of_names(["anger", "angry", "0_happy", "bored"]) == ("angry", "bored", "happy")


def test_what_names_no_labels_cannot_be_used():
    with pytest.raises(LabelError, match="label 'a#b' has '#'"):
        labels_of_names(["a#b", "c"])


def test_a_label_is_found_by_what_it_means():
    assert find_label(("x", "Calm"), "neutral") == 1
    assert find_label(("smile", "no smile"), "neutral") is None
