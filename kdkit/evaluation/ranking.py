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
    pairs = [(value, s) for s in samples if (value := s.values.get(STUDENT)) is not None]
    return [s for _, s in sorted(pairs, key=lambda pair: (badness(pair[0], higher_is_better), pair[1].index))]


def pick_examples(samples: Sequence[SampleValues]) -> list[tuple[str, SampleValues]]:
    """Of samples from best to worst, one for each rank, in the order of :data:`RANKS`.

    No sample is picked twice, so few samples leave ranks out.
    """
    if not samples:
        return []
    ranks = {0: "best"}
    ranks.setdefault(len(samples) - 1, "worst")
    ranks.setdefault(len(samples) // 2, "median")
    return [(ranks[position], samples[position]) for position in sorted(ranks)]
