"""Drawing from narrower ranges, for clips that look more alike."""

from __future__ import annotations

from typing import Any, cast

import numpy as np


class _NarrowRanges:
    """A random generator whose single draws lie nearer to the middle; noise fields and choices do not change."""

    def __init__(self, rng: np.random.Generator, share: float) -> None:
        self._rng, self._share = rng, share

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rng, name)

    def random(self) -> float:
        return 0.5 + self._share * (self._rng.random() - 0.5)

    def uniform(self, low: float, high: float, size: Any = None) -> Any:
        middle = (low + high) / 2
        return middle + self._share * (self._rng.uniform(low, high, size) - middle)

    def normal(self, mean: float, deviation: float) -> float:
        return self._rng.normal(mean, self._share * deviation)


def narrow_ranges(rng: np.random.Generator, share: float) -> np.random.Generator:
    """A generator that draws from the ``share`` of each range about its middle; ``rng`` itself for a share of 1.

    Events with a probability below (1 - share) / 2 no longer occur.
    """
    return rng if share == 1.0 else cast(np.random.Generator, _NarrowRanges(rng, share))
