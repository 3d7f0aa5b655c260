"""The difference of two models on the same samples, by a paired bootstrap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kdkit.contracts.metric import RESAMPLES, Metric


@dataclass(frozen=True)
class Difference:
    """How much higher a model scores than the one that it is compared with, over ``n`` samples measured for both.

    ``ci_low`` .. ``ci_high``: the 95 % interval. The numbers are None when nothing could be measured for both.
    """

    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int

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
    units: dict[tuple[str, str], list[str]] = {}
    for name in names:
        unit = ("group", groups[name]) if name in groups else ("sample", name)
        units.setdefault(unit, []).append(name)
    pairs = [
        tuple(np.concatenate([cases[name] for name in unit]) for cases in (first, other)) for unit in units.values()
    ]
    value = _difference(metric, pairs)
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(pairs), (RESAMPLES, len(pairs)))
    values = np.array([_difference(metric, [pairs[i] for i in draw]) for draw in draws])
    values = values[np.isfinite(values)]
    if not np.isfinite(value) or values.size == 0:
        return Difference(None, None, None, len(names))
    low, high = np.percentile(values, [2.5, 97.5])
    return Difference(float(value), float(low), float(high), len(names))


def _difference(metric: Metric, pairs: Sequence[tuple[np.ndarray, ...]]) -> float:
    first, other = (metric.summarize(np.concatenate([pair[side] for pair in pairs])) for side in (0, 1))
    return other - first
