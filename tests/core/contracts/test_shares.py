"""Intervals of shares, against SciPy, the score test by its definition, and the exact distribution of rare losses."""

import numpy as np
import pytest
from scipy import optimize, stats

from kdkit.contracts.bootstrap import UnitCases, bootstrap_interval
from kdkit.contracts.shares import share_difference_interval, share_interval


def models(*columns, unit=None):
    unit = np.arange(len(columns[0])) if unit is None else np.asarray(unit)
    return [UnitCases(np.array(column, np.float64)[:, None], unit, int(unit.max()) + 1) for column in columns]


@pytest.mark.parametrize("right", [0, 1, 7, 12, 13])
def test_a_share_has_wilsons_interval(right):
    expected = stats.binomtest(right, 13).proportion_ci(method="wilson")
    assert share_interval(right / 13, 13) == pytest.approx((expected.low, expected.high))
    (one,) = models([1] * right + [0] * (13 - right))
    assert bootstrap_interval([one], None, value_range=(0, 1)) == pytest.approx((expected.low, expected.high))
    if 0 < right < 13:
        assert bootstrap_interval([one], None) == pytest.approx((expected.low, expected.high))


def likeliest_only_first(gained, lost, count, difference):
    """The share that only the first has right, by likelihood, where the true difference is this one."""

    def misfit(only_first):
        shares = np.array([only_first + difference, only_first, 1 - 2 * only_first - difference])
        return -float(np.dot([gained, lost, count - gained - lost], np.log(np.maximum(shares, 1e-300))))

    bounds = (max(0.0, -difference) + 1e-12, (1 - difference) / 2 - 1e-12)
    return optimize.minimize_scalar(misfit, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x


@pytest.mark.parametrize(("gained", "lost", "count"), [(12, 2, 50), (0, 3, 40), (5, 5, 20), (1, 0, 12)])
def test_the_ends_of_a_difference_lie_where_its_score_test_rejects(gained, lost, count):
    ends = share_difference_interval(gained / count, lost / count, count)
    for end in ends:
        variance = (2 * likeliest_only_first(gained, lost, count, end) + end * (1 - end)) / count
        assert abs((gained - lost) / count - end) / variance**0.5 == pytest.approx(1.96, abs=2e-3)
    same = count - gained - lost
    first, second = [0] * gained + [1] * lost + [1] * same, [1] * gained + [0] * lost + [1] * same
    assert bootstrap_interval(models(first, second), None) == pytest.approx(ends, abs=1e-9)
    low, high = bootstrap_interval(models(second, first), None)
    assert (-high, -low) == pytest.approx(ends, abs=1e-9)


@pytest.mark.parametrize("count", [5, 54])
def test_without_any_difference_the_interval_has_a_closed_form(count):
    half = 1.96**2 / (count + 1.96**2)
    assert share_difference_interval(0, 0, count) == pytest.approx((-half, half), abs=1e-4)


@pytest.mark.parametrize("count", [12, 30, 112, 160, 185, 300])
def test_a_loss_at_the_margin_is_rarely_called_none(count):
    """Exactly: each number of lost cases times how likely it is when one in fifty is lost."""
    wrong = 0.0
    for lost in range(count // 4):
        low, _ = share_difference_interval(0, lost / count, count)
        wrong += stats.binom.pmf(lost, count, 0.02) * (low > -0.02)
    assert wrong <= 0.05


def test_equal_answers_of_few_are_not_certainly_equal():
    perfect = [1] * 20
    low, high = bootstrap_interval(models(perfect, perfect), None, value_range=(0, 1))
    assert low < -0.1 and high > 0.1
    # Two training seeds, a teacher: the mean of the intervals of the pairs.
    weights = (-0.5, -0.5, 1.0)
    several = bootstrap_interval(models(perfect, perfect, perfect), None, 0, weights, (0, 1))
    assert several == pytest.approx((low, high))


@pytest.mark.parametrize("ends", [(0, 100), (-1, 1), (0, 0.01)], ids=str)
def test_shares_on_any_scale_have_the_same_intervals(ends):
    rng = np.random.default_rng(4)
    first, second = rng.random((2, 25)) < 0.9
    bottom, width = ends[0], ends[1] - ends[0]
    low, high = bootstrap_interval(models(second), None, value_range=(0, 1))
    scaled = bootstrap_interval(models(bottom + width * second), None, value_range=ends)
    assert scaled == pytest.approx((bottom + width * low, bottom + width * high))
    expected = np.array(bootstrap_interval(models(first, second), None, value_range=(0, 1)))
    scaled = bootstrap_interval(models(bottom + width * first, bottom + width * second), None, value_range=ends)
    assert scaled == pytest.approx(width * expected)


@pytest.mark.parametrize("value_range", [(-np.inf, np.inf), (0, np.inf)], ids=str)
def test_no_error_on_any_case_is_no_share(value_range):
    """An error of 0 mm, or of 1 frame, on all of a few cases: nothing tells what it can be on others."""
    for value in (0.0, 1.0):
        assert bootstrap_interval(models([value] * 20), None, value_range=value_range) is None
    low, high = bootstrap_interval(models([0.0] * 20), None, value_range=(0, 100))
    assert low == 0 and 10 < high < 20


@pytest.mark.parametrize(
    ("sizes", "a"), [([10] * 8, 3), ([10] * 12, 27), ([30, 30] + [3] * 20, 3), (range(1, 13), 3)]
)
def test_shares_of_few_patients_with_many_clips_hold_the_truth(sizes, a):
    """Each patient's own chance is drawn from a beta distribution: clips of one are alike."""
    unit = np.repeat(np.arange(len(sizes)), list(sizes))
    true, held = a / (a + a / 3), 0
    for trial in range(400):
        rng = np.random.default_rng(trial)
        right = rng.random(len(unit)) < rng.beta(a, a / 3, len(sizes))[unit]
        low, high = bootstrap_interval(models(right, unit=unit), None, value_range=(0, 1))
        held += low <= true <= high
    assert held / 400 >= 0.925


def test_a_unit_that_holds_nearly_all_cases_allows_no_interval():
    rng = np.random.default_rng(0)
    unit = np.repeat(np.arange(6), [100, 1, 1, 1, 1, 1])
    for column in (rng.normal(0, 1, 105), rng.random(105) < 0.5):
        assert bootstrap_interval(models(column, unit=unit), None, value_range=(-9, 9)) is None
        assert bootstrap_interval(models(column), None, value_range=(-9, 9)) is not None


def test_alike_cases_of_a_unit_count_once():
    rng = np.random.default_rng(0)
    by_unit = rng.random(30) < 0.7
    (alone,) = models(by_unit)
    (alike,) = models(np.repeat(by_unit, 4), unit=np.repeat(np.arange(30), 4))
    assert bootstrap_interval([alike], None) == pytest.approx(bootstrap_interval([alone], None), rel=0.05)
    (independent,) = models(rng.random(120) < 0.7, unit=np.repeat(np.arange(30), 4))
    narrow, wide = (np.ptp(bootstrap_interval([one], None)) for one in (independent, alike))
    assert narrow < 0.75 * wide
