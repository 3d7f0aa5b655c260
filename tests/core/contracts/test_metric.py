"""The metric contract: what one number over many samples means, and how sure it is."""

import math

import numpy as np
import pytest

from kdkit import Metric, Sample
from kdkit.contracts.bootstrap import RESAMPLES


class Mean(Metric):
    """Mean of the prediction's values; a sample without any cannot be measured."""

    unit = "mm"
    higher_is_better = None

    def measure(self, prediction, sample):
        return [(float(value),) for value in prediction]


class Correlation(Metric):
    """Pearson's r over all cases."""

    unit = ""
    higher_is_better = True

    def measure(self, prediction, sample):
        return [(float(prediction[0]), float(sample.truth["value"]))]

    def summarize(self, cases):
        with np.errstate(all="ignore"):
            return float(np.corrcoef(cases.T)[0, 1]) if len(cases) > 1 else math.nan


NOTHING = Sample(np.zeros(1))


def metric_of(values):
    metric = Mean()
    for value in values:
        metric.update(np.atleast_1d(value), NOTHING)
    return metric


def test_the_interval_is_that_of_resampling_samples():
    values = np.random.default_rng(1).normal(5, 2, 40)
    score = metric_of(values).compute(seed=3)
    # An implementation of its own: 95 % between the percentiles of the means of resampled samples.
    rng = np.random.default_rng(99)
    means = [rng.choice(values, len(values)).mean() for _ in range(20_000)]
    assert score.value == pytest.approx(values.mean())
    assert score.ci_low == pytest.approx(np.percentile(means, 2.5), abs=0.1)
    assert score.ci_high == pytest.approx(np.percentile(means, 97.5), abs=0.1)
    assert score.ci_low < score.value < score.ci_high


def test_fewer_than_five_units_have_no_interval():
    score = of_patients(np.arange(40.0), [i % 4 for i in range(40)]).compute()
    assert (score.value, score.ci_low, score.ci_high, score.n, score.units) == (19.5, None, None, 40, 4)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(5)
    scores = [metric_of(rng.normal(0, 1, 30)).compute() for _ in range(60)]
    held = sum(score.ci_low <= 0 <= score.ci_high for score in scores)
    assert held >= 0.9 * 60


def test_cases_of_one_sample_are_drawn_together():
    # Ten samples of a hundred equal cases each know as little as ten cases; a thousand free cases know much more.
    values = np.random.default_rng(0).normal(0, 1, 10)
    together = metric_of([np.full(100, value) for value in values]).compute()
    alone = metric_of(values).compute()
    assert together.n == alone.n == 10
    assert together.ci_high - together.ci_low == pytest.approx(alone.ci_high - alone.ci_low)


def of_patients(values, patients):
    metric = Mean()
    for value, patient in zip(values, patients, strict=True):
        info = {} if patient is None else {"unit": patient}
        metric.update(np.atleast_1d(value), Sample(np.zeros(1), info=info))
    return metric


def test_samples_of_one_group_are_drawn_together():
    # Ten patients with a hundred equal clips each know as little as ten clips.
    values = np.random.default_rng(0).normal(0, 1, 10)
    grouped = of_patients(np.tile(values, 100), list(range(10)) * 100).compute()
    alone = metric_of(values).compute()
    assert grouped.n == 1000
    assert grouped.value == pytest.approx(alone.value)
    assert (grouped.ci_low, grouped.ci_high) == pytest.approx((alone.ci_low, alone.ci_high))
    assert metric_of(np.tile(values, 100)).compute().ci_low > grouped.ci_low + 0.1


def test_a_sample_without_a_group_is_drawn_by_itself():
    values = np.random.default_rng(3).normal(0, 1, 12)
    score, alone = of_patients(values, [None] * 12).compute(), metric_of(values).compute()
    assert (score.n, score.value, score.ci_low, score.ci_high) == (12, alone.value, alone.ci_low, alone.ci_high)
    # A patient may be called like a sample's place: 0 is somebody, and not the first sample.
    mixed = of_patients([0.0, 1.0, 2.0], [None, 0, "0"]).compute()
    assert (mixed.n, mixed.units) == (3, 2)


def test_groups_are_kept_when_processes_merge():
    values, patients = np.random.default_rng(4).normal(0, 1, 20), [i // 2 for i in range(20)]
    first, second = of_patients(values[:7], patients[:7]), of_patients(values[7:], patients[7:])
    first.merge(second)
    assert first.compute(seed=4) == of_patients(values, patients).compute(seed=4)


def test_merging_gives_what_gathering_in_one_gives():
    values = np.random.default_rng(2).normal(0, 1, 12)
    first, second = metric_of(values[:5]), metric_of(values[5:])
    first.merge(second)
    assert first.compute(seed=4) == metric_of(values).compute(seed=4)


def test_n_counts_the_samples_that_could_be_measured():
    assert metric_of([[1.0, 2.0], [], [3.0]]).compute().n == 2
    assert metric_of([[1.0, 2.0], [], [3.0]]).compute().value == pytest.approx(2.0)


def test_without_any_sample_there_is_no_number():
    score = Mean().compute()
    assert (score.value, score.ci_low, score.ci_high, score.n) == (None, None, None, 0)
    assert (score.unit, score.higher_is_better) == ("mm", None)


def test_a_number_that_means_nothing_is_none():
    metric = Correlation()
    metric.update(np.array([1.0]), Sample(np.zeros(1), {"value": np.array(2.0)}))
    score = metric.compute()
    assert (score.value, score.ci_low, score.ci_high, score.n) == (None, None, None, 1)


def test_a_summary_over_all_cases_is_not_the_mean_of_samples():
    metric = Correlation()
    for x, y in [(0, 0.1), (1, 0.9), (2, 2.2), (3, 2.9)]:
        metric.update(np.array([x]), Sample(np.zeros(1), {"value": np.array(y)}))
    assert metric.compute().value == pytest.approx(np.corrcoef([0, 1, 2, 3], [0.1, 0.9, 2.2, 2.9])[0, 1])


def test_the_interval_is_the_same_for_the_same_seed_and_is_drawn_often_enough():
    values = np.random.default_rng(2).normal(0, 1, 12)
    assert metric_of(values).compute(seed=1) == metric_of(values).compute(seed=1)
    assert metric_of(values).compute(seed=1) != metric_of(values).compute(seed=2)
    assert RESAMPLES >= 1000
