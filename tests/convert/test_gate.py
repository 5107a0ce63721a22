"""The gate: what passes, what fails, and what nobody can tell."""

from dataclasses import replace

import numpy as np
import pytest

from fer_convert.judgement.comparison import Answers
from fer_convert.judgement.gate import check_gate, find_poor, find_remarks, judge
from fer_convert.targets import Target
from fer_edge.shared.data.samples import Samples
from fer_edge.shared.errors import GateError
from fer_edge.shared.statistics import paired_test

LABELS = ("angry", "happy", "sad")


def answers(chosen) -> Answers:
    chosen = np.asarray(chosen)
    return Answers(LABELS, chosen, np.eye(3)[chosen])


def samples(labels) -> Samples:
    labels = np.asarray(labels)
    pictures = np.zeros((len(labels), 4, 4), np.uint8)
    return Samples(pictures, labels, tuple(map(str, labels)), source="a test")


def spoil(labels, count, *, of, into):
    """Give `count` pictures of one label another."""
    chosen = np.array(labels)
    chosen[np.flatnonzero(chosen == of)[:count]] = into
    return chosen


EVEN = np.repeat([0, 1, 2], 400)


def test_equal_answers_pass():
    verdict = judge(answers(EVEN), answers(EVEN), samples(EVEN))
    assert (verdict.passed, verdict.word, verdict.reasons) == (True, "passed", ())
    check_gate({Target.INT8: verdict})


def test_one_per_cent_of_the_accuracy_may_go_and_no_more():
    chosen = np.array(EVEN)
    chosen[::100] = (chosen[::100] + 1) % 3  # 12 of 1,200, four of each label
    assert judge(answers(EVEN), answers(chosen), samples(EVEN)).passed
    chosen[1] = 2
    verdict = judge(answers(EVEN), answers(chosen), samples(EVEN))
    assert verdict.failures == ("keeps 98.92% of float32's accuracy, at least 99% wanted",)
    with pytest.raises(GateError, match="int8 has not passed the gate: keeps 98") as caught:
        check_gate({Target.INT8: verdict}, accept_unmeasured=True)
    assert "--rescue" in str(caught.value)
    assert caught.value.exit_code == 3


def test_one_label_that_loses_much_is_found_behind_a_good_accuracy():
    many = np.repeat([0, 1, 2], [100, 5000, 5000])
    after = spoil(many, 12, of=0, into=2)
    verdict = judge(answers(many), answers(after), samples(many))
    assert verdict.kept > 0.998
    (failure,) = verdict.failures
    assert failure.startswith("angry loses 12.0 points of recall (")


def test_a_loss_that_chance_explains_is_none():
    """Four of 100 is more than three points, but its interval begins below them."""
    many = np.repeat([0, 1, 2], [100, 5000, 5000])
    verdict = judge(answers(many), answers(spoil(many, 4, of=0, into=2)), samples(many))
    assert -verdict.classes["angry"].difference == pytest.approx(0.04)
    assert verdict.passed


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (np.repeat([0, 1, 2], 33), "99 held-out pictures, at least 100 wanted"),
        (np.repeat([0, 2], 200), "no held-out picture of happy"),
    ],
)
def test_what_was_not_measured_does_not_pass_by_default(labels, reason):
    verdict = judge(answers(labels), answers(labels), samples(labels))
    assert (verdict.word, verdict.reasons) == ("not measured", (reason,))
    with pytest.raises(GateError, match="could not measure int8"):
        check_gate({Target.INT8: verdict})
    check_gate({Target.INT8: verdict}, accept_unmeasured=True)


def test_answers_that_are_no_numbers_are_not_measured():
    broken = replace(answers(EVEN), no_numbers=1)
    verdict = judge(answers(EVEN), broken, samples(EVEN))
    assert verdict.unmeasured == ("answers that are no numbers",)


def test_a_network_that_is_always_wrong_is_not_measured():
    wrong = answers((EVEN + 1) % 3)
    verdict = judge(wrong, wrong, samples(EVEN))
    assert "float32 gives no picture its own label" in verdict.unmeasured
    assert verdict.to_json()["accuracy_kept"] is None


