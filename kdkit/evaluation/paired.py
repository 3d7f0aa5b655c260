"""The difference of two models on the same samples, by a paired bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kdkit.contracts.bootstrap import bootstrap_interval, join_cases
from kdkit.contracts.metric import Metric


@dataclass(frozen=True)
class Difference:
    """How much higher a model scores than the one that it is compared with, over ``n`` samples measured for both.

    For a metric that is best at zero: how much farther from zero its score lies.

    ``ci_low`` .. ``ci_high``: the 95 % interval over ``units`` independent units; None for fewer than five. The
    numbers are None when nothing could be measured for both.
    """

    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    units: int = 0


def paired_difference(
    metric: Metric,
    first: Mapping[str, np.ndarray],
    other: Mapping[str, np.ndarray],
    units: Mapping[str, str],
    seed: int = 0,
) -> Difference:
    """``other`` minus ``first``: each maps a sample's name to its cases, float64 (cases, tuple length).

    Every draw takes the same samples for both (Efron & Tibshirani 1993), those of one unit (``units``: sample's
    name to its unit) together. Samples that only one model could be measured on are left out.
    """
    names = [name for name in first if name in other]
    if not names:
        return Difference(None, None, None, 0)
    labels = [("unit", units[name]) if name in units else ("sample", name) for name in names]
    models = [join_cases([cases[name] for name in names], labels) for cases in (first, other)]
    summary = _distance_from_zero(metric) if metric.higher_is_better is None else metric.summary()
    before, after = ((summary or metric.summarize)(model.cases) for model in models)
    value = after - before
    if not np.isfinite(value):
        return Difference(None, None, None, len(names), models[0].units)
    low, high = bootstrap_interval(models, summary, seed) or (None, None)
    return Difference(float(value), low, high, len(names), models[0].units)


def _distance_from_zero(metric: Metric) -> Callable[[np.ndarray], float]:
    return lambda cases: abs(metric.summarize(cases))


class CaseRecord:
    """The cases of every model by every metric, sample by sample, so that any two models can be paired."""

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self.metrics = metrics
        self._cases: dict[tuple[str, str], dict[str, np.ndarray]] = {}
        self._units: dict[str, str] = {}

    def add(self, model: str, name: str, index: int, cases: np.ndarray | None, info: Mapping[str, Any]) -> None:
        """Note what the metric ``name`` measured of a model on sample ``index``; None where it could not."""
        if (unit := info.get("unit")) is not None:
            self._units[str(index)] = str(unit)
        if cases is not None:
            self._cases.setdefault((model, name), {})[str(index)] = cases

    def difference(self, name: str, model: str, other: str, seed: int = 0) -> Difference:
        """``model`` minus ``other`` by the metric ``name``; see :func:`paired_difference`."""
        first, second = (self._cases.get((side, name), {}) for side in (other, model))
        return paired_difference(self.metrics[name], first, second, self._units, seed)
