"""Intervals over units and seeds, against what can be computed by hand and against a simulation."""

import numpy as np
import pytest
from scipy import stats

from kdkit import Metric
from kdkit.contracts.bootstrap import bootstrap_interval, join_cases
from kdkit.evaluation.estimate import Estimate
from kdkit.evaluation.judgement import judge
from kdkit.evaluation.paired import paired_estimate, seed_score


class Mean(Metric):
    """The mean of what was measured."""

    unit = ""
    higher_is_better = True

    def measure(self, prediction, sample):
        raise NotImplementedError


class Root(Mean):
    """Any summary that is no mean."""

    def summarize(self, cases):
        return float(np.sqrt(np.mean(cases[:, 0] ** 2)))


def cases(values):
    return {str(i): np.array([[value]]) for i, value in enumerate(values)}


def units(values):
    return join_cases([np.array([[value]]) for value in values], range(len(values)))


def test_one_seed_changes_nothing():
    values = np.random.default_rng(0).normal(0.8, 0.1, 30)
    score = seed_score(Mean(), [cases(values)], {})
    assert (score.ci_low, score.ci_high) == pytest.approx(bootstrap_interval([units(values)], None))
    assert (score.seeds, score.spread) == ([pytest.approx(values.mean())], None)


def test_seeds_and_units_add_their_doubts_in_squares():
    rng = np.random.default_rng(1)
    hard = rng.normal(0.8, 0.1, 40)
    offsets = np.array([-0.05, 0.0, 0.08])
    score = seed_score(Mean(), [cases(hard + offset) for offset in offsets], {})
    low, high = bootstrap_interval([units(hard + offsets.mean())], None)
    half = stats.t.ppf(0.975, 2) * offsets.std(ddof=1) / np.sqrt(3)
    value = hard.mean() + offsets.mean()
    assert score.value == pytest.approx(value)
    assert score.spread == pytest.approx(offsets.std(ddof=1))
    assert score.seeds == pytest.approx(list(hard.mean() + offsets))
    assert score.ci_low == pytest.approx(value - np.hypot(value - low, half))
    assert score.ci_high == pytest.approx(value + np.hypot(high - value, half))


@pytest.mark.parametrize("metric", [Mean(), Root()])
def test_a_difference_of_two_runs_holds_the_seeds_of_both(metric):
    rng = np.random.default_rng(2)
    hard = rng.normal(0.8, 0.1, 25)
    gain = rng.normal(0.1, 0.02, 25)
    first, other = [hard, hard + 0.01], [hard + gain, hard + gain + 0.02, hard + gain + 0.07]
    found = paired_estimate(metric, [*map(cases, first)], [*map(cases, other)], {}).difference()
    summaries = [[metric.summarize(values[:, None]) for values in group] for group in (first, other)]
    assert found.value == pytest.approx(np.mean(summaries[1]) - np.mean(summaries[0]))
    halves = [stats.t.ppf(0.975, len(s) - 1) * np.std(s, ddof=1) / np.sqrt(len(s)) for s in summaries]
    assert found.seed_half_width == pytest.approx(np.hypot(*halves))
    assert found.ci_high - found.ci_low > 2 * found.seed_half_width
    assert found.seeds == pytest.approx(np.array(summaries[1]) - np.mean(summaries[0]))


def test_a_sample_that_one_seed_could_not_be_measured_on_is_left_out_for_all():
    first = cases([1.0, 2.0, 3.0, 4.0, 5.0, 90.0])
    other = cases([2.0, 3.0, 4.0, 5.0, 6.0])
    score = seed_score(Mean(), [first, other], {})
    assert (score.n, score.units, score.seeds) == (5, 5, [3.0, 4.0])
    nothing = seed_score(Mean(), [first, {}], {})
    assert (nothing.value, nothing.n, nothing.seeds) == (None, 0, ())


def test_a_seed_without_a_number_leaves_none():
    score = seed_score(Mean(), [cases([1.0] * 6), cases([np.nan] * 6)], {})
    assert (score.value, score.ci_low, score.seeds, score.spread) == (None, None, [1.0, None], None)


def test_a_higher_level_is_the_longer_half_wider_as_student_is():
    estimate = Estimate(0.0, [[0.0]], 12, (-1.0, 2.0))
    stretch = stats.t.ppf(0.995, 11) / stats.t.ppf(0.975, 11)
    assert estimate.interval(0.01) == pytest.approx((-2 * stretch, 2 * stretch))
    assert estimate.interval() == (-1.0, 2.0)


def test_more_units_are_no_advice_where_the_seeds_alone_leave_it_open():
    hard = np.random.default_rng(3).normal(0.8, 0.1, 40)
    losses = np.random.default_rng(4).normal(0, 0.05, 40)
    student = [cases(hard + losses + offset) for offset in (-0.06, 0.0, 0.06)]
    found = paired_estimate(Mean(), [cases(hard)], student, {}).difference()
    assert found.seed_half_width > 0.1
    judgement = judge(found, True, 0.02)
    assert (judgement.word, judgement.more_units) == ("cannot tell", None)


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_over_seeds_cover_the_truth(seeds):
    """Student minus teacher; seeds move the student by as much as units move the mean. 95 % nominally."""
    trials, hits = 300, 0
    for trial in range(trials):
        rng = np.random.default_rng([seeds, trial])
        hard = rng.normal(0.8, 0.1, 30)
        losses = rng.normal(-0.01, 0.05, 30)
        student = [cases(hard + losses + offset) for offset in rng.normal(0, 0.01, seeds)]
        found = paired_estimate(Mean(), [cases(hard)], student, {}, trial % 4).difference()
        hits += found.ci_low <= -0.01 <= found.ci_high
    assert 0.93 <= hits / trials <= 0.995
