"""Which evaluation samples went best and worst, by the student's first metric."""

from __future__ import annotations

from collections.abc import Sequence

from kdkit.evaluation.outcome import SampleValues
from kdkit.runs.folder import STUDENT

RANKS = ("best", "median", "worst")


def badness(value: float, higher_is_better: bool | None) -> float:
    """The smaller the better, whatever the metric's direction; a metric without one is best at zero."""
    if higher_is_better is None:
        return abs(value)
    return -value if higher_is_better else value


def best_first(samples: Sequence[SampleValues], higher_is_better: bool | None) -> list[SampleValues]:
    """The samples that the student could be measured on, in order; equal ones in the order of their indices."""
    measured = [(value, s) for s in samples if (value := s.values.get(STUDENT)) is not None]
    return [s for _, s in sorted(measured, key=lambda pair: (badness(pair[0], higher_is_better), pair[1].index))]


def chosen(ordered: Sequence[SampleValues]) -> list[tuple[str, SampleValues]]:
    """One sample for each rank, in the order of :data:`RANKS`; no sample twice, so few samples leave ranks out."""
    if not ordered:
        return []
    picked = {0: "best"}
    picked.setdefault(len(ordered) - 1, "worst")
    picked.setdefault(len(ordered) // 2, "median")
    return [(picked[at], ordered[at]) for at in sorted(picked)]
