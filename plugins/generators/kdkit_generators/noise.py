"""Noise: the control that any other generator has to beat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kdkit import ComponentOptions, Field, Generator, Sample


class Noise(Generator):
    """Independent noise, uint8 of any shape, uniform in 0..255, in blocks of ``grain`` equal values along each axis.

    A student distilled on it learns what the teacher says of nothing: its score is the floor under every other.
    """

    class Options(ComponentOptions):
        shape: tuple[int, ...] = Field(min_length=1, description="Shape of a sample, for example [32, 112, 112].")
        grain: int = Field(1, ge=1, description="Side of the blocks of equal value, in array elements.")

    @classmethod
    def example_options(cls, folder: Path) -> Mapping[str, Any]:
        return {"shape": (4, 8, 8), "grain": 2}

    def generate(self, indices: Iterable[int]) -> Iterator[Sample]:
        shape, grain = self.options.shape, self.options.grain
        coarse = tuple(-(-side // grain) for side in shape)
        for index in indices:
            values = self.rng(index).integers(0, 256, coarse, dtype=np.uint8)
            for axis in range(values.ndim):
                values = np.repeat(values, grain, axis=axis)
            yield Sample(values[tuple(slice(side) for side in shape)], info={"name": f"noise-{index:05d}"})