def test_a_network_at_chance_does_not_pass_and_is_told_in_capitals():
    dealt = answers(np.tile([0, 1, 2], 400))
    verdict = judge(dealt, dealt, samples(EVEN))
    assert (verdict.word, verdict.kept, verdict.failures) == ("not passed", 1.0, ())
    (reason,) = verdict.reasons
    assert reason.startswith("FLOAT32 IS NO BETTER THAN CHANCE: 33.50% of 1,200 pictures right")
    with pytest.raises(GateError, match=r"int8 has not passed.*NO BETTER.*check --pixels"):
        check_gate({Target.INT8: verdict}, accept_unmeasured=True)
    assert verdict.to_json()["failures"] == [reason]
    check_gate({Target.INT8: verdict}, poor=(reason,), accept_poor=True)


def test_accepting_a_poor_network_accepts_no_poorer_one():
    dealt, wrong = answers(np.tile([0, 1, 2], 400)), answers((EVEN + 1) % 3)
    with pytest.raises(GateError, match=r"keeps 0\.00% of float32's accuracy"):
        check_gate({Target.INT8: judge(dealt, wrong, samples(EVEN))}, accept_poor=True)
    few = np.repeat([0, 1, 2], 9)
    dealt = answers(np.tile([0, 1, 2], 9))
    with pytest.raises(GateError, match=r"could not measure int8: 27 held.*--accept-unmeasured"):
        check_gate({Target.INT8: judge(dealt, dealt, samples(few))}, accept_poor=True)


def test_the_commonest_label_alone_is_remarked_and_passes():
    """Eighty of a hundred are happy; it finds most of the others, and loses more happy ones."""
    uneven = np.repeat([1, 0, 2], [800, 100, 100])
    given = spoil(spoil(uneven, 180, of=1, into=0), 40, of=2, into=1)
    assert find_poor(answers(given), samples(uneven)) == ()
    assert find_remarks(answers(given), samples(uneven)) == (
        "FLOAT32 IS NO BETTER THAN THE COMMONEST LABEL: 78.00% of 1,000 pictures right, and "
        "80.00% are happy",
    )


def test_one_answer_for_all_does_not_pass_however_common_it_is():
    """Nine of ten pictures are happy; nothing else is said of any."""
    uneven = np.repeat([1, 0, 2], [900, 50, 50])
    happy = answers(np.ones_like(uneven))
    verdict = judge(happy, happy, samples(uneven))
    assert verdict.reasons == ("FLOAT32 GIVES EVERY PICTURE THE SAME LABEL: happy",)


def test_what_beats_chance_by_more_than_luck_passes():
    better = np.tile([0, 1, 2], 400)
    better[:60] = 0
    assert find_poor(answers(better), samples(EVEN)) == ()
    assert find_poor(answers(spoil(EVEN, 390, of=0, into=1)), samples(EVEN)) == ()
    # Ten right of 27 may be luck.
    few = np.repeat([0, 1, 2], 9)
    chosen = np.tile([0, 1, 2], 9)
    chosen[1] = 0
    assert "37.04% of 27" in find_poor(answers(chosen), samples(few))[0]


def test_float32_alone_is_judged_by_itself():
    with pytest.raises(GateError, match="float32 has not passed the gate: AT CHANCE"):
        check_gate({}, poor=("AT CHANCE",))
    check_gate({}, poor=("AT CHANCE",), accept_poor=True)


def test_the_paired_test_of_a_textbook():
    """Agresti, Categorical Data Analysis: 150 lost and 86 won of 1,600 (approval ratings)."""
    before = np.zeros(1600, bool)
    after = np.zeros(1600, bool)
    before[:944] = True  # 794 of them stay
    after[:794] = True
    after[944 : 944 + 86] = True
    test = paired_test(before, after)
    assert (test.lost, test.won) == (150, 86)
    assert test.difference == pytest.approx(-0.04)
    assert (test.interval.low, test.interval.high) == pytest.approx((-0.059, -0.021), abs=5e-4)
    assert test.p_value < 1e-4
