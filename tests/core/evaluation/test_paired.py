"""The paired bootstrap of a difference, against what can be computed by hand."""

from collections.abc import Sequence

import numpy as np
import pytest

from kdkit import Metric
from kdkit.errors import KdkitError
from kdkit.evaluation.paired import Difference, paired_estimate, seed_score


class Mean(Metric):
    unit = ""
    higher_is_better = True

    def measure(self, prediction, sample) -> Sequence[tuple[float, ...]]:
        raise NotImplementedError


class Correlation(Mean):
    def summarize(self, cases):
        return float(np.corrcoef(cases.T)[0, 1])


def cases(values):
    return {str(i): np.atleast_2d(np.asarray(value, float)) for i, value in enumerate(values)}


def difference(metric, first, other, groups, seed=0):
    """``other`` minus ``first``, of models with one training seed each."""
    return paired_estimate(metric, [first], [other], groups, seed).difference()


def test_what_both_have_in_common_does_not_widen_the_interval():
    rng = np.random.default_rng(0)
    hard, gain = rng.normal(0, 1, 200), rng.normal(0.05, 0.1, 200)
    found = difference(Mean(), cases(hard[:, None]), cases((hard + gain)[:, None]), {})
    assert found.value == pytest.approx(gain.mean())
    # For a mean the bootstrap's interval is the normal one (Efron 1979).
    half = 1.96 * gain.std() / np.sqrt(200)
    assert (found.ci_low, found.ci_high) == pytest.approx((gain.mean() - half, gain.mean() + half), abs=half / 5)
    assert found.n == 200


def test_samples_of_a_group_are_drawn_together():
    rng = np.random.default_rng(1)
    patients = rng.normal(0, 1, 30)
    repeated = np.repeat(patients, 10)
    zeros = cases(np.zeros((300, 1)))
    groups = {str(i): str(i // 10) for i in range(300)}
    found = difference(Mean(), zeros, cases(repeated[:, None]), groups)
    alone = difference(Mean(), zeros, cases(repeated[:, None]), {})
    half = 1.96 * patients.std() / np.sqrt(30)
    assert found.ci_high - found.ci_low == pytest.approx(2 * half, rel=0.2)
    assert alone.ci_high - alone.ci_low < 0.5 * (found.ci_high - found.ci_low)


def test_a_metric_of_all_cases_together_has_its_difference_too():
    rng = np.random.default_rng(2)
    truth = rng.normal(0, 1, 80)
    good, bad = (np.stack([truth + rng.normal(0, noise, 80), truth], 1) for noise in (0.3, 1.5))
    found = difference(Correlation(), cases(bad), cases(good), {})
    assert found.value == pytest.approx(np.corrcoef(good.T)[0, 1] - np.corrcoef(bad.T)[0, 1])
    assert 0 < found.ci_low < found.value < found.ci_high


def test_what_one_could_not_be_measured_on_is_left_out_for_both():
    first, other = cases([[1.0], [2.0], [50.0]]), cases([[1.5], [2.5], [3.5], [90.0]])
    del first["2"]
    found = difference(Mean(), first, other, {})
    assert (found.value, found.n, found.units) == (0.5, 2, 2)
    assert found.ci_low is None and found.ci_high is None  # two units are too few


def test_nothing_in_common_is_no_difference():
    assert difference(Mean(), cases([[1.0]]), {}, {}) == Difference(None, None, None, 0)


def test_models_that_are_equal_on_a_few_samples_may_differ_on_others():
    same = cases([[1.0], [2.0], [4.0], [5.0], [9.0]])
    found = difference(Mean(), same, same, {})
    assert (found.value, found.ci_low, found.ci_high) == (0, None, None)
    found = difference(Bounded(), same, same, {})
    assert found.value == 0
    assert -10 < found.ci_low < -3 and 3 < found.ci_high < 10


def test_a_score_outside_its_range_is_an_error_of_the_metric():
    with pytest.raises(KdkitError, match="value_range, 0 to 10"):
        seed_score(Bounded(), [cases([[11.0]] * 6)], {})
    metric = Bounded()
    metric.add_cases(np.array([[11.0]]), None)
    with pytest.raises(KdkitError, match="value_range, 0 to 10"):
        metric.compute()


class Bounded(Mean):
    value_range = (0, 10)


class Bias(Mean):
    higher_is_better = None


def test_a_metric_that_is_best_at_zero_is_compared_by_its_distance_from_zero():
    far, near = cases([[-5.0]] * 6), cases([[1.0]] * 6)
    assert difference(Bias(), far, near, {}).value == -4.0
    found = difference(Bias(), near, far, {})
    assert found.value == 4.0
    assert found.quantity == "distance from zero" and found.describe("4 %") == "4 % farther from zero"
    assert difference(Mean(), near, far, {}).quantity == "score"


@pytest.mark.parametrize(("first", "other", "sign"), [(1, 1, 1), (-1, -1, -1), (1, -1, -1), (-1, 1, 1)])
def test_far_from_zero_the_interval_of_distances_is_that_of_a_sum_or_a_difference(first, other, sign):
    rng = np.random.default_rng(0)
    before, after = first * 5 + rng.normal(0, 1, (40, 1)), other * 4 + rng.normal(0, 1, (40, 1))
    found = difference(Bias(), cases(before), cases(after), {})
    # |b| - |a| = sign * (b - first * other * a), in a metric whose direction is known.
    low, high = (lambda d: (d.ci_low, d.ci_high))(difference(Mean(), cases(first * other * before), cases(after), {}))
    assert (found.ci_low, found.ci_high) == pytest.approx((low, high) if sign > 0 else (-high, -low))
    assert found.value == pytest.approx(abs(after.mean()) - abs(before.mean()))


@pytest.mark.parametrize(("before", "after", "noise"), [(0, 0, 0.05), (0, 0, 1), (0.3, -0.3, 1)], ids=str)
def test_equal_distances_from_zero_are_rarely_called_different(before, after, noise):
    """Also where the first model has next to no bias on any case: any resampled bias of the other one is larger."""
    held, trials = 0, 120
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        sides = cases(rng.normal(before, noise, (12, 1))), cases(rng.normal(after, 1, (12, 1)))
        found = difference(Bias(), *sides, {})
        held += found.ci_low <= 0 <= found.ci_high
    assert held / trials >= 0.92


def test_seeds_whose_biases_point_both_ways_are_as_far_as_their_mean():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, (20, 1))
    students = [cases(noise + offset) for offset in (-2, 3)]
    teacher = rng.normal(0.4, 0.1, (20, 1))
    found = paired_estimate(Bias(), [cases(teacher)], students, {}).difference()
    mean, far = noise.mean(), abs(teacher.mean())
    assert found.value == pytest.approx(abs(mean + 0.5) - far)
    assert found.seeds == pytest.approx([abs(mean + offset) - far for offset in (-2, 3)])
    half = 12.706 * np.std([-2, 3], ddof=1) / np.sqrt(2)
    assert found.seed_half_width == pytest.approx(half, rel=1e-3)
    assert found.ci_low < -half + 1 and found.ci_high > half - 1
