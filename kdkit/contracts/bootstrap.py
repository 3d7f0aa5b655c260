"""Confidence intervals by resampling independent units (patients, say), right for few of them, too."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kdkit.contracts.shares import Z, constant_interval, share_difference_interval, share_interval

RESAMPLES = 2000
# With fewer units the spread within the sample says next to nothing about the spread of the estimate.
FEWEST_UNITS = 5
_CHUNK = 200
# Resamples without any spread (all errors of a rare kind left out, say) spoil a studentised interval.
_MOST_FLAT = 0.005

Summary = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class AdditiveSummary:
    """A summary that depends on nothing of its cases but the sum of each column: resampling then adds up sums."""

    summarize: Summary

    def __call__(self, cases: np.ndarray) -> float:
        return self.summarize(cases)


Interval = tuple[float, float]
ANY_VALUE = (-math.inf, math.inf)


@dataclass(frozen=True)
class UnitCases:
    """The cases of one model.

    ``cases``: float64 (cases, values). ``unit``: int (cases,), the number of each case's unit, 0 to ``units`` - 1.
    """

    cases: np.ndarray
    unit: np.ndarray
    units: int


def join_cases(cases: Sequence[np.ndarray], labels: Sequence[Hashable]) -> UnitCases:
    """The cases of samples, each float64 (cases, values), in one table; equal ``labels`` make one unit."""
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    unit = np.concatenate([np.full(len(part), numbers[label]) for part, label in zip(cases, labels, strict=True)])
    return UnitCases(np.concatenate(list(cases)), unit, len(numbers))


def bootstrap_interval(
    models: Sequence[UnitCases],
    summary: Summary | None,
    seed: int = 0,
    weights: Sequence[float] | None = None,
    value_range: Interval = ANY_VALUE,
) -> Interval | None:
    """The 95 % interval of the sum of the models' summaries, each times its weight.

    ``models``: one or more that were measured on the same units; every resample takes the same units for all
    (a paired bootstrap, Efron & Tibshirani 1993). ``summary``: from cases to one number; None for the mean of their
    first column. ``weights``: one for each model; None for the summary of a single model, and for the second's minus
    the first's of two. ``value_range``: what each model's summary can be; no interval reaches beyond what follows.

    None for fewer than :data:`FEWEST_UNITS` units, counted by their weight (:func:`effective_units`), where no
    resample gives a finite number, and where all give the same one, unless it is a mean of values within a finite
    range (:func:`kdkit.contracts.shares.constant_interval`): that nothing varied among a few is no proof that nothing
    varies. Means get a studentised interval with the units' robust standard error (Efron & Tibshirani 1993, chapter
    12.5), shares (means of cases that all lie at the ends of the range, 0 or 1, 0 % or 100 %) and their differences
    the score intervals of :mod:`kdkit.contracts.shares`, other summaries the expanded percentile interval (Hesterberg
    2015, The American Statistician 69:371), whose width for few normal values is that of Student's interval.
    """
    if effective_units(models[0]) < FEWEST_UNITS:
        return None
    weights = weights or ((1.0,) if len(models) == 1 else (-1.0, 1.0))
    interval = _interval(models, summary, seed, weights, value_range)
    low, high = sum_range(weights, value_range)
    if interval is None or _has_width(interval):
        return interval and (max(interval[0], low), min(interval[1], high))
    if summary is not None:
        return None
    return constant_interval(interval[0], effective_units(models[0]), (low, high))


def effective_units(model: UnitCases) -> float:
    """How many units of equal size tell as much, where what is measured varies between units alone (Kish 1965).

    A unit with 100 of 105 cases decides a mean: five more beside it do not tell how much units vary.
    """
    sizes = np.bincount(model.unit, minlength=model.units)
    return float(sizes.sum()) ** 2 / float((sizes.astype(np.float64) ** 2).sum())


def sum_range(weights: Sequence[float], value_range: Interval) -> Interval:
    """What the sum of summaries, each times its weight, can be where each lies within the range."""
    ends = [sorted(weight * end for end in value_range) for weight in weights]
    return sum(low for low, _ in ends), sum(high for _, high in ends)


def _has_width(interval: Interval) -> bool:
    return interval[1] - interval[0] > 1e-12 * max(map(abs, interval))


def _interval(
    models: Sequence[UnitCases],
    summary: Summary | None,
    seed: int,
    weights: Sequence[float],
    value_range: Interval,
) -> Interval | None:
    """Not cut off at the ends of the range; of no width where nothing varies."""
    units = models[0].units
    counts = _draw_counts(units, seed)
    if summary is None:
        interval = _interval_of_shares(models, weights, value_range)
        if interval is not None:
            return interval
        interval = _studentised_interval(models, weights, counts)
        if interval is not None:
            return interval
        estimates = [_resample_means(model, counts) for model in models]
    else:
        estimates = [_resample(model, summary, counts) for model in models]
    values = np.tensordot(weights, estimates, 1)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return None
    level = _expanded_level(units)
    low, high = np.quantile(values, [level, 1 - level])
    return float(low), float(high)


def _interval_of_shares(
    models: Sequence[UnitCases], weights: Sequence[float], value_range: Interval
) -> Interval | None:
    """The mean of the intervals of all models, or of all pairs of a first (weight below 0) and a second model.

    A mean of several is no less certain than one of them. None unless every case is at an end of the range, or 0 or 1
    where none is stated and both are seen: an error of 0 on all cases is no share.
    """
    values = [model.cases[:, 0] for model in models]
    seen = set(np.concatenate(values).tolist())
    bottom, top = (0.0, 1.0) if value_range == ANY_VALUE and len(seen) > 1 else value_range
    if not math.isfinite(top - bottom) or not seen <= {bottom, top}:
        return None
    if not np.isclose(abs(sum(weights)), 1.0 if min(weights) > 0 else 0.0):
        return None
    seconds = [(v == top, m) for v, m, weight in zip(values, models, weights, strict=True) if weight > 0]
    firsts = [v == top for v, weight in zip(values, weights, strict=True) if weight < 0]
    if firsts and any(len(v) != len(values[0]) for v in values):
        return None
    intervals = []
    for second, model in seconds:
        if not firsts:
            intervals.append(share_interval(float(second.mean()), _independent_cases(second, model)))
        for first in firsts:
            gained, lost = float((second & ~first).mean()), float((first & ~second).mean())
            count = _independent_cases(second.astype(float) - first, model)
            intervals.append(share_difference_interval(gained, lost, count))
    low, high = np.mean(intervals, axis=0) * (top - bottom) + (0.0 if firsts else bottom)
    return float(low), float(high)


def _independent_cases(values: np.ndarray, model: UnitCases) -> float:
    """How many independent cases tell as much about the mean: no fewer than units of equal size would.

    Where units have several cases, it is estimated from few units how alike these are. Korn & Graubard (1998, Survey
    Methodology 24:193) therefore take fewer, by the square of the normal quantile over Student's.
    """
    if model.units == len(values):
        return float(model.units)
    sums = _unit_sums(UnitCases(values[:, None], model.unit, model.units))
    residuals = sums[:, 0] - values.mean() * sums[:, 1]
    error = float((residuals**2).sum()) / len(values) ** 2 * model.units / (model.units - 1)
    fewest = effective_units(model)
    count = float(np.clip(values.var() / error, fewest, len(values))) if error > 0 else fewest
    return count * (Z / _student_quantile(fewest - 1)) ** 2


def _studentised_interval(
    models: Sequence[UnitCases], weights: Sequence[float], counts: np.ndarray
) -> Interval | None:
    """None where too many resamples have no spread."""
    units = models[0].units
    sums = np.concatenate([_unit_sums(model) for model in models], axis=1)
    rows, columns = np.triu_indices(sums.shape[1])
    products = sums[:, rows] * sums[:, columns]
    estimate, error = _mean_and_error(sums.sum(0)[None], products.sum(0)[None], weights, units)
    if not error[0] > 0:
        return float(estimate[0]), float(estimate[0])
    table = np.concatenate([sums, products], axis=1)
    totals = np.concatenate([counts[i : i + _CHUNK] @ table for i in range(0, len(counts), _CHUNK)])
    estimates, errors = _mean_and_error(totals[:, : sums.shape[1]], totals[:, sums.shape[1] :], weights, units)
    flat = ~(errors > 1e-6 * error[0])
    if flat.mean() > _MOST_FLAT:
        return None
    studentised = (estimates - estimate[0])[~flat] / errors[~flat]
    low, high = np.quantile(studentised, [0.025, 0.975])
    return float(estimate[0] - high * error[0]), float(estimate[0] - low * error[0])


def _unit_sums(model: UnitCases) -> np.ndarray:
    """Of each unit the sum of its cases' first column, and their number: float64 (units, 2)."""
    sums = np.bincount(model.unit, model.cases[:, 0], model.units)
    return np.stack([sums, np.bincount(model.unit, minlength=model.units)], axis=1).astype(np.float64)


