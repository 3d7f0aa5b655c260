"""Intervals over independent units, against formulas and against simulations with a known truth."""

import numpy as np
import pytest
from scipy import stats

from kdkit.contracts.bootstrap import FEWEST_UNITS, UnitCases, bootstrap_interval, join_cases


def single(values, labels=None):
    labels = range(len(values)) if labels is None else labels
    return join_cases([np.array([[value]], np.float64) for value in values], labels)


def test_cases_of_equal_labels_are_one_unit():
    joined = join_cases([np.ones((2, 1)), np.zeros((1, 1)), np.full((1, 1), 5.0)], ["a", "b", "a"])
    assert joined.units == 2
    assert joined.unit.tolist() == [0, 0, 1, 0]
    assert joined.cases.tolist() == [[1], [1], [0], [5]]


def test_the_interval_of_many_normal_values_is_students():
    values = np.random.default_rng(0).normal(3, 2, 400)
    low, high = bootstrap_interval([single(values)], None)
    expected = stats.t.interval(0.95, 399, values.mean(), stats.sem(values))
    assert (low, high) == pytest.approx(expected, abs=0.1 * (expected[1] - expected[0]))


def test_few_units_get_the_wider_interval_of_student():
    values = np.random.default_rng(1).normal(0, 1, 8)
    low, high = bootstrap_interval([single(values)], None)
    naive = 2 * 1.96 * values.std() / np.sqrt(8)
    assert high - low > 1.1 * naive


def test_fewer_than_five_units_get_none():
    assert bootstrap_interval([single(range(FEWEST_UNITS - 1))], None) is None
    assert bootstrap_interval([single(range(40), [i % 4 for i in range(40)])], None) is None
    assert bootstrap_interval([single(range(FEWEST_UNITS))], None) is not None


def test_equal_values_of_a_few_prove_nothing():
    equal, varied = single([0.3] * 9), single([0.1, 0.2, 0.3, 0.4, 0.9])
    assert bootstrap_interval([equal], None) is None
    assert bootstrap_interval([varied] * 2, None) is None
    # Of nine alike, the share of others may be as large as Wilson's interval of none of nine.
    unseen = stats.binomtest(0, 9).proportion_ci(method="wilson").high
    low, high = bootstrap_interval([equal], None, value_range=(0, 1))
    assert (low, high) == pytest.approx((0.3 * (1 - unseen), 0.3 + 0.7 * unseen))
    unseen = stats.binomtest(0, 5).proportion_ci(method="wilson").high
    low, high = bootstrap_interval([varied] * 2, None, value_range=(-2, 3))
    assert (low, high) == pytest.approx((-5 * unseen, 5 * unseen))


def test_no_interval_reaches_beyond_what_can_be():
    values = [0.999, 1.0, 0.998, 0.2, 0.99, 1.0]
    assert bootstrap_interval([single(values)], None)[1] > 1
    assert bootstrap_interval([single(values)], None, value_range=(0, 1))[1] == 1
    worst, best = single([0.0] * 6), single(values)
    assert bootstrap_interval([worst, best], None)[1] > 1
    assert bootstrap_interval([worst, best], None, value_range=(0, 1))[1] == 1


def test_rare_errors_do_not_send_a_limit_to_infinity():
    values = np.ones(60)
    values[7] = 0.0
    low, high = bootstrap_interval([single(values)], None)
    assert 0.9 < low < 0.98 and 0.98 < high <= 1.0


def test_any_summary_uses_the_same_resamples_for_both_models():
    rng = np.random.default_rng(2)
    truth = rng.normal(0, 1, 80)
    cases = np.stack([truth + rng.normal(0, 0.5, 80), truth], axis=1)

    def correlation(table):
        return float(np.corrcoef(table.T)[0, 1])

    model = join_cases(list(cases[:, None]), range(80))
    assert bootstrap_interval([model, model], correlation, value_range=(-1, 1)) is None, "nothing varies"
    low, high = bootstrap_interval([model], correlation)
    z, half = np.arctanh(correlation(cases)), 1.96 / np.sqrt(77)  # Fisher's interval
    assert (low, high) == pytest.approx((np.tanh(z - half), np.tanh(z + half)), abs=0.03)


@pytest.mark.parametrize("units", [12, 60])
@pytest.mark.parametrize("clustered", [False, True])
def test_intervals_of_paired_differences_cover_the_truth(units, clustered):
    """95 % nominally; 400 trials have a standard error of 1.1 points."""
    truth, hits = -0.01, 0
    for trial in range(400):
        rng = np.random.default_rng([units, clustered, trial])
        per_unit = rng.integers(1, 5, units) if clustered else np.ones(units, int)
        unit = np.repeat(np.arange(units), per_unit)
        hard = rng.normal(0.8, 0.1, len(unit))
        loss = truth + rng.normal(0, 0.03, units)[unit] + rng.normal(0, 0.01, len(unit))
        models = [UnitCases(values[:, None], unit, units) for values in (hard, hard + loss)]
        low, high = bootstrap_interval(models, None, seed=trial % 4)
        hits += low <= truth <= high
    assert 0.925 <= hits / 400 <= 0.975
