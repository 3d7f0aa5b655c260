"""A measured number with its two doubts: which units it was measured on, and which seeds the students had."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kdkit.contracts.bootstrap import ANY_VALUE, Interval, Summary, UnitCases, bootstrap_interval, sum_range
from kdkit.contracts.metric import Score

ALPHA = 0.05


@dataclass(frozen=True)
class Estimate:
    """The sum of the mean summaries of groups of models; the models of one group differ in their training seed alone.

    ``value``: None where a summary is not finite. ``by_seed``: for each group its models' summaries times the
    group's sign. ``units``: how many independent units were measured. ``unit_interval``: the 95 % interval over
    units with these very models; None for too few units, and where nothing varies. ``value_range``: what the value
    can be.
    """

    value: float | None
    by_seed: Sequence[Sequence[float]]
    units: int
    unit_interval: Interval | None
    value_range: Interval = ANY_VALUE

    def interval(self, alpha: float = ALPHA) -> Interval | None:
        """The interval that leaves the truth out with probability ``alpha``, over units and over seeds.

        ``alpha``: 0.05 or less. The doubts are independent, so their distances from the value are added in squares
        (MOVER: Zou & Donner 2008, Statistics in Medicine 27:1693). For a wider level than 95 % the longer half of the
        interval over units is taken to both sides, and stretched as Student's quantile with units - 1 degrees of
        freedom is: few units do not tell how skewed the far ends are.
        """
        if self.value is None or self.unit_interval is None:
            return None
        below, above = self.value - self.unit_interval[0], self.unit_interval[1] - self.value
        if alpha < ALPHA:
            stretch = _student_quantile(alpha, self.units - 1) / _student_quantile(ALPHA, self.units - 1)
            below = above = stretch * max(below, above)
        seeds = self.seed_half_width(alpha)
        low, high = self.value - math.hypot(below, seeds), self.value + math.hypot(above, seeds)
        return max(low, self.value_range[0]), min(high, self.value_range[1])

    def seed_half_width(self, alpha: float = ALPHA) -> float:
        """Half the width of the interval over seeds, had every unit been measured; 0 with one seed each."""
        return math.hypot(*(_half_width(values, alpha) for values in self.by_seed))


def estimate(
    groups: Sequence[Sequence[UnitCases]],
    signs: Sequence[float],
    summarize: Summary,
    mean: bool,
    seed: int,
    value_range: Interval = ANY_VALUE,
) -> Estimate:
    """Each group's models' mean summary times the group's sign, added up.

    ``groups``: all models measured on the same samples. ``mean``: whether ``summarize`` is the mean of the first
    column, whose interval is studentised. ``seed``: of the bootstrap. ``value_range``: what each summary can be.
    """
    by_seed = [[sign * summarize(m.cases) for m in models] for models, sign in zip(groups, signs, strict=True)]
    units = groups[0][0].units
    value = sum(float(np.mean(values)) for values in by_seed)
    if not math.isfinite(value):
        return Estimate(None, by_seed, units, None)
    models = [model for group in groups for model in group]
    weights = [sign / len(group) for group, sign in zip(groups, signs, strict=True) for _ in group]
    interval = bootstrap_interval(models, None if mean else summarize, seed, weights, value_range)
    return Estimate(value, by_seed, units, interval, sum_range(weights, value_range))


@dataclass(frozen=True)
class DistanceEstimate:
    """How much farther from zero the second group's mean summary lies than the first's: ``|second| - |first|``.

    ``difference``, ``total``: the second minus, and plus, the first. ``value``, ``by_seed``, ``units``: as in
    :class:`Estimate`, of the distances.
    """

    value: float | None
    by_seed: Sequence[Sequence[float]]
    difference: Estimate
    total: Estimate

    @property
    def units(self) -> int:
        """How many independent units were measured."""
        return self.difference.units

    def interval(self, alpha: float = ALPHA) -> Interval | None:
        """The interval that leaves the truth out with probability ``alpha``.

        A distance is the larger of a number and its reverse, so the difference of two is the larger, by the sign of
        the second, of the smaller, by the sign of the first, of four differences; and so are the ends of its interval
        of theirs (union-intersection and intersection-union tests: Casella & Berger 2002, chapter 8.2). Resampled
        distances will not do: where the truth is near zero, all of them lie above it.
        """
        difference, total = self.difference.interval(alpha), self.total.interval(alpha)
        if self.value is None or difference is None or total is None:
            return None
        return (
            max(min(difference[0], total[0]), min(-total[1], -difference[1])),
            min(max(difference[1], -total[0]), max(total[1], -difference[0])),
        )

    def seed_half_width(self, alpha: float = ALPHA) -> float:
        """Half the width of the interval over seeds, had every unit been measured; 0 with one seed each."""
        return self.difference.seed_half_width(alpha)


def estimate_distance(
    groups: Sequence[Sequence[UnitCases]],
    summarize: Summary,
    mean: bool,
    seed: int,
    value_range: Interval = ANY_VALUE,
) -> DistanceEstimate:
    """How much farther from zero the second of two groups lies; arguments as those of :func:`estimate`."""
    difference, total = (estimate(groups, (sign, 1.0), summarize, mean, seed, value_range) for sign in (-1.0, 1.0))
    first, second = total.by_seed
    farther = -abs(float(np.mean(first)))
    value = None if total.value is None else abs(float(np.mean(second))) + farther
    return DistanceEstimate(value, [[farther], [abs(number) for number in second]], difference, total)


@dataclass(frozen=True)
class SeedScore(Score):
    """A student's score, the mean over its training seeds.

    ``seeds``: the score of each seed; ``spread``: their standard deviation (N - 1), None for one. ``n`` counts the
    samples that every seed could be measured on, and the interval holds both doubts.
    """

    seeds: Sequence[float | None] = ()
    spread: float | None = None


def spread(values: Sequence[float]) -> float | None:
    """The standard deviation (N - 1) over seeds; None for fewer than two, and where one is not finite."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return deviation if math.isfinite(deviation) else None


def finite_values(values: Sequence[float]) -> list[float | None]:
    """The values as JSON can hold them."""
    return [float(value) if math.isfinite(value) else None for value in values]


def _half_width(values: Sequence[float], alpha: float) -> float:
    """Half the width of Student's interval of a mean over seeds."""
    deviation = spread(values)
    if deviation is None:
        return 0.0
    return _student_quantile(alpha, len(values) - 1) * deviation / math.sqrt(len(values))


def _student_quantile(alpha: float, freedom: int) -> float:
    """Beyond this, on either side, Student's t lies with probability ``alpha``."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1 - alpha / 2))
