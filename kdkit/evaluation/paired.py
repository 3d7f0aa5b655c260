"""The difference of two models on the same samples, by a paired bootstrap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kdkit.contracts.bootstrap import bootstrap_interval, join_cases
from kdkit.contracts.metric import Metric


@dataclass(frozen=True)
class Difference:
    """How much higher a model scores than the one that it is compared with, over ``n`` samples measured for both.

    ``ci_low`` .. ``ci_high``: the 95 % interval over ``units`` independent units; None for fewer than five. The
    numbers are None when nothing could be measured for both.
    """

    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    units: int = 0

    def verdict(self, higher_is_better: bool | None) -> str:
        """ "better" or "worse" where the interval leaves no doubt of the sign, "differs" for a metric that is best at
        zero; else ""."""
        if self.ci_low is None or self.ci_high is None or self.ci_low <= 0 <= self.ci_high:
            return ""
        if higher_is_better is None:
            return "differs"
        return "better" if (self.ci_low > 0) is higher_is_better else "worse"


def paired_difference(
    metric: Metric,
    first: Mapping[str, np.ndarray],
    other: Mapping[str, np.ndarray],
    groups: Mapping[str, str],
    seed: int = 0,
) -> Difference:
    """``other`` minus ``first``: each maps a sample's name to its cases, float64 (cases, tuple length).

    Every draw takes the same samples for both (Efron & Tibshirani 1993), those of one of the ``groups`` (sample's
    name to its group) together. Samples that only one model could be measured on are left out.
    """
    names = [name for name in first if name in other]
    if not names:
        return Difference(None, None, None, 0)
    labels = [("group", groups[name]) if name in groups else ("sample", name) for name in names]
    models = [join_cases([cases[name] for name in names], labels) for cases in (first, other)]
    before, after = (metric.summarize(model.cases) for model in models)
    value = after - before
    if not np.isfinite(value):
        return Difference(None, None, None, len(names), models[0].units)
    low, high = bootstrap_interval(models, metric.summary(), seed) or (None, None)
    return Difference(float(value), low, high, len(names), models[0].units)
