"""The Pareto front: the points that no other point beats in both score and cost."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(scores: Sequence[float], costs: Sequence[float]) -> list[int]:
    """The positions of the points on the front, the cheapest first.

    ``scores``: higher is better; ``costs``: lower is better. A point is on the front unless another is at least as
    good in both and better in one; of equal points all are.
    """

    def is_dominated(i: int) -> bool:
        return any(
            scores[j] >= scores[i] and costs[j] <= costs[i] and (scores[j], costs[j]) != (scores[i], costs[i])
            for j in range(len(scores))
        )

    return sorted((i for i in range(len(scores)) if not is_dominated(i)), key=lambda i: (costs[i], -scores[i]))
