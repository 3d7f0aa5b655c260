"""The difference of two models on the same samples, by a paired bootstrap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kdkit.contracts.bootstrap import UnitCases, join_cases
from kdkit.contracts.metric import Metric
from kdkit.evaluation.estimate import (
    ALPHA,
    DistanceEstimate,
    Estimate,
    SeedScore,
    estimate,
    estimate_distance,
    finite_values,
    spread,
)

SCORE, DISTANCE = "score", "distance from zero"

SampleCases = Mapping[str, np.ndarray]
"""From a sample's name to its cases, float64 (cases, tuple length)."""


@dataclass(frozen=True)
class Difference:
    """How much higher a model scores than the one that it is compared with, over ``n`` samples measured for both.

    For a metric that is best at zero: how much farther from zero its score lies.

    ``ci_low`` .. ``ci_high``: the 95 % interval over ``units`` independent units and over training seeds, where
    there are several; None for fewer than five units, and where nothing varies among them. The numbers are None when
    nothing could be measured for both.
    ``seeds``: the difference of each of the model's seeds, and ``spread`` their standard deviation (N - 1), None for
    one. ``seed_half_width``: of the interval, the half width that more units would not narrow.
    ``quantity``: what was subtracted, "score" or "distance from zero".
    """

    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    units: int = 0
    seeds: Sequence[float | None] = ()
    spread: float | None = None
    seed_half_width: float = 0.0
    quantity: str = SCORE

    def describe(self, text: str) -> str:
        """The difference, written as ``text``, with what it is of where that is not the scores."""
        return text if self.quantity == SCORE or self.value is None else f"{text} farther from zero"


@dataclass(frozen=True)
class PairedEstimate:
    """A difference before its interval has a level. ``n``: samples; ``estimate``: None where nothing is paired."""

    n: int
    estimate: Estimate | DistanceEstimate | None

    def difference(self, alpha: float = ALPHA) -> Difference:
        """The difference with the interval that leaves the truth out with probability ``alpha``."""
        if self.estimate is None:
            return Difference(None, None, None, 0)
        of_other, of_model = self.estimate.by_seed
        seeds = [value + float(np.mean(of_other)) for value in of_model]
        low, high = self.estimate.interval(alpha) or (None, None)
        return Difference(
            value=self.estimate.value,
            ci_low=low,
            ci_high=high,
            n=self.n,
            units=self.estimate.units,
            seeds=finite_values(seeds),
            spread=spread(seeds),
            seed_half_width=self.estimate.seed_half_width(alpha),
            quantity=DISTANCE if isinstance(self.estimate, DistanceEstimate) else SCORE,
        )


def paired_estimate(
    metric: Metric,
    first: Sequence[SampleCases],
    other: Sequence[SampleCases],
    units: Mapping[str, str],
    seed: int = 0,
) -> PairedEstimate:
    """The mean over the seeds of ``other`` minus that of ``first``, each with one mapping for each seed.

    Every draw takes the same samples for all (Efron & Tibshirani 1993), those of one unit (``units``: sample's
    name to its unit) together. Samples that not every one could be measured on are left out.
    """
    count, models = _join_shared([first, other], units)
    if not count:
        return PairedEstimate(0, None)
    summary = metric.summary()
    number, is_mean = summary or metric.summarize, summary is None
    if metric.higher_is_better is None:
        return PairedEstimate(count, estimate_distance(models, number, is_mean, seed, metric.value_range))
    difference = estimate(models, (-1.0, 1.0), number, is_mean, seed, metric.value_range)
    return PairedEstimate(count, difference)


def seed_score(metric: Metric, by_seed: Sequence[SampleCases], units: Mapping[str, str], seed: int = 0) -> SeedScore:
    """The mean score over seeds, on the samples that every seed could be measured on."""
    count, models = _join_shared([by_seed], units)
    if not count:
        return SeedScore(None, None, None, 0, metric.unit, metric.higher_is_better)
    summary = metric.summary()
    score = estimate(models, (1.0,), summary or metric.summarize, summary is None, seed, metric.value_range)
    metric.require_in_range(score.value)
    low, high = score.interval() or (None, None)
    (values,) = score.by_seed
    return SeedScore(
        value=score.value,
        ci_low=low,
        ci_high=high,
        n=count,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        units=score.units,
        seeds=finite_values(values),
        spread=spread(values),
    )


def _join_shared(
    models: Sequence[Sequence[SampleCases]], units: Mapping[str, str]
) -> tuple[int, list[list[UnitCases]]]:
    """How many samples every seed of every model was measured on, and the cases of those alone."""
    every = [cases for by_seed in models for cases in by_seed]
    names = [name for name in every[0] if all(name in cases for cases in every)] if every else []
    if not names:
        return 0, []
    labels = [("unit", units[name]) if name in units else ("sample", name) for name in names]
    return len(names), [[join_cases([c[name] for name in names], labels) for c in by_seed] for by_seed in models]


class CaseRecord:
    """The cases of every model by every metric, sample by sample, so that any two models can be paired."""

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self.metrics = metrics
        self._cases: dict[tuple[str, str], list[dict[str, np.ndarray]]] = {}
        self._units: dict[str, str] = {}

    def add(
        self,
        model: str,
        name: str,
        index: int,
        cases: np.ndarray | None,
        info: Mapping[str, Any],
        number: int = 0,
    ) -> None:
        """Note what the metric ``name`` measured of a model on sample ``index``; None where it could not.

        ``number``: which of the model's training seeds, from 0.
        """
        if (unit := info.get("unit")) is not None:
            self._units[str(index)] = str(unit)
        by_seed = self._cases.setdefault((model, name), [])
        by_seed.extend({} for _ in range(number + 1 - len(by_seed)))
        if cases is not None:
            by_seed[number][str(index)] = cases

    def pair(self, name: str, model: str, other: str, seed: int = 0) -> PairedEstimate:
        """``model`` minus ``other`` by the metric ``name``; see :func:`paired_estimate`."""
        first, second = (self._cases.get((side, name), []) for side in (other, model))
        if not first or not second:
            return PairedEstimate(0, None)
        return paired_estimate(self.metrics[name], first, second, self._units, seed)

    def score(self, name: str, model: str, seed: int = 0) -> SeedScore:
        """The model's mean score over its seeds by the metric ``name``; see :func:`seed_score`."""
        return seed_score(self.metrics[name], self._cases.get((model, name), []), self._units, seed)
