"""Many differences judged together: the step-down, and how rarely it claims what is not there."""

import numpy as np
import pytest
from scipy import stats

from kdkit.evaluation.estimate import Estimate
from kdkit.evaluation.holm import Candidate, judge_family
from kdkit.evaluation.paired import PairedEstimate

UNITS = 100
QUANTILE = stats.t.ppf(0.975, UNITS - 1)


def candidate(p, value=1.0, margin=0.0, n=UNITS):
    """A difference whose two-sided p-value against zero is ``p``."""
    half = QUANTILE * abs(value) / stats.t.ppf(1 - p / 2, UNITS - 1)
    estimate = Estimate(value, [[-0.0], [value]], UNITS, (value - half, value + half))
    return Candidate(PairedEstimate(n, estimate), True, margin)


def claims(*p_values):
    judged = judge_family({i: candidate(p) for i, p in enumerate(p_values)})
    return [judged[i].verdict != "cannot tell" for i in range(len(p_values))]


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([0.04], [True]),
        ([0.06], [False]),
        ([0.02, 0.04], [True, True]),  # 0.02 < 0.05 / 2, then 0.04 < 0.05 / 1
        ([0.03, 0.03], [False, False]),
        ([0.04, 0.001, 0.02], [True, True, True]),
        ([0.04, 0.001, 0.03], [False, True, False]),  # 0.03 > 0.05 / 2 stops what comes after it, too
        ([0.045] * 20, [False] * 20),
    ],
)
def test_claims_are_those_of_holms_step_down(p_values, expected):
    assert claims(*p_values) == expected


def test_the_interval_that_is_shown_stays_the_one_of_95_percent():
    judged = judge_family({"a": candidate(0.04), "b": candidate(0.5)})
    assert judged["a"].verdict == "cannot tell"
    assert judged["a"].ci_low > 0


def test_what_was_not_measured_takes_no_part():
    nothing = Candidate(PairedEstimate(0, None), True, 0.0)
    judged = judge_family({"a": nothing, "b": candidate(0.04), "c": nothing})
    assert list(judged) == ["a", "b", "c"]
    assert [judged[key].verdict for key in judged] == ["cannot tell", "equivalent or better", "cannot tell"]


def test_every_verdict_can_be_a_claim():
    family = {
        "worse": candidate(1e-6, value=-1.0, margin=0.1),
        "slightly worse": candidate(1e-6, value=-1.0, margin=2.0),
        "equivalent or better": candidate(0.9, value=0.01, margin=5.0),
        "cannot tell": candidate(0.9, value=-1.0, margin=1.0),
    }
    assert {word: difference.verdict for word, difference in judge_family(family).items()} == {w: w for w in family}


def test_an_empty_family_has_no_verdicts():
    assert judge_family({}) == {}


def test_no_more_than_one_family_in_twenty_holds_a_false_claim():
    """Ten correlated differences, none of them in truth. Of 400 trials at 5 % the standard error is 1.1 points."""
    trials, wrong = 400, 0
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        values = (rng.normal(0, 1, UNITS) + rng.normal(0, 1, (10, UNITS))) / np.sqrt(2)
        family = {}
        for i, row in enumerate(values):
            half = QUANTILE * stats.sem(row)
            estimate = Estimate(row.mean(), [[0.0], [row.mean()]], UNITS, (row.mean() - half, row.mean() + half))
            family[i] = Candidate(PairedEstimate(UNITS, estimate), True, 0.0)
        wrong += any(difference.verdict != "cannot tell" for difference in judge_family(family).values())
    assert wrong / trials <= 0.05 + 0.022
