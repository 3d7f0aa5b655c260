"""The four verdicts on a difference, and how often they are wrong."""

import numpy as np
import pytest

from kdkit.contracts.bootstrap import bootstrap_interval, join_cases
from kdkit.evaluation.judgement import judge
from kdkit.evaluation.paired import Difference


def difference(low, value, high, units=50):
    return Difference(value, low, high, units, units)


@pytest.mark.parametrize(
    ("low", "value", "high", "word"),
    [
        (-0.015, -0.005, 0.005, "equivalent or better"),
        (0.01, 0.02, 0.03, "equivalent or better"),
        (-0.018, -0.01, -0.002, "slightly worse"),
        (-0.05, -0.04, -0.03, "worse"),
        (-0.022, -0.0137, -0.003, "cannot tell"),
        (-0.1, 0.0, 0.1, "cannot tell"),
        (-0.02, 0.0, 0.02, "cannot tell"),  # the margin itself is a loss that matters
    ],
)
def test_the_verdict_follows_from_interval_and_margin(low, value, high, word):
    assert judge(difference(low, value, high), True, 0.02).word == word
    assert judge(difference(-high, -value, -low), False, 0.02).word == word


def test_without_an_interval_nothing_can_be_told():
    assert judge(Difference(0.1, None, None, 3, 3), True, 0.02).word == "cannot tell"
    assert judge(Difference(None, None, None, 0), True, 0.02).more_units is None


def test_equal_models_are_equivalent_whatever_the_margin():
    assert judge(difference(0.0, 0.0, 0.0), True, 0.0).word == "equivalent or better"
    assert judge(difference(0.0, 0.0, 0.0), False, 0.02).word == "equivalent or better"


def test_without_a_margin_a_difference_around_zero_cannot_be_told():
    judgement = judge(difference(-0.1, 0.0, 0.1), True, 0.0)
    assert (judgement.word, judgement.more_units) == ("cannot tell", None)


def test_the_units_that_would_settle_it():
    # Half the width 0.02, and 0.01 from the margin: four times the units.
    judgement = judge(difference(-0.03, -0.01, 0.01), True, 0.02)
    assert (judgement.word, judgement.more_units) == ("cannot tell", 150)
    assert judge(difference(-0.04, -0.02, 0.0), True, 0.02).more_units is None


@pytest.mark.parametrize("units", [12, 100])
@pytest.mark.parametrize(
    ("truth", "wrong"), [(-0.02, {"equivalent or better", "slightly worse"}), (-0.02, {"worse"})]
)
def test_a_verdict_is_wrong_one_time_in_twenty_at_most(units, truth, wrong):
    """A model whose true loss is the margin itself: the hardest case for either word."""
    trials, errors = 400, 0
    for trial in range(trials):
        rng = np.random.default_rng([units, trial])
        hard, loss = rng.normal(0.8, 0.1, units), rng.normal(-0.02, 0.02, units)
        models = [join_cases(list(values[:, None, None]), range(units)) for values in (hard, hard + loss)]
        low, high = bootstrap_interval(models, None, trial % 4)
        errors += judge(Difference(loss.mean(), low, high, units, units), True, 0.02).word in wrong
    assert errors / trials <= 0.05