def _mean_and_error(
    sums: np.ndarray, products: np.ndarray, weights: Sequence[float], units: int
) -> tuple[np.ndarray, np.ndarray]:
    """The weighted sum of the models' means and its standard error by linearisation, of each row of totals."""
    size = sums.shape[1]
    gradient = np.zeros_like(sums)
    estimate = np.zeros(len(sums))
    for start, weight in zip(range(0, size, 2), weights, strict=True):
        total, count = sums[:, start], sums[:, start + 1]
        mean = total / count
        estimate += weight * mean
        gradient[:, start], gradient[:, start + 1] = weight / count, -weight * mean / count
    rows, columns = np.triu_indices(size)
    multiplicity = np.where(rows == columns, 1.0, 2.0)
    variance = (multiplicity * gradient[:, rows] * gradient[:, columns] * products).sum(1)
    return estimate, np.sqrt(np.maximum(variance, 0) * units / (units - 1))


def _resample_means(model: UnitCases, counts: np.ndarray) -> np.ndarray:
    table = _unit_sums(model)
    totals = np.concatenate([counts[i : i + _CHUNK] @ table for i in range(0, len(counts), _CHUNK)])
    return np.asarray(totals[:, 0] / totals[:, 1])


def _resample(model: UnitCases, summary: Summary, counts: np.ndarray) -> np.ndarray:
    if isinstance(summary, AdditiveSummary):
        columns = [np.bincount(model.unit, column, model.units) for column in model.cases.T]
        table = np.stack(columns, axis=1)
        totals = [counts[start : start + _CHUNK] @ table for start in range(0, len(counts), _CHUNK)]
        return np.array([summary(total[None]) for total in np.concatenate(totals)])
    return np.array([summary(np.repeat(model.cases, count[model.unit], axis=0)) for count in counts])


@lru_cache(maxsize=4)
def _draw_counts(units: int, seed: int) -> np.ndarray:
    """How often each unit is drawn: (resamples, units). Kept, because all metrics of an evaluation share it."""
    rng = np.random.default_rng(seed)
    parts = []
    for start in range(0, RESAMPLES, _CHUNK):
        rows = min(_CHUNK, RESAMPLES - start)
        draws = rng.integers(0, units, (rows, units)) + units * np.arange(rows)[:, None]
        parts.append(np.bincount(draws.ravel(), minlength=rows * units).reshape(rows, units).astype(np.uint8))
    return np.concatenate(parts)


def _expanded_level(units: int) -> float:
    from scipy.special import ndtr

    return float(ndtr(-_student_quantile(units - 1) * np.sqrt(units / (units - 1))))


def _student_quantile(freedom: float) -> float:
    """Beyond this, on either side, Student's t lies with probability 0.05."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))
