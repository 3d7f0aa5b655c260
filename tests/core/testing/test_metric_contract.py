"""The promises of a metric, each against one that breaks it."""

import numpy as np
import pytest
from breaking import check_each_has_a_breaker, check_only, verdict_on

from kdkit import Metric, Sample, Score
from kdkit.testing import MetricContract


def _cases(count=5):
    rng = np.random.default_rng(0)
    for _ in range(count):
        mask = rng.random((400, 400)) > 0.4
        yield (
            (rng.uniform(0.1, 0.2) + 0.7 * mask).astype(np.float32),
            Sample(mask.astype(np.uint8), {"mask": mask.astype(np.uint8)}),
        )


CASES = list(_cases())


class Difference(Metric):
    """Mean difference to the mask, weighted by its size."""

    unit = ""
    higher_is_better = False

    def measure(self, prediction, sample):
        if "mask" not in sample.truth:
            return []
        mask = sample.truth["mask"]
        return [(float(np.abs(prediction - mask).mean(dtype=np.float64)), float(mask.sum()))]

    def summarize(self, cases):
        return float(np.average(cases[:, 0], weights=cases[:, 1]))


class Unitless(Difference):
    """Has no unit."""

    unit = None


class Undirected(Difference):
    """Says its direction in words."""

    higher_is_better = "no"


class Exceeding(Difference):
    """Some samples lie outside what it says that can be."""

    value_range = (0, 0.148)


class NotANumber(Difference):
    """Divides by zero."""

    def measure(self, prediction, sample):
        return [(float("nan"), 1.0)] if super().measure(prediction, sample) else []


class Ragged(Difference):
    """Gives tuples of different length."""

    def measure(self, prediction, sample):
        return [(*row, 1.0) if i else row for i, row in enumerate(2 * super().measure(prediction, sample))]

    def update(self, prediction, sample):
        rows = self.measure(prediction, sample)[:1]
        if not rows:
            return None
        self._samples.append(np.array(rows))
        return self._samples[-1]


class OtherHumans(Difference):
    """Says less of people than of a model."""

    def humans(self, sample):
        return [(0.5,)] if "mask" in sample.truth else []


class DemandingHumans(Difference):
    """Takes it for granted that people have drawn something."""

    def humans(self, sample):
        return [(0.5, float(sample.truth["mask"].sum()))]


class Nothing(Difference):
    """Measures nothing."""

    def measure(self, prediction, sample):
        return []


class Unmerged(Difference):
    """Forgets what others have gathered."""

    def merge(self, other):
        pass


class Last(Difference):
    """Keeps the last one only."""

    def summarize(self, cases):
        return float(cases[-1, 0])


class Holding(Difference):
    """Holds what cannot be sent."""

    def __init__(self, options=None):
        super().__init__(options)
        self.rule = lambda value: value


class Overwriting(Difference):
    """Binarises in place."""

    def measure(self, prediction, sample):
        rows = super().measure(prediction, sample)
        prediction[prediction > 0.5] = 1
        return rows


class TruthOverwriting(Difference):
    """Inverts the mask in place."""

    def measure(self, prediction, sample):
        rows = super().measure(prediction, sample)
        for mask in sample.truth.values():
            mask ^= 1
        return rows


class NumpyScore(Difference):
    """Gives a number of numpy's."""

    def compute(self, seed=0):
        score = super().compute(seed)
        return score if score.n == 0 else Score(np.float32(score.value), None, None, score.n, "", False)


class Zero(Difference):
    """Gives zero for nothing."""

    def compute(self, seed=0):
        return super().compute(seed) if self._samples else Score(0.0, None, None, 0, "", False)


class Demanding(Difference):
    """Takes the truth for granted."""

    def measure(self, prediction, sample):
        assert sample.truth["mask"] is not None
        return super().measure(prediction, sample)


class Overflowing(Difference):
    """Adds up in the precision that it is given."""

    def measure(self, prediction, sample):
        rows = super().measure(prediction, sample)
        return [(*row, float(np.isfinite(prediction.sum()))) for row in rows]

    def summarize(self, cases):
        return float(cases[:, 2].mean())


BROKEN = [
    (Unitless, "test_unit_and_direction_are_declared"),
    (Undirected, "test_unit_and_direction_are_declared"),
    (Exceeding, "test_scores_lie_within_their_range"),
    (NotANumber, "test_cases_are_rows_of_numbers"),
    (Ragged, "test_cases_are_rows_of_numbers"),
    (OtherHumans, "test_cases_are_rows_of_numbers"),
    (Nothing, "test_something_is_measured"),
    (Unmerged, "test_parts_add_up"),
    (Last, "test_order_does_not_matter"),
    (Holding, "test_it_can_be_gathered_over_processes"),
    (Overwriting, "test_what_it_measures_is_left_unchanged"),
    (TruthOverwriting, "test_what_it_measures_is_left_unchanged"),
    (NumpyScore, "test_the_score_is_plain"),
    (Zero, "test_nothing_measured_gives_none"),
    (Demanding, "test_a_sample_without_truth_is_left_out"),
    (DemandingHumans, "test_a_sample_without_truth_is_left_out"),
    (Overflowing, "test_half_precision_is_measured_alike"),
]


@pytest.mark.parametrize(("component", "test"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_exactly_the_broken_promise_is_noticed(component, test):
    check_only(test, MetricContract, component, cases=CASES)


def test_every_promise_has_a_breaker():
    check_each_has_a_breaker(MetricContract, [test for _, test in BROKEN])


def test_a_good_metric_keeps_all_promises():
    verdict = verdict_on(MetricContract, Difference, cases=CASES)
    assert verdict.broken == []
    assert len(verdict.kept) == 20  # it has no options to change


def test_without_cases_it_is_not_verified():
    verdict = verdict_on(MetricContract, Difference)
    assert verdict.unverified.startswith("needs three example cases; give them as Difference.example_cases")
