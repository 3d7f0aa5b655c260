"""Intervals of shares (cases that are 0 or 1), where a bootstrap of few that differ, or of none, is far too sure.

With 20 of 20 right every resample says 100 %, and with no difference on 20 every resample says 0: neither is certain.
"""

from __future__ import annotations

import math
from collections.abc import Callable

Z = 1.959963984540054


def share_interval(share: float, count: float) -> tuple[float, float]:
    """The 95 % score interval of a share of ``count`` independent cases (Wilson 1927, JASA 22:209)."""
    centre = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z / (1 + Z**2 / count) * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def share_difference_interval(gained: float, lost: float, count: float) -> tuple[float, float]:
    """The 95 % score interval of the difference of two shares of the same cases (Tango 1998, Stat Med 17:891).

    ``gained``, ``lost``: the shares of the ``count`` independent cases which only the second, or only the first of
    the two, has right. The difference is ``gained - lost``.
    """

    def score(difference: float) -> float:
        """How many standard errors the observed difference lies above this one."""
        slope = -gained - lost + (2 - gained + lost) * difference
        constant = -lost * difference * (1 - difference)
        only_first = (math.sqrt(max(0.0, slope**2 - 8 * constant)) - slope) / 4
        variance = max(0.0, 2 * only_first + difference * (1 - difference)) / count
        distance = gained - lost - difference
        return distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance)

    value = gained - lost
    return _root(lambda at: score(at) - Z, -1.0, value), _root(lambda at: score(at) + Z, value, 1.0)


def constant_interval(value: float, count: float, value_range: tuple[float, float]) -> tuple[float, float] | None:
    """The 95 % interval of the mean of quantities within ``value_range``, all ``count`` of which were ``value``.

    At most one in so many others differs as :func:`share_interval` leaves open, and then by no more than the range
    allows. None without a finite range: nothing is known then of what was not seen.
    """
    low, high = value_range
    if not math.isfinite(high - low):
        return None
    unseen = share_interval(0.0, count)[1]
    return value - unseen * (value - low), value + unseen * (high - value)


def _root(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function crosses zero between ``low`` and ``high``."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2
